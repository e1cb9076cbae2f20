package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

// TestSync_readOnly: where the destination may not be written to, a sync says so in one
// sentence and changes nothing; one that follows goes on once it may.
func TestSync_readOnly(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{Args: []string{"--repl-diskless-sync-delay", "0"}})
	client := tortureClients{}
	client.connect(t, server)
	folder := t.TempDir()
	file := filepath.Join(folder, "warehouse.db")
	keylift := func(words ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "keylift", append(words, "--url", "redis://"+server.Address(), "--destination", file)...)
	}
	must := func(words ...string) string {
		t.Helper()
		out, err := keylift(words...).CombinedOutput()
		if err != nil {
			t.Fatalf("keylift %s: %v\n%s", words, err, out)
		}
		return string(out)
	}
	// Those whom permissions do not bind give that up.
	var bound []string
	if os.Getuid() == 0 {
		setpriv, err := exec.LookPath("setpriv")
		if err != nil {
			testserver.Missing(t, "setpriv")
		}
		bound = []string{setpriv, "--bounding-set=-all", "--inh-caps=-all"}
		if out, err := exec.CommandContext(t.Context(), bound[0], append(bound[1:], "true")...).CombinedOutput(); err != nil {
			t.Skipf("skipped: permissions bind nobody here: %s", out)
		}
	}
	binding := func(cmd *exec.Cmd) *exec.Cmd {
		if bound == nil {
			return cmd
		}
		return exec.CommandContext(t.Context(), bound[0], append(bound[1:], cmd.Args...)...)
	}
	permit := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) }) //nolint:gosec // it is removed

	client.must(t, server, "SET", "a", "1")
	must("sync")
	client.must(t, server, "SET", "b", "2")
	for _, tt := range []struct {
		path       string
		mode, then os.FileMode
	}{{file, 0o400, 0o600}, {folder, 0o500, 0o700}} {
		permit(tt.path, tt.mode)
		var stderr bytes.Buffer
		cmd := binding(keylift("sync"))
		cmd.Stderr = &stderr
		_ = cmd.Run()
		_, why, _ := strings.Cut(stderr.String(), "keylift: ")
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(why, "Permission denied") || strings.Count(why, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", tt.path, code, &stderr)
		}
		if out := must("status"); !strings.Contains(out, "complete") {
			t.Errorf("status: %s", out)
		}
		permit(tt.path, tt.then)
	}

	permit(folder, 0o500)
	p := start(t, binding(keylift("sync", "--mode", "replica", "--follow", "--verbose")), "Permission denied")
	if !p.meets() {
		t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
	}
	permit(folder, 0o700)
	for late := time.After(hung); !strings.Contains(p.out.String(), "generation=2"); {
		select {
		case <-p.ended:
			t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
		case <-late:
			t.Fatalf("nothing is published: %s", p.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	must("sync", "--mode", "replica")
	if out := must("verify"); !strings.Contains(out, "2 keys equal") {
		t.Errorf("verify: %s", out)
	}
}
