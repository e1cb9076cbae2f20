package main

import (
	"bytes"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A process is a command that runs.
type process struct {
	cmd   *exec.Cmd
	out   *watcher
	ended chan struct{} // closed when the process is gone
	err   error         // what Wait returned; for when ended is closed
}

// start starts cmd and awaits a text in what it prints.
func start(t *testing.T, cmd *exec.Cmd, text string) *process {
	t.Helper()
	p := &process{cmd: cmd, out: &watcher{text: []byte(text), met: make(chan struct{})}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p
}

// meets waits for the awaited text and reports whether it came.
func (p *process) meets() bool {
	select {
	case <-p.out.met:
		return true
	case <-p.ended:
		return false
	}
}

// wait waits for d, or until the process has ended.
func (p *process) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ended:
	}
}

// A watcher, which may be read while it is written to, keeps what is written to it and closes met when text was.
type watcher struct {
	mu   sync.Mutex
	out  bytes.Buffer
	text []byte
	met  chan struct{} // closed when text was printed
	done bool
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done && bytes.Contains(p, w.text) {
		w.done = true
		close(w.met)
	}
	return w.out.Write(p)
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}
