package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
)

func TestRun(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(4, 5, "a")}
	progress := &engine.Progress{}
	o := options(s, d)
	o.Progress = progress
	sum := run(t, o, nil)
	if sum.Counts != (destination.Counts{New: 20}) || sum.Rows != 20 || sum.Resumed || sum.Retries != 0 || sum.StartedOver != nil {
		t.Errorf("first run: %+v", sum)
	}
	// A key is two or three bytes, a value one.
	if progress.Rows() != 20 || progress.Bytes() != 10*3+10*4 || progress.Checkpoints() != 3 {
		t.Errorf("progress: %d rows, %d bytes, %d checkpoints", progress.Rows(), progress.Bytes(), progress.Checkpoints())
	}
	wantPosition(t, "first run", sum.Position, row.Position{Generation: 1, Token: "one end"})
	wantValues(t, d, s.batches)

	s.batches = keys(3, 5, "a")
	s.batches[0].rows[1] = "b"
	sum = run(t, options(s, d), nil)
	if want := (destination.Counts{Changed: 1, Unchanged: 14, Deleted: 5}); sum.Counts != want {
		t.Errorf("second run: got %+v, want %+v", sum.Counts, want)
	}
	wantPosition(t, "second run", sum.Position, row.Position{Generation: 2, Token: "one end"})
	wantValues(t, d, s.batches)
	if s.readers != 0 {
		t.Errorf("%d readers were not closed", s.readers)
	}
}

func TestRun_changes(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: []batch{
		{rows: []string{"a", "1", "b", "1"}, closes: row.Commit},
		{rows: []string{"b", "2"}, closes: row.Changes},
		{rows: []string{"c", "3"}, closes: row.Changes},
	}}
	if sum := run(t, options(s, d), nil); sum.Counts != (destination.Counts{New: 3}) || sum.Checkpoints != 1 {
		t.Errorf("got %+v", sum)
	}
	wantValues(t, d, []batch{{rows: []string{"a", "1", "b", "2", "c", "3"}}})
}

func TestRun_incomplete(t *testing.T) {
	for name, batches := range map[string][]batch{
		"nothing":     {},
		"not the end": {{rows: []string{"k0", "b"}, closes: row.None}},
		"a tail":      {{closes: row.Changes}, {rows: []string{"k0", "b"}, closes: row.None}},
	} {
		t.Run(name, func(t *testing.T) {
			d := memory.New(memory.Options{})
			run(t, options(&script{server: "one", batches: keys(3, 5, "a")}, d), nil)
			sum, err := engine.Run(t.Context(), options(&script{server: "two", batches: batches}, d))
			if err == nil || !strings.Contains(err.Error(), "the source ended in the middle of a snapshot") {
				t.Errorf("got %v", err)
			}
			if sum.Counts != (destination.Counts{}) {
				t.Errorf("got %+v", sum.Counts)
			}
			wantValues(t, d, keys(3, 5, "a"))
		})
	}
}

func TestRun_resume(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(6, 5, "a"), before: failing(4, errBroken)}
	sum := run(t, options(s, d), errBroken)
	wantPosition(t, "after the failure", sum.Position, row.Position{Generation: 1, Token: "one 4"})
	if n := len(values(t, d)); n != 0 {
		t.Errorf("%d rows of an incomplete snapshot are visible", n)
	}
	sum = run(t, options(s, d), nil)
	if !sum.Resumed || sum.Rows != 10 || sum.Counts != (destination.Counts{New: 30}) {
		t.Errorf("got %+v", sum)
	}
	wantPosition(t, "opened", s.opened[1], row.Position{Generation: 1, Token: "one 4"})
	wantValues(t, d, s.batches)
}

// What was written since the last checkpoint is committed when a run ends early,
// up to the last place where that is legal.
func TestRun_resumeBetweenCheckpoints(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(6, 5, "a"), before: failing(4, errBroken)}
	s.batches[3].closes = row.None
	o := options(s, d)
	o.CheckpointRows = 1000
	sum := run(t, o, errBroken)
	wantPosition(t, "after the failure", sum.Position, row.Position{Generation: 1, Token: "one 3"})
	sum = run(t, o, nil)
	if !sum.Resumed || sum.Rows != 15 {
		t.Errorf("got %+v", sum)
	}
	wantValues(t, d, s.batches)
}

