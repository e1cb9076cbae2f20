package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// hastily is the least time between two checkpoints of the keylift that is tortured: so
// short that even small snapshots have some.
const hastily = 5 * time.Millisecond

// hasty is the command keylift, but for its checkpoints.
func hasty() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c := &cli{stdout: os.Stdout, stderr: os.Stderr, checkpointEvery: hastily}
	code := c.execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// A runningKeylift is a command that runs.
type runningKeylift struct {
	args   []string
	out    *watcher
	ended  chan struct{}
	stop   func(kill bool) // interrupts or kills it
	code   int             // once it has ended
	killed bool            // once it has ended: by SIGKILL
}

// begins is what keylift says once it knows the server: from then on it outlives
// whatever happens to that.
const begins = `msg="reading begins"`

func newRunning(args []string) *runningKeylift {
	return &runningKeylift{
		args: args, ended: make(chan struct{}),
		out: &watcher{text: []byte(begins), met: make(chan struct{})},
	}
}

// startHere runs a command within this process.
func startHere(ctx context.Context, args []string) *runningKeylift {
	k := newRunning(args)
	own, cancel := context.WithCancel(ctx)
	k.stop = func(bool) { cancel() }
	told := context.AfterFunc(ctx, func() { _, _ = k.out.Write([]byte(dump())) }) // a watcher takes all
	go func() {
		defer close(k.ended)
		defer told()
		defer cancel()
		k.code = (&cli{stdout: k.out, stderr: k.out, checkpointEvery: hastily}).execute(own, args)
	}()
	return k
}

// startProcess runs a command in a process of its own.
func startProcess(ctx context.Context, t *testing.T, args []string) *runningKeylift {
	t.Helper()
	k := newRunning(args)
	cmd := exec.CommandContext(ctx, "keylift-hasty", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // it prints its goroutines
	cmd.WaitDelay = time.Minute
	cmd.Stdout, cmd.Stderr = k.out, k.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	k.stop = func(kill bool) { // an error says that it has ended
		if kill {
			_ = cmd.Process.Kill()
		} else {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	go func() {
		defer close(k.ended)
		_ = cmd.Wait() // ProcessState says how it ended
		k.code = cmd.ProcessState.ExitCode()
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		k.killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	}()
	return k
}

// wait waits for d, or until keylift has ended.
func (k *runningKeylift) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-k.ended:
	}
}
