package main

import (
	"bytes"
	"context"
	"database/sql"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
)

// TestInterrupt ends a sync by a signal after its first checkpoint: it exits with
// 130, and the next one goes on there and ends equal.
func TestInterrupt(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{})
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Address()}, ForceSingleClient: true, DisableCache: true, ConnWriteTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := fill(t.Context(), client, 30_000, "player:"); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			proxy, err := faultproxy.Start("tcp", server.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = proxy.Close() }()
			proxy.Slow(64 << 10) // the sync takes half a minute, the signal comes much earlier
			file := filepath.Join(t.TempDir(), "warehouse.db")
			command := func(name string, more ...string) *exec.Cmd {
				host, port, err := net.SplitHostPort(proxy.Address())
				if err != nil {
					t.Fatal(err)
				}
				args := append([]string{name, "--host", host, "--port", port, "--destination", file}, more...)
				return exec.CommandContext(t.Context(), "keylift", args...)
			}
			run := func(name string) string {
				out, err := command(name).CombinedOutput()
				if err != nil {
					t.Fatalf("keylift %s: %v\n%s", name, err, out)
				}
				return string(out)
			}

			p := start(t, command("sync", "--verbose", "--checkpoint-interval", "100"), "msg=checkpoint")
			if !p.meets() {
				t.Fatalf("keylift sync made no checkpoint: %v\n%s", p.err, p.out)
			}
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			<-p.ended
			if code := p.cmd.ProcessState.ExitCode(); code != 130 {
				t.Fatalf("keylift sync: exit code %d, want 130\n%s", code, p.out)
			}
			if text := "keylift: interrupted; the next run resumes from the last checkpoint\n"; !strings.HasSuffix(p.out.String(), text) {
				t.Errorf("the last line is not %q:\n%s", text, p.out)
			}

			proxy.Slow(0)
			if out := run("status"); !strings.Contains(out, "a snapshot is under way; the next sync resumes it") {
				t.Errorf("keylift status:\n%s", out)
			}
			if out := run("sync"); !strings.Contains(out, "resumed an interrupted snapshot\n") || !strings.Contains(out, ": 30,000 new, 0 changed, 0 unchanged, 0 deleted, 0 set aside\n") {
				t.Errorf("keylift sync:\n%s", out)
			}
			if out := run("verify"); out != "30,000 keys equal\n" {
				t.Errorf("keylift verify:\n%s", out)
			}
		})
	}
}

// TestInterrupt_check interrupts a command that has nothing to resume.
func TestInterrupt_check(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server := testserver.Redis(t, testserver.Options{})
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"check", "--url", "redis://" + server.Address()}, &stdout, &stderr)
	if code != 130 || stderr.String() != "keylift: interrupted\n" {
		t.Errorf("got exit code %d and %q", code, &stderr)
	}
}

// TestInterrupt_follow ends a sync that follows: it exits with 130, and the next run
// goes on behind what was published. A file that another process has open is waited
// for.
func TestInterrupt_follow(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{Args: []string{"--repl-ping-replica-period", "3600"}})
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Address()}, ForceSingleClient: true, DisableCache: true, ConnWriteTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := fill(t.Context(), client, 1000, "player:"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "warehouse.db")
	command := func(args ...string) *exec.Cmd {
		args = append(args, "--url", "redis://"+server.Address(), "--mode", "replica", "--destination", file)
		return exec.CommandContext(t.Context(), "keylift", args...)
	}
	if out, err := command("sync").CombinedOutput(); err != nil {
		t.Fatalf("keylift sync: %v\n%s", err, out)
	}
	reader, err := sql.Open("duckdb", file)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := start(t, command("sync", "--follow", "--publish-interval", "10ms", "--verbose"), "writing failed, trying again")
	if !waiting.meets() {
		t.Fatalf("keylift sync --follow: %v\n%s", waiting.err, waiting.out)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), client, 10, "more:"); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(waiting.out.String(), "msg=publishing") {
		waiting.wait(20 * time.Millisecond)
		select {
		case <-waiting.ended:
			t.Fatalf("keylift sync --follow: %v\n%s", waiting.err, waiting.out)
		default:
		}
	}
	if err := waiting.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-waiting.ended
	if code := waiting.cmd.ProcessState.ExitCode(); code != 130 {
		t.Fatalf("keylift sync --follow: exit code %d, want 130\n%s", code, waiting.out)
	}
	for _, want := range []struct{ command, text string }{
		{"sync", " 0 unchanged, 0 deleted, 0 set aside\n"}, // no snapshot
		{"verify", "1,010 keys equal\n"},
		{"status", "lag              none\n"},
	} {
		out, err := command(want.command).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want.text) {
			t.Errorf("keylift %s: %v\n%s", want.command, err, out)
		}
	}
}
