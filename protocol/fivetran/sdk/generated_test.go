package sdk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated generates the code again, by the pinned tools, and compares.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it builds the generators")
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./protogen", here, "connector.proto", dir)
	cmd.Dir = filepath.Join("..", "..", "..", "tools")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	for _, name := range []string{"connector.pb.go", "connector_grpc.pb.go"} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what connector.proto says: run make proto", name)
		}
	}
}
