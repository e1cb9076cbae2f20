package main

import (
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