func TestRun_positionLost(t *testing.T) {
	d := memory.New(memory.Options{})
	run(t, options(&script{server: "one", batches: keys(6, 5, "a"), before: failing(4, errBroken)}, d), errBroken)

	// The server restarts between the runs, and holds other keys: what was staged
	// of the first may not show.
	s := &script{server: "two", batches: keys(2, 5, "b")}
	sum := run(t, options(s, d), nil)
	if !slices.Equal(sum.StartedOver, []string{"one became two"}) || sum.Resumed || sum.Counts != (destination.Counts{New: 10}) {
		t.Errorf("got %+v", sum)
	}
	wantPosition(t, "after the restart", sum.Position, row.Position{Generation: 2, Token: "two end"})
	wantValues(t, d, s.batches)

	// It restarts while it is read.
	s = &script{server: "two", batches: keys(5, 2, "c")}
	s.before = func(delivered int) error {
		if delivered == 3 {
			s.server = "three"
		}
		return nil
	}
	sum = run(t, options(s, d), nil)
	if !slices.Equal(sum.StartedOver, []string{"two became three"}) || sum.Counts != (destination.Counts{Changed: 10}) {
		t.Errorf("got %+v", sum)
	}
	wantPosition(t, "after the second restart", sum.Position, row.Position{Generation: 4, Token: "three end"})
	wantValues(t, d, s.batches)

	// It restarts all the time.
	s.before = func(int) error {
		s.server += "'"
		return nil
	}
	sum, err := engine.Run(t.Context(), options(s, d))
	if err == nil || !strings.HasPrefix(err.Error(), "the snapshot had to start over 10 times: ") || len(sum.StartedOver) != 10 {
		t.Errorf("got %v after %d starts", err, len(sum.StartedOver))
	}
	wantValues(t, d, keys(5, 2, "c"))
}

// Rows read from a server that restarted do not mix with those read after, whether
// they were staged or not.
func TestRun_positionLostBetweenCheckpoints(t *testing.T) {
	for _, closes := range []row.Boundary{row.None, row.Commit} {
		d := memory.New(memory.Options{})
		s := &script{server: "one", batches: keys(6, 5, "a")}
		for i := range s.batches[:5] {
			s.batches[i].closes = closes
		}
		restarted := false
		s.before = func(delivered int) error {
			switch {
			case delivered == 3 && !restarted:
				restarted = true
				s.server, s.batches = "two", keys(2, 5, "b")
				s.batches[0].closes = row.None
			case delivered == 4:
				return errBroken
			}
			return nil
		}
		o := options(s, d)
		o.CheckpointRows = 1000
		sum := run(t, o, errBroken)
		wantPosition(t, "after the failure", sum.Position, row.Position{})
		s.before = nil
		if sum := run(t, o, nil); sum.Resumed || sum.Counts != (destination.Counts{New: 10}) {
			t.Errorf("got %+v", sum)
		}
		wantValues(t, d, keys(2, 5, "b"))

		// The same within one run.
		d = memory.New(memory.Options{})
		s = &script{server: "one", batches: keys(6, 5, "a")}
		for i := range s.batches[:5] {
			s.batches[i].closes = closes
		}
		s.before = func(delivered int) error {
			if delivered == 3 {
				s.server, s.batches = "two", keys(2, 5, "b")
			}
			return nil
		}
		o = options(s, d)
		o.CheckpointRows = 1000
		if sum := run(t, o, nil); sum.Position.Generation != 2 || sum.Counts != (destination.Counts{New: 10}) {
			t.Errorf("in one run: got %+v", sum)
		}
		wantValues(t, d, keys(2, 5, "b"))
	}
}

func TestRun_interrupted(t *testing.T) {
	d := memory.New(memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	s := &script{server: "one", batches: keys(6, 5, "a")}
	s.before = func(delivered int) error {
		if delivered == 3 {
			<-ctx.Done()
		}
		return ctx.Err()
	}
	gate := &gated{Destination: d, entered: make(chan struct{}, len(s.batches)), open: make(chan struct{})}
	o := options(s, gate)
	o.CheckpointRows = 1000
	done := make(chan *engine.Summary)
	go func() {
		sum, err := engine.Run(ctx, o)
		if !errors.Is(err, engine.ErrInterrupted) {
			t.Errorf("got error %v", err)
		}
		done <- sum
	}()
	<-gate.entered // a batch is being written: it is finished and committed
	cancel()
	close(gate.open)
	sum := <-done
	if sum.Rows == 0 || sum.Rows > 15 {
		t.Fatalf("%d rows were written", sum.Rows)
	}
	s.before = nil
	wantPosition(t, "after the interruption", sum.Position, row.Position{Generation: 1, Token: fmt.Sprintf("one %d", sum.Rows/5)})
	p, err := d.Checkpoint(t.Context(), "game")
	if err != nil {
		t.Fatal(err)
	}
	wantPosition(t, "checkpoint", p, sum.Position)
	if next := run(t, options(s, d), nil); !next.Resumed || next.Rows != 30-sum.Rows {
		t.Errorf("next run: %+v", next)
	}
	wantValues(t, d, s.batches)
}

// A gated destination writes nothing until it is open.
type gated struct {
	destination.Destination
	entered, open chan struct{}
}

func (g *gated) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	tx, err := g.Destination.Begin(ctx, sync)
	return &gatedTx{tx, g}, err
}

type gatedTx struct {
	destination.Tx
	g *gated
}

func (x *gatedTx) Write(ctx context.Context, b *row.Batch) error {
	x.g.entered <- struct{}{}
	<-x.g.open
	return x.Tx.Write(ctx, b)
}
