package engine_test

import (
	"errors"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// refused runs a sync that may delete half of 20 rows, and fails the test unless it
// is refused to delete 15 and shows what was there.
func refused(t *testing.T, s *script, d *memory.Destination) *engine.Summary {
	t.Helper()
	o := options(s, d)
	o.MayDelete = 0.5
	sum, err := engine.Run(t.Context(), o)
	refused, ok := errors.AsType[*destination.DeleteShareError](err)
	if !ok || *refused != (destination.DeleteShareError{Deleted: 15, Held: 20, MayDelete: 0.5}) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if engine.Retryable(err) || engine.DestinationFailed(err) {
		t.Error("a sync that follows would try again")
	}
	if sum.Counts != (destination.Counts{}) {
		t.Errorf("published %+v", sum.Counts)
	}
	wantValues(t, d, keys(4, 5, "a"))
	return sum
}

func TestRun_mayDelete(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(4, 5, "a")}
	o := options(s, d)
	o.MayDelete = 0
	run(t, o, nil)

	// Five keys are left. What was read of them is not lost.
	s.batches = append(keys(1, 5, "b"), batch{closes: row.Commit})
	sum := refused(t, s, d)
	wantPosition(t, "refused", sum.Position, row.Position{Generation: 2, Token: "one 1"})
	sum = run(t, options(s, d), nil)
	if want := (destination.Counts{Changed: 5, Deleted: 15}); !sum.Resumed || sum.Counts != want {
		t.Errorf("got %+v", sum)
	}
	wantPosition(t, "allowed", sum.Position, row.Position{Generation: 2, Token: "one end"})
	wantValues(t, d, keys(1, 5, "b"))
}

// A snapshot that was refused, or left, is not judged by what an earlier run did not
// find.
func TestRun_mayDeleteNow(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(4, 5, "a")}
	run(t, options(s, d), nil)
	s.batches = append(keys(1, 5, "a"), batch{closes: row.Commit})
	refused(t, s, d)
	if sum := refused(t, s, d); len(sum.StartedOver) != 1 {
		t.Errorf("started over: %q", sum.StartedOver)
	}

	s.before = func(int) error {
		if len(s.opened) == 6 { // what was lost is back
			s.batches = keys(4, 5, "a")
		}
		return nil
	}
	o := options(s, d)
	o.MayDelete = 0.5
	sum := run(t, o, nil)
	if want := (destination.Counts{Unchanged: 20}); len(sum.StartedOver) != 1 || sum.Counts != want {
		t.Errorf("got %+v", sum)
	}
	wantValues(t, d, keys(4, 5, "a"))
}

// Deletes that were seen are no surprise, until a snapshot has told them.
func TestRun_mayDeleteSeen(t *testing.T) {
	d := memory.New(memory.Options{})
	s := &script{server: "one", batches: keys(4, 5, "a")}
	run(t, options(s, d), nil)
	s.batches = keys(1, 5, "a")
	s.before = failing(s.delivered, &source.PositionLostError{Reason: "it restarted"})
	refused(t, s, d)

	d = memory.New(memory.Options{})
	s = &script{server: "one", batches: keys(4, 5, "a")}
	run(t, options(s, d), nil)
	s.batches = append(keys(2, 5, "a"), batch{closes: row.Commit})
	s.batches[0].closes = row.None
	s.before = failing(s.delivered, &source.PositionLostError{Reason: "it was emptied", Emptied: true})
	o := options(s, d)
	o.MayDelete = 0.25
	sum := run(t, o, nil)
	if want := (destination.Counts{Unchanged: 10, Deleted: 10}); sum.Counts != want {
		t.Errorf("got %+v", sum)
	}
	s.before, s.batches = nil, keys(1, 5, "a")
	if _, err := engine.Run(t.Context(), o); !errors.As(err, new(*destination.DeleteShareError)) {
		t.Errorf("the run behind it: %v", err)
	}
}
