package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// A sync that finds the disk full says so and fails, or waits for room if it
// follows. With room it goes on and ends equal. (A limit for the length of files
// stands in for the disk.)
func TestSync_fullDisk(t *testing.T) {
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		testserver.Missing(t, "prlimit")
	}
	server := testserver.Redis(t, testserver.Options{})
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Address()}, ForceSingleClient: true, DisableCache: true, ConnWriteTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	write := func(prefix string) { // 4 MB
		t.Helper()
		var commands rueidis.Commands
		for i := range 400 {
			commands = append(commands, client.B().Set().Key(prefix+strconv.Itoa(i)).Value(strings.Repeat(prefix+fmt.Sprint(i), 1<<10)).Build())
		}
		for _, reply := range client.DoMulti(t.Context(), commands...) {
			if err := reply.Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	folder := t.TempDir()
	url := "redis://" + server.Address()
	command := func(ctx context.Context, name string, words ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, name, words...)
		cmd.Dir = folder
		return cmd
	}
	const full = "the disk is full; make room on it, and the sync goes on where it was"
	write("first")

	var stdout, stderr bytes.Buffer
	limited := command(t.Context(), prlimit, "--fsize=1000000", "keylift", "sync", "--url", url, "--mode", "replica")
	limited.Stdout, limited.Stderr = &stdout, &stderr
	_ = limited.Run()
	_, why, _ := strings.Cut(stderr.String(), "keylift: ")
	if code := limited.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(why, full) || strings.Count(why, "\n") != 1 {
		t.Fatalf("exit code %d: %s%s", code, &stdout, &stderr)
	}

	p := start(t, command(t.Context(), "keylift", "sync", "--url", url, "--mode", "replica", "--follow", "--verbose"), "msg=publishing")
	if !p.meets() {
		t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
	}
	meets := func(what string, there func() bool) {
		t.Helper()
		late := time.After(hung)
		for !there() {
			select {
			case <-p.ended:
				t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
			case <-late:
				t.Fatalf("%s: %s", what, p.out)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	limit := func(bytes string) {
		t.Helper()
		if out, err := command(t.Context(), prlimit, "--pid", strconv.Itoa(p.cmd.Process.Pid), "--fsize="+bytes+":").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	limit("1000000")
	write("second")
	meets("nothing of a full disk", func() bool { return strings.Contains(p.out.String(), full) })
	limit("unlimited")
	before := strings.Count(p.out.String(), "msg=publishing")
	meets("nothing more is published", func() bool { return strings.Count(p.out.String(), "msg=publishing") > before })
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	for _, words := range [][]string{{"sync", "--mode", "replica"}, {"verify"}} {
		out, err := command(t.Context(), "keylift", append(words, "--url", url)...).CombinedOutput()
		if err != nil || words[0] == "verify" && !strings.Contains(string(out), "800 keys equal") {
			t.Errorf("keylift %s: %v\n%s", words[0], err, out)
		}
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(left) != 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
