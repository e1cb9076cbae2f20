package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the command keylift: tests find it in PATH, as
// a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"keylift": main, "keylift-hasty": hasty})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setUp,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"freeport":  freePort,
			"hold":      hold,
			"jsonlines": jsonLines,
			"redis":     redisCommand,
			"sql":       query,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// A fullPipe takes some bytes and no more.
type fullPipe struct{ room int }

func (p *fullPipe) Write(b []byte) (int, error) {
	n := min(len(b), p.room)
	if p.room -= n; n < len(b) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// TestRun_output: what could not be printed is no success.
func TestRun_output(t *testing.T) {
	for _, command := range []string{"--help", "version", "config schema"} {
		var stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(command), &fullPipe{room: 5}, &stderr); code != exitFailed {
			t.Errorf("%s: exit code %d, want %d", command, code, exitFailed)
		}
		if want := "keylift: print what was found: no space left on device; send standard output to where there is room\n"; stderr.String() != want {
			t.Errorf("%s: got %q, want %q", command, stderr.String(), want)
		}
		stderr.Reset()
		if code := run(t.Context(), strings.Fields(command), io.Discard, &stderr); code != exitEqual || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, %q", command, code, stderr.String())
		}
	}
}

// TestCommand: the demo says what to type next as it was typed itself.
func TestCommand(t *testing.T) {
	for name, want := range map[string]string{"keylift": "keylift", "bin/keylift": "bin/keylift", "./keylift": "./keylift"} {
		if got := command(name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
