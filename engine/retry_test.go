package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
)

// always returns a before that fails from the batch n on, until the time is up.
func always(n int, d time.Duration) func(int) error {
	until := time.Now().Add(d)
	return func(delivered int) error {
		if delivered >= n && time.Now().Before(until) {
			return outage{}
		}
		return nil
	}
}

func TestRun_retry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memory.New(memory.Options{})
		s := &script{server: "one", batches: keys(4, 5, "a"), before: always(2, 30*time.Second)}
		sum := run(t, options(s, d), nil)
		if sum.Retries < 5 || sum.Retries > 20 || sum.Rows != 20 || sum.Counts != (destination.Counts{New: 20}) {
			t.Errorf("got %+v", sum)
		}
		for _, from := range s.opened[1:] {
			wantPosition(t, "opened again", from, row.Position{Generation: 1, Token: "one 2"})
		}
		wantValues(t, d, s.batches)
	})
}

// A server that is not ready when the run begins is waited for.
func TestRun_retryTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memory.New(memory.Options{})
		s := &script{server: "one", batches: keys(2, 5, "a")}
		ready := always(0, 10*time.Second)
		s.tables = func() error { return ready(0) }
		if sum := run(t, options(s, d), nil); sum.Retries < 3 || sum.Counts != (destination.Counts{New: 10}) {
			t.Errorf("got %+v", sum)
		}
		s.tables = func() error { return errBroken }
		if sum := run(t, options(s, d), errBroken); sum.Retries != 0 {
			t.Errorf("%d retries of what cannot pass", sum.Retries)
		}
	})
}

// What was written behind the last checkpoint is dropped: a server that took over
// meanwhile may never have held it.
func TestRun_retryBehindCheckpoint(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(4, 5, "a")}
	s.batches[1].closes = row.None
	s.before = func(delivered int) error {
		if delivered == 2 && len(s.opened) == 1 {
			s.batches[1].rows = []string{"k5", "b"}
			return outage{}
		}
		return nil
	}
	sum := run(t, options(s, d), nil)
	if sum.Retries != 1 || sum.Counts != (destination.Counts{New: 16}) {
		t.Errorf("got %+v", sum)
	}
	wantPosition(t, "opened again", s.opened[1], row.Position{Generation: 1, Token: "one 1"})
	wantValues(t, d, s.batches)
}

// Rows of a snapshot without a checkpoint may be of another server by now: it is
// given up.
func TestRun_retryWithoutCheckpoint(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(4, 5, "a")}
	s.batches[0].closes, s.batches[1].closes = row.None, row.None
	s.before = func(delivered int) error {
		if delivered == 2 && s.server == "one" {
			s.server, s.batches = "two", keys(3, 5, "b")
			return outage{}
		}
		return nil
	}
	sum := run(t, options(s, d), nil)
	if sum.Retries != 1 || sum.Counts != (destination.Counts{New: 15}) {
		t.Errorf("got %+v", sum)
	}
	wantPosition(t, "opened again", s.opened[1], row.Position{Generation: 1})
	wantPosition(t, "in the end", sum.Position, row.Position{Generation: 2, Token: "two end"})
	wantValues(t, d, s.batches)
}

func TestRun_retryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memory.New(memory.Options{})
		s := &script{server: "one", batches: keys(4, 5, "a"), before: always(2, time.Hour)}
		o := options(s, d)
		o.RetryFor = 20 * time.Second
		began := time.Now()
		sum, err := engine.Run(t.Context(), o)
		if !errors.Is(err, outage{}) || !strings.HasPrefix(err.Error(), "no success for 20s (retry_for): ") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("it took %s", took)
		}
		wantPosition(t, "checkpoint", sum.Position, row.Position{Generation: 1, Token: "one 2"})

		o.RetryFor = 0
		if sum, err := engine.Run(t.Context(), o); !errors.Is(err, outage{}) || sum.Retries != 1 || time.Since(began) != 20*time.Second {
			t.Errorf("without retries: %v after %s, %d retries", err, time.Since(began)-20*time.Second, sum.Retries)
		}

		time.Sleep(time.Hour)
		if sum := run(t, o, nil); !sum.Resumed || sum.Rows != 10 {
			t.Errorf("in the end: %+v", sum)
		}
		wantValues(t, d, s.batches)
	})
}

// Every batch that comes through gives the next outage the whole time.
func TestRun_retryProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memory.New(memory.Options{})
		s := &script{server: "one", batches: keys(10, 5, "a")}
		failed := map[int]bool{}
		s.before = func(delivered int) error {
			if !failed[delivered] {
				failed[delivered] = true
				time.Sleep(900 * time.Millisecond)
				return outage{}
			}
			return nil
		}
		o := options(s, d)
		o.RetryFor = time.Second
		if sum := run(t, o, nil); sum.Retries != 10 {
			t.Errorf("got %+v", sum)
		}
		wantValues(t, d, s.batches)
	})
}

// A source that breaks off each time before a checkpoint is begun anew until retry_for
// is up, and three times at the least, however long it takes to break.
func TestRun_retryBreaks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lasts  time.Duration // each attempt, until it breaks
		starts int
	}{
		{"at once", 0, 0},
		{"later than retry_for", time.Hour, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{server: "one", batches: keys(4, 5, "a")}
				s.batches[0].closes, s.batches[1].closes = row.None, row.None
				var mended atomic.Bool
				s.before = func(delivered int) error {
					if !mended.Load() && delivered%2 == 0 && delivered == 2*len(s.opened) {
						time.Sleep(tt.lasts)
						return outage{}
					}
					return nil
				}
				o := options(s, memory.New(memory.Options{}))
				sum, err := engine.Run(t.Context(), o)
				want := fmt.Sprintf("reading broke off %d times, each time before anything could be kept: the line is dead", sum.Retries)
				if !errors.Is(err, outage{}) || !strings.HasPrefix(err.Error(), "no success for ") || !strings.HasSuffix(err.Error(), want) {
					t.Errorf("got %v, want … %s", err, want)
				}
				if n := len(s.opened); n != sum.Retries || tt.starts > 0 && n != tt.starts || n < 10 && tt.starts == 0 || n > 30 {
					t.Errorf("%d starts, %d retries", n, sum.Retries)
				}
				// One that follows goes on for as long as it takes.
				s.opened, s.delivered = nil, 0
				o.RetryFor = 1000 * time.Hour
				time.AfterFunc(20*time.Hour, func() { mended.Store(true) })
				if sum := run(t, o, nil); sum.Retries < 15 || sum.Counts != (destination.Counts{New: 20}) {
					t.Errorf("got %+v", sum)
				}
			})
		})
	}
}

func TestRun_retryInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		s := &script{server: "one", batches: keys(4, 5, "a"), before: always(2, time.Hour)}
		sum, err := engine.Run(ctx, options(s, memory.New(memory.Options{})))
		if !errors.Is(err, engine.ErrInterrupted) {
			t.Errorf("got %v", err)
		}
		wantPosition(t, "checkpoint", sum.Position, row.Position{Generation: 1, Token: "one 2"})
	})
}
