package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

// While a sync follows into a file, which nobody else can open then, status tells
// how far it has come, and verify what to do.
func TestStatus_held(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{})
	file := filepath.Join(t.TempDir(), "warehouse.db")
	url := "redis://" + server.Address()
	keylift := func(args ...string) (out string, code int) {
		t.Helper()
		text, err := exec.CommandContext(t.Context(), "keylift", args...).CombinedOutput()
		if ended, ok := errors.AsType[*exec.ExitError](err); ok {
			return string(text), ended.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(text), 0
	}
	status := func(args ...string) string {
		t.Helper()
		out, code := keylift(append([]string{"status", "--destination", file}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, out)
		}
		return out
	}

	p := start(t, exec.CommandContext(t.Context(), "keylift", "sync", "--url", url, "--mode", "replica", "--follow", "--destination", file, "--verbose"), "msg=publishing")
	if !p.meets() {
		t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
	}
	pid := "process " + strconv.Itoa(p.cmd.Process.Pid)
	out := ""
	for late := time.Now().Add(hung); !strings.Contains(out, pid+" follows the server\n"); out = status("--url", url) {
		if time.Now().After(late) {
			t.Fatalf("status: %s", out)
		}
	}
	for _, want := range []string{"generation       1\n", "published as of  20", "\nlag  "} {
		if !strings.Contains(out, want) {
			t.Errorf("status lacks %q: %s", want, out)
		}
	}
	if out := status(); !strings.Contains(out, pid) || strings.Contains(out, "lag") {
		t.Errorf("status without a server: %s", out)
	}
	want := "keylift: " + file + " is held by " + pid +
		", which follows the server into it; end that process, run this, and start it again: it goes on where it was\n"
	if out, code := keylift("verify", "--url", url, "--destination", file); code != exitFailed || out != want {
		t.Errorf("verify: exit code %d: %s", code, out)
	}

	// What a killed process leaves behind says nothing.
	_ = p.cmd.Process.Kill()
	<-p.ended
	if _, err := os.Stat(file + ".status"); err != nil {
		t.Error(err)
	}
	if out := status("--url", url); !strings.Contains(out, "complete\n") || !strings.Contains(out, "\nlag  ") {
		t.Errorf("status after a kill: %s", out)
	}
	if out, code := keylift("sync", "--url", url, "--mode", "replica", "--destination", file); code != 0 {
		t.Errorf("sync: exit code %d: %s", code, out)
	}
	left, err := filepath.Glob(file + "*")
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
