package wire_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/keylift/keylift/wire"
)

// Every thread of the process gives way, and what it starts does too.
func TestGiveWay(t *testing.T) {
	if os.Getenv("GIVE_WAY") == "" {
		// Priority cannot be raised again: it is lowered in a process of its own.
		cmd := exec.Command(os.Args[0], "-test.run=^TestGiveWay$", "-test.v")
		cmd.Env = append(os.Environ(), "GIVE_WAY=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	wire.GiveWay()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		_, fields, _ := bytes.Cut(stat, []byte(") "))
		words := strings.Fields(string(fields)) // of proc(5), from the third
		if nice := words[16]; nice < "10" || len(nice) < 2 {
			t.Errorf("thread %s has niceness %s", task.Name(), nice)
		}
		if policy := words[38]; policy != "3" {
			t.Errorf("thread %s has scheduling policy %s, want 3, SCHED_BATCH", task.Name(), policy)
		}
	}
}
