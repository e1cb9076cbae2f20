package destinationtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// scores is a second table, without anything that is not compared.
var scores = &row.Table{Name: "scores", Keys: 1, Columns: []row.Column{
	{Name: "member", Type: row.String},
	{Name: "score", Type: row.Double},
}}

// A step is one batch of a scripted run.
type step struct {
	table      *row.Table
	generation int64
	closes     row.Boundary
	lines      []line
}

// script is a run of two snapshots and changes after each, in which keys appear,
// change, repeat, disappear and come back.
func script() []step {
	return []step{
		{players, 1, row.Commit, []line{player("a", "1", 10), player("b", "1", 10), player("c", "1", 10)}},
		{players, 1, row.None, []line{player("d", "1", 10), player("a", "1", 10)}},
		{scores, 1, row.Commit, []line{upsert("x", 1.0), upsert("y", 2.0)}},
		{players, 1, row.Snapshot, []line{player("c", "2", 11)}},
		{players, 1, row.Changes, []line{player("b", "2", 20), remove("d"), player("e", "1", 20)}},
		{scores, 1, row.Commit, []line{upsert("z", 3.0), remove("x")}},
		{players, 1, row.Changes, []line{player("d", "2", 21), player("b", "3", 21)}},
		{players, 2, row.Commit, []line{player("b", "3", 30), player("c", "9", 30)}},
		{scores, 2, row.None, []line{upsert("y", 2.0)}},
		{players, 2, row.Commit, []line{player("a", "1", 30), player("f", "1", 30)}},
		{players, 2, row.Snapshot, []line{player("c", "2", 31)}},
		{scores, 2, row.Changes, []line{upsert("x", 7.0)}},
		{players, 2, row.Changes, []line{player("d", "5", 40), remove("a")}},
	}
}

// repeatable reports whether the steps from i on can be gone through when all
// steps have been: whether i is not in the middle of a snapshot, whose earlier rows are
// staged no longer.
func repeatable(steps []step, i int) bool {
	if i == 0 || steps[i-1].generation != steps[i].generation {
		return true
	}
	for _, s := range steps[i:] {
		if s.generation == steps[i].generation && s.closes == row.Snapshot {
			return false
		}
	}
	return true
}

// after is the position that follows step i.
func after(steps []step, i int) row.Position {
	return row.Position{Generation: steps[i].generation, Token: fmt.Sprint(i + 1)}
}

// drive goes through steps from the checkpoint of d on, as the engine does, up to
// the first error.
func drive(ctx context.Context, d destination.Destination, steps []step) error {
	p, err := d.Checkpoint(ctx, syncName)
	if err != nil {
		return err
	}
	from := 0
	if !p.IsZero() {
		if _, err := fmt.Sscan(p.Token, &from); err != nil {
			return err
		}
	}
	return driveFrom(ctx, d, steps, from)
}

func driveFrom(ctx context.Context, d destination.Destination, steps []step, from int) (err error) {
	var tx destination.Tx
	defer func() {
		if tx != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for i := from; i < len(steps); i++ {
		if tx == nil {
			if tx, err = d.Begin(ctx, syncName); err != nil {
				return err
			}
		}
		s, p := steps[i], after(steps, i)
		b := batch(s.table, p, s.lines...)
		err := tx.Write(ctx, b)
		b.Release()
		if err != nil {
			return err
		}
		switch s.closes {
		case row.None:
			continue
		case row.Commit:
			err = tx.Stage(ctx, p)
		case row.Changes:
			_, err = tx.PublishChanges(ctx, p)
		case row.Snapshot:
			_, err = tx.PublishSnapshot(ctx, p, everything, destination.AnyShare)
		}
		if err != nil {
			return err
		}
		tx = nil
	}
	return nil
}

// testFaults fails each call of the scripted run once, before and after it took
// effect. The run then goes on from the checkpoint, on the same destination and
// on one opened again, and ends at the rows of an undisturbed run.
func testFaults(t *testing.T, newPlace NewPlace) {
	steps := script()
	undisturbed := start(t, newPlace, soft, players, scores)
	counter := &Faulty{Destination: undisturbed.d}
	if err := drive(t.Context(), counter, steps); err != nil {
		t.Fatal(err)
	}
	undisturbed.want(players, player("b", "3", 21), player("c", "2", 11), player("d", "5", 40), player("f", "1", 30))
	undisturbed.want(scores, upsert("x", 7.0), upsert("y", 2.0))
	wantPlayers, wantScores := undisturbed.read(players), undisturbed.read(scores)

	for n := 1; n <= counter.Calls; n++ {
		for when, name := range []string{Before: "before", After: "after"} {
			t.Run(fmt.Sprintf("call %d %s", n, name), func(t *testing.T) {
				r := start(t, newPlace, soft, players, scores)
				faulty := &Faulty{Destination: r.d, At: n, When: Moment(when)}
				if err := drive(t.Context(), faulty, steps); !errors.Is(err, ErrFault) {
					t.Fatalf("got %v, want the injected fault", err)
				}
				if (n+when)%2 == 0 {
					r.reopen()
				}
				if err := drive(t.Context(), r.d, steps); err != nil {
					t.Fatalf("go on after the fault: %v", err)
				}
				r.same(players, wantPlayers)
				r.same(scores, wantScores)
				r.wantCheckpoint(after(steps, len(steps)-1))
				for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
					if got, want := r.system(key).Deleted, undisturbed.system(key).Deleted; got != want {
						t.Errorf("row %s: deleted %t, want %t", key, got, want)
					}
				}
			})
		}
	}
}
