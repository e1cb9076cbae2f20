package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/destinationtest"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
)

// A checkpoint is due once enough rows were written and enough time has passed,
// and is made where the source allows it.
func TestRun_checkpoints(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rows  int64
		every time.Duration
		pause time.Duration // before each batch
		none  []int         // batches that are no place for one
		want  []string      // the positions
	}{
		{name: "every batch", rows: 1, want: []string{"one 1", "one 2", "one 3", "one 4", "one 5"}},
		{name: "rows", rows: 10, want: []string{"one 2", "one 4"}},
		{name: "rows between two batches", rows: 11, want: []string{"one 3"}},
		{name: "more rows than there are", rows: 31, want: nil},
		{name: "time", rows: 1, every: time.Second, pause: 400 * time.Millisecond, want: []string{"one 3"}},
		{name: "rows and time", rows: 10, every: time.Second, pause: 600 * time.Millisecond, want: []string{"one 2", "one 4"}},
		{name: "not enough time", rows: 1, every: time.Second, pause: 100 * time.Millisecond, want: nil},
		{name: "not allowed", rows: 10, none: []int{1, 3}, want: []string{"one 3", "one 5"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := memory.New(memory.Options{})
				s := &script{server: "one", batches: keys(6, 5, "a")}
				for _, i := range tt.none {
					s.batches[i].closes = row.None
				}
				s.before = func(int) error {
					time.Sleep(tt.pause)
					return nil
				}
				var staged []string
				o := options(s, &spy{Destination: d, t: t, staged: &staged})
				o.CheckpointRows, o.CheckpointEvery = tt.rows, tt.every
				sum := run(t, o, nil)
				if fmt.Sprint(staged) != fmt.Sprint(tt.want) || sum.Checkpoints != len(tt.want) {
					t.Errorf("got %v and %d checkpoints, want %v", staged, sum.Checkpoints, tt.want)
				}
				wantValues(t, d, s.batches)
			})
		})
	}
}

// A spy notes where checkpoints are made, and fails the test where a transaction
// is used after an error.
type spy struct {
	destination.Destination
	t      *testing.T
	staged *[]string
}

func (s *spy) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	tx, err := s.Destination.Begin(ctx, sync)
	return &spyTx{Tx: tx, s: s}, err
}

type spyTx struct {
	destination.Tx
	s      *spy
	failed bool
	rolled bool
}

func (x *spyTx) note(err error) error {
	if x.failed || x.rolled {
		x.s.t.Error("a transaction is used after an error")
	}
	x.failed = err != nil
	return err
}

func (x *spyTx) Write(ctx context.Context, b *row.Batch) error { return x.note(x.Tx.Write(ctx, b)) }

func (x *spyTx) Stage(ctx context.Context, p row.Position) error {
	if x.s.staged != nil {
		*x.s.staged = append(*x.s.staged, p.Token)
	}
	return x.note(x.Tx.Stage(ctx, p))
}

func (x *spyTx) PublishChanges(ctx context.Context, p row.Position) (destination.Counts, error) {
	n, err := x.Tx.PublishChanges(ctx, p)
	return n, x.note(err)
}

func (x *spyTx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (destination.Counts, error) {
	n, err := x.Tx.PublishSnapshot(ctx, p, scope, mayDelete)
	return n, x.note(err)
}

func (x *spyTx) Rollback() error {
	x.rolled = true
	return x.Tx.Rollback()
}

// Whichever call of the destination fails, before or after it took effect, the
// run fails, and the next ends at the rows of an undisturbed one.
func TestRun_faults(t *testing.T) {
	t.Run("with checkpoints", func(t *testing.T) { testFaults(t, 1, 5+3+1) })
	t.Run("without", func(t *testing.T) { testFaults(t, 1000, 5+1) })
}

func testFaults(t *testing.T, checkpointRows int64, calls int) {
	batches := keys(5, 3, "b")
	batches[1].closes = row.None
	options := func(s *script, d destination.Destination) engine.Options {
		o := options(s, d)
		o.CheckpointRows = checkpointRows
		return o
	}
	counter := &destinationtest.Faulty{Destination: memory.New(memory.Options{})}
	run(t, options(&script{server: "one", batches: batches}, counter), nil)
	if counter.Calls != calls {
		t.Fatalf("an undisturbed run makes %d calls, not %d", counter.Calls, calls)
	}
	for n := 1; n <= calls; n++ {
		// A fault that may pass does not end the run.
		d := memory.New(memory.Options{})
		passing := &passingFaults{&destinationtest.Faulty{Destination: d, At: n}}
		if sum := run(t, options(&script{server: "one", batches: batches}, passing), nil); sum.Retries != 1 {
			t.Errorf("a passing fault at call %d: %+v", n, sum)
		}
		wantValues(t, d, batches)

		for when, name := range []string{destinationtest.Before: "before", destinationtest.After: "after"} {
			t.Run(fmt.Sprintf("call %d %s", n, name), func(t *testing.T) {
				d := memory.New(memory.Options{})
				earlier := append(keys(2, 3, "a"), batch{rows: []string{"gone", "a"}, closes: row.Commit})
				run(t, options(&script{server: "one", batches: earlier}, d), nil)

				s := &script{server: "one", batches: batches}
				faulty := &destinationtest.Faulty{Destination: d, At: n, When: destinationtest.Moment(when)}
				sum := run(t, options(s, &spy{Destination: faulty, t: t}), destinationtest.ErrFault)
				if sum.Counts != (destination.Counts{}) {
					t.Errorf("the failed run counts %+v", sum.Counts)
				}
				published := n == calls && when == int(destinationtest.After)
				if !published {
					wantValues(t, d, earlier)
				}

				sum = run(t, options(s, d), nil)
				want := destination.Counts{New: 9, Changed: 6, Deleted: 1}
				if published {
					want = destination.Counts{Unchanged: 15}
				}
				if sum.Counts != want {
					t.Errorf("the next run counts %+v, want %+v", sum.Counts, want)
				}
				wantValues(t, d, batches)
			})
		}
	}
}

// passingFaults are faults that may pass.
type passingFaults struct{ *destinationtest.Faulty }

func (p *passingFaults) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	tx, err := p.Faulty.Begin(ctx, sync)
	return &passingTx{tx}, err
}

