package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

func TestMain(m *testing.M) {
	if os.Getenv("KEYLIFT_TEST_SERVER") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The server is built without cgo, and DuckDB is not in it.
func TestLinks(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.Contains(pkg, "duckdb") || strings.Contains(pkg, "runtime/cgo") {
			t.Errorf("it links %s", pkg)
		}
	}
}

// TestServer runs the program as the platform does: it listens on the port that
// it is given, logs JSON, and ends with status 0 when it is told to.
func TestServer(t *testing.T) {
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "--port", "0")
	cmd.Env = append(os.Environ(), "KEYLIFT_TEST_SERVER=1", "FIVETRAN_ACCOUNT_NAME=acme")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	address := ""
	for address == "" && lines.Scan() {
		var line map[string]string
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if line["level"] != "INFO" || line["message-origin"] != "sdk_connector" || !strings.Contains(line["message"], "account=acme") {
			t.Errorf("line %s", lines.Text())
		}
		_, address, _ = strings.Cut(line["message"], "address=")
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		hosts = append(hosts, "::1")
		_ = l.Close()
	}
	for _, host := range hosts {
		conn, err := grpc.NewClient(net.JoinHostPort(host, port), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		form, err := sdk.NewSourceConnectorClient(conn).ConfigurationForm(t.Context(), &sdk.ConfigurationFormRequest{}, grpc.WaitForReady(true))
		if err != nil || len(form.Fields) == 0 {
			t.Errorf("%s: %v, %v", host, form, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("it does not end")
	}
}

func TestServer_usage(t *testing.T) {
	for _, args := range [][]string{{"--prot", "1"}, {"extra"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "KEYLIFT_TEST_SERVER=1")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
