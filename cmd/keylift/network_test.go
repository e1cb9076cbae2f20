package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
)

// TestSync_broken: a snapshot that breaks off each time, as where the server holds less
// for a replica than is written meanwhile, ends in one sentence that says what to set.
func TestSync_broken(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{Args: []string{"--rdbcompression", "no"}})
	client := tortureClients{}
	client.connect(t, server)
	for i := range 50 {
		client.must(t, server, "SET", fmt.Sprintf("k%d", i), strings.Repeat("x", 100_000))
	}
	proxy := tortureProxy(t, server)
	proxy.CutEach(4_500_000)
	file := filepath.Join(t.TempDir(), "warehouse.db")
	out, err := exec.CommandContext(t.Context(), "keylift", append(addressArgs(proxy), "sync", "--mode", "replica", "--destination", file, "--retry-for", "200ms")...).CombinedOutput()
	exit, _ := errors.AsType[*exec.ExitError](err)
	if exit == nil || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "no success for ") ||
		!strings.Contains(string(out), "where client-output-buffer-limit was exceeded, raise it for replicas, and where repl-timeout was, raise that\n") {
		t.Errorf("keylift sync: %v\n%s", err, out)
	}
	proxy.CutEach(0)
	if out, err := exec.CommandContext(t.Context(), "keylift", append(addressArgs(proxy), "sync", "--mode", "replica", "--destination", file)...).CombinedOutput(); err != nil {
		t.Errorf("keylift sync: %v\n%s", err, out)
	}
}

// TestSync_network: a sync whose connections die without a word, and one of which a byte
// is changed on its way, try again and end equal.
func TestSync_network(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t, testserver.Options{Args: []string{"--repl-diskless-sync-delay", "0"}})
	client := tortureClients{}
	client.connect(t, server)
	if err := fill(t.Context(), client[server], 20_000, "k"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, mode, text string // that is awaited before the fault
		fault            func(*faultproxy.Proxy)
		says             string
	}{
		{"half open", "scan", "msg=checkpoint", func(p *faultproxy.Proxy) { p.HalfOpen(faultproxy.Answers) }, "i/o timeout"},
		{"corrupted", "replica", "reading begins", func(p *faultproxy.Proxy) { p.Corrupt(50_000, 1) }, "the snapshot is broken: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := tortureProxy(t, server)
			proxy.Slow(200_000)
			file := filepath.Join(t.TempDir(), "warehouse.db")
			p := start(t, exec.CommandContext(t.Context(), "keylift-hasty", append(addressArgs(proxy), "sync", "--mode", tt.mode, "--destination", file,
				"--verbose", "--checkpoint-interval", "100", "--read-timeout", "1s")...), tt.text)
			if !p.meets() {
				t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
			}
			tt.fault(proxy)
			proxy.Slow(0)
			<-p.ended
			if out := p.out.String(); p.err != nil || !strings.Contains(out, "trying again") || !strings.Contains(out, tt.says) {
				t.Errorf("keylift sync: %v\n%s", p.err, out)
			}
			out, err := exec.CommandContext(t.Context(), "keylift", "verify", "--url", "redis://"+server.Address(), "--destination", file).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "20,000 keys equal") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
