package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// TestSync_loading: a sync of a server that loads its data waits until it has them, in
// each mode.
func TestSync_loading(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t, testserver.Options{Args: []string{"--enable-debug-command", "local", "--repl-diskless-sync-delay", "0"}})
	connect := func() rueidis.Client {
		client, err := rueidis.NewClient(single(server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	client, other := connect(), connect()
	if err := fill(t.Context(), client, 10_000, "k"); err != nil {
		t.Fatal(err)
	}
	do := func(words ...string) string {
		t.Helper()
		text, err := other.Do(t.Context(), other.B().Arbitrary(words...).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, mode := range []string{"scan", "replica"} {
		file := filepath.Join(t.TempDir(), "warehouse.db")
		// A millisecond a key, and other clients are served after each kilobyte.
		do("CONFIG", "SET", "key-load-delay", "1000", "loading-process-events-interval-bytes", "1024")
		loaded := make(chan error, 1)
		go func() { loaded <- client.Do(t.Context(), client.B().Arbitrary("DEBUG", "RELOAD").Build()).Error() }()
		for late := time.Now().Add(hung); !strings.Contains(do("INFO", "persistence"), "loading:1"); time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatal("the server does not load")
			}
		}
		p := start(t, exec.CommandContext(t.Context(), "keylift", "sync", "--url", "redis://"+server.Address(), "--mode", mode, "--destination", file), "trying again")
		if !p.meets() {
			t.Errorf("mode %s: it did not wait: %v\n%s", mode, p.err, p.out)
		}
		do("CONFIG", "SET", "key-load-delay", "0")
		if err := <-loaded; err != nil {
			t.Fatal(err)
		}
		if <-p.ended; p.err != nil || !strings.Contains(p.out.String(), "10,000 new") || !strings.Contains(p.out.String(), "LOADING") {
			t.Errorf("mode %s: %v\n%s", mode, p.err, p.out)
		}
		out, err := exec.CommandContext(t.Context(), "keylift", "verify", "--url", "redis://"+server.Address(), "--destination", file).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "10,000 keys equal") {
			t.Errorf("mode %s: %v\n%s", mode, err, out)
		}
	}
}