type passingTx struct{ destination.Tx }

func passing(err error) error {
	if errors.Is(err, destinationtest.ErrFault) {
		return errors.Join(err, outage{})
	}
	return err
}

func (x *passingTx) Write(ctx context.Context, b *row.Batch) error {
	return passing(x.Tx.Write(ctx, b))
}

func (x *passingTx) Stage(ctx context.Context, p row.Position) error {
	return passing(x.Tx.Stage(ctx, p))
}

func (x *passingTx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (destination.Counts, error) {
	n, err := x.Tx.PublishSnapshot(ctx, p, scope, mayDelete)
	return n, passing(err)
}

// A source that fails once, wherever that is, does not make a run fail.
func TestRun_faultsOfTheSource(t *testing.T) {
	for n := range 5 {
		d := memory.New(memory.Options{})
		s := &script{server: "one", batches: keys(5, 3, "a"), before: failing(n, outage{})}
		sum := run(t, options(s, d), nil)
		if sum.Retries != 1 || sum.Counts != (destination.Counts{New: 15}) {
			t.Errorf("outage before batch %d: got %+v", n, sum)
		}
		wantValues(t, d, s.batches)
	}
}

func TestRun_fullQueue(t *testing.T) {
	for _, tt := range []struct {
		name      string
		queue     int64 // bytes
		delivered int   // batches, when everything waits
	}{
		// A batch of these takes about 1100 bytes. One of those that have room is being
		// written, and one more waits for room.
		{"room for three", 4000, 4},
		{"room for none", 100, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := memory.New(memory.Options{})
				s := &script{server: "one", batches: keys(20, 20, string(make([]byte, 9)))}
				gate := &gated{Destination: d, entered: make(chan struct{}, 20), open: make(chan struct{})}
				o := options(s, gate)
				o.QueueBytes = tt.queue
				done := make(chan error)
				go func() {
					_, err := engine.Run(t.Context(), o)
					done <- err
				}()
				synctest.Wait()
				if s.delivered != tt.delivered {
					t.Errorf("%d batches were read ahead, want %d", s.delivered, tt.delivered)
				}
				close(gate.open)
				if err := <-done; err != nil {
					t.Error(err)
				}
				wantValues(t, d, s.batches)
			})
		})
	}
}

// An interruption while the queue is full ends the run.
func TestRun_interruptedWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &script{server: "one", batches: keys(20, 20, "a")}
		gate := &gated{Destination: memory.New(memory.Options{}), entered: make(chan struct{}, 20), open: make(chan struct{})}
		o := options(s, gate)
		o.QueueBytes = 100
		done := make(chan error)
		go func() {
			_, err := engine.Run(ctx, o)
			done <- err
		}()
		synctest.Wait()
		cancel()
		close(gate.open)
		if err := <-done; !errors.Is(err, engine.ErrInterrupted) {
			t.Errorf("got %v", err)
		}
		if s.readers != 0 {
			t.Error("the reader was not closed")
		}
	})
}

// Where few keys match, checkpoints come by time.
func TestRun_checkpointWithin(t *testing.T) {
	for within, want := range map[time.Duration]int{0: 0, time.Hour: 0, 1: 3} {
		d := memory.New(memory.Options{})
		o := options(&script{server: "one", batches: keys(4, 5, "a")}, d)
		o.CheckpointRows, o.CheckpointWithin = 1000, within
		if sum := run(t, o, nil); sum.Checkpoints != want {
			t.Errorf("within %s: %d checkpoints, want %d", within, sum.Checkpoints, want)
		}
	}
}
