package destinationtest

import (
	"context"
	"errors"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

func testCheckpoint(t *testing.T, newPlace NewPlace) {
	r := &run{t: t, place: newPlace(t, soft)}
	r.d = r.place.Open(t)
	t.Cleanup(func() { _ = r.d.Close() })
	r.wantCheckpoint(row.Position{}) // before Prepare, and of a new place
	r.tables = []*row.Table{players}
	r.reopen()
	r.wantCheckpoint(row.Position{})

	positions := []row.Position{
		position(1, 1),
		{Generation: 1 << 62, Token: `{"text":"quotes ' \" and \\ and 😀"}`},
		{Generation: 2},
	}
	for _, p := range positions {
		tx := r.begin()
		r.stage(tx, p)
		r.wantCheckpoint(p)
		r.reopen()
		r.wantCheckpoint(p)
		if other, err := r.d.Checkpoint(t.Context(), "another"); err != nil || !other.IsZero() {
			t.Errorf("checkpoint of a sync that never ran: got %+v, %v, want the zero Position", other, err)
		}
	}
	tx := r.begin()
	r.publishChanges(tx, position(2, 5))
	r.wantCheckpoint(position(2, 5))
}

func testStageInvisible(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", "1", 10), player("b", "2", 10))
	visible := func() {
		t.Helper()
		r.want(players, player("a", "1", 10), player("b", "2", 10))
	}
	tx := r.begin()
	r.write(tx, players, position(2, 0), player("a", "one", 20), remove("b"), player("c", "3", 20))
	r.stage(tx, position(2, 1))
	visible()
	tx = r.begin()
	r.write(tx, players, position(2, 2), player("d", "4", 20))
	r.stage(tx, position(2, 3))
	visible()
	r.reopen()
	visible()
	r.wantCheckpoint(position(2, 3))
	n := r.publishSnapshot(r.begin(), position(2, 4), everything)
	r.wantCounts(n, destination.Counts{New: 2, Changed: 1, Deleted: 1})
	r.want(players, player("a", "one", 20), player("c", "3", 20), player("d", "4", 20))
}

func testResume(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	for generation := int64(1); generation <= 2; generation++ {
		tx := r.begin()
		r.write(tx, players, position(generation, 0), player("a", "1", 10), player("b", "2", 10))
		r.stage(tx, position(generation, 1))
		r.reopen()
		r.wantCheckpoint(position(generation, 1))
		tx = r.begin()
		r.write(tx, players, position(generation, 2), player("b", "2", 10), player("c", "3", 10))
		r.stage(tx, position(generation, 3))
		r.reopen()
		r.wantCheckpoint(position(generation, 3))
		tx = r.begin()
		r.write(tx, players, position(generation, 4), player("d", "4", 10))
		r.publishSnapshot(tx, position(generation, 5), everything)
		r.want(players, player("a", "1", 10), player("b", "2", 10), player("c", "3", 10), player("d", "4", 10))
		r.reopen()
		r.wantCheckpoint(position(generation, 5))
	}
	// What was published is not staged any longer.
	r.wantCounts(r.changes(position(2, 6)), destination.Counts{})
	r.wantCounts(r.snapshot(3, player("a", "1", 10)), destination.Counts{Unchanged: 1, Deleted: 3})

	// Changes are staged, and published by a later run, as well.
	tx := r.begin()
	r.write(tx, players, position(3, 2), player("a", "one", 30), player("e", "5", 30))
	r.stage(tx, position(3, 2))
	r.reopen()
	tx = r.begin()
	r.write(tx, players, position(3, 3), remove("e"))
	r.wantCounts(r.publishChanges(tx, position(3, 3)), destination.Counts{Changed: 1})
	r.want(players, player("a", "one", 30))
}

func testRollback(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	rollback := func(tx destination.Tx) {
		t.Helper()
		if err := tx.Rollback(); err != nil {
			t.Fatalf("rollback: %v", err)
		}
	}
	rollback(r.begin())
	tx := r.begin()
	r.write(tx, players, position(1, 0), player("a", "1", 10))
	rollback(tx)
	rollback(tx)
	r.wantCheckpoint(row.Position{})

	tx = r.begin()
	r.write(tx, players, position(1, 0), player("b", "2", 10))
	r.stage(tx, position(1, 1))
	rollback(tx) // after a commit: nothing
	r.wantCheckpoint(position(1, 1))
	tx = r.begin()
	r.write(tx, players, position(1, 2), player("b", "lost", 10), player("c", "3", 10))
	rollback(tx)
	r.wantCheckpoint(position(1, 1))

	// Not even another generation's rows drop the staged ones before a commit.
	tx = r.begin()
	r.write(tx, players, position(2, 0), player("x", "9", 10))
	rollback(tx)
	tx = r.begin()
	r.write(tx, players, position(1, 2), player("d", "4", 10))
	r.wantCounts(r.publishSnapshot(tx, position(1, 3), everything), destination.Counts{New: 2})
	rollback(tx)
	r.want(players, player("b", "2", 10), player("d", "4", 10))
	r.wantCheckpoint(position(1, 3))
}

func testGivenUp(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, hard, players)
	r.snapshot(1, player("a", "1", 10), player("b", "2", 10))

	// By rows of the next generation.
	tx := r.begin()
	r.write(tx, players, position(2, 0), player("a", "old", 20), player("c", "old", 20), keep("b"))
	r.stage(tx, position(2, 1))
	r.reopen()
	tx = r.begin()
	r.write(tx, players, position(3, 0), player("a", "1", 30))
	r.stage(tx, position(3, 1))
	r.wantCounts(r.publishSnapshot(r.begin(), position(3, 2), everything), destination.Counts{Unchanged: 1, Deleted: 1})
	r.want(players, player("a", "1", 10))

	// Within one transaction.
	tx = r.begin()
	r.write(tx, players, position(4, 0), player("c", "old", 40))
	r.write(tx, players, position(5, 0), player("a", "1", 50))
	r.wantCounts(r.publishSnapshot(tx, position(5, 1), everything), destination.Counts{Unchanged: 1})
	r.want(players, player("a", "1", 10))

	// By a batch without rows.
	tx = r.begin()
	r.write(tx, players, position(6, 0), player("c", "old", 60))
	r.stage(tx, position(6, 1))
	tx = r.begin()
	r.write(tx, players, position(7, 0))
	r.wantCounts(r.publishSnapshot(tx, position(7, 1), everything), destination.Counts{Deleted: 1})
	r.want(players)

	// By a snapshot that has nothing to write.
	tx = r.begin()
	r.write(tx, players, position(8, 0), player("c", "old", 80))
	r.stage(tx, position(8, 1))
	r.wantCounts(r.publishSnapshot(r.begin(), position(9, 1), everything), destination.Counts{})
	r.want(players)

	// By a checkpoint; the generation that was given up may not come back.
	tx = r.begin()
	r.write(tx, players, position(10, 0), player("c", "old", 100))
	r.stage(tx, position(10, 1))
	r.stage(r.begin(), position(11, 1))
	r.wantCounts(r.changes(position(11, 2), player("d", "4", 110)), destination.Counts{New: 1})
	r.want(players, player("d", "4", 110))
}

// testReplay writes every suffix of a run again: the rows stay as they are.
func testReplay(t *testing.T, newPlace NewPlace) {
	for _, deletes := range []destination.Deletes{soft, hard, ignore} {
		t.Run(string(deletes), func(t *testing.T) {
			r := start(t, newPlace, deletes, players, scores)
			steps := script()
			if err := drive(t.Context(), r.d, steps); err != nil {
				t.Fatal(err)
			}
			wantPlayers, wantScores := r.read(players), r.read(scores)
			for from := range steps {
				if !repeatable(steps, from) {
					continue
				}
				if err := r.d.Prepare(t.Context(), r.tables); err != nil {
					t.Fatal(err)
				}
				if err := driveFrom(t.Context(), r.d, steps, from); err != nil {
					t.Fatal(err)
				}
				r.same(players, wantPlayers)
				r.same(scores, wantScores)
				if t.Failed() {
					t.Fatalf("replayed from step %d", from)
				}
			}
		})
	}
}

func testCancelled(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", "1", 10))
	tx := r.begin()
	r.write(tx, players, position(2, 0), player("b", "2", 20))
	r.stage(tx, position(2, 1))

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	wantCancelled := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: got %v, want context.Canceled", what, err)
		}
	}
	for what, finish := range map[string]func(destination.Tx) error{
		"Write": func(tx destination.Tx) error {
			b := batch(players, position(2, 2), player("d", "4", 20))
			defer b.Release()
			return tx.Write(cancelled, b)
		},
		"Stage": func(tx destination.Tx) error { return tx.Stage(cancelled, position(2, 3)) },
		"PublishChanges": func(tx destination.Tx) error {
			_, err := tx.PublishChanges(cancelled, position(2, 3))
			return err
		},
		"PublishSnapshot": func(tx destination.Tx) error {
			_, err := tx.PublishSnapshot(cancelled, position(2, 3), everything, destination.AnyShare)
			return err
		},
	} {
		tx := r.begin()
		r.write(tx, players, position(2, 2), player("c", "3", 20))
		wantCancelled(what, finish(tx))
		if err := tx.Rollback(); err != nil {
			t.Errorf("rollback after a cancelled %s: %v", what, err)
		}
		r.wantCheckpoint(position(2, 1))
		r.want(players, player("a", "1", 10))
	}
	_, err := r.d.Begin(cancelled, syncName)
	wantCancelled("Begin", err)
	_, err = r.d.Checkpoint(cancelled, syncName)
	wantCancelled("Checkpoint", err)
	wantCancelled("Prepare", r.d.Prepare(cancelled, r.tables))

	n := r.publishSnapshot(r.begin(), position(2, 4), everything)
	r.wantCounts(n, destination.Counts{New: 1, Deleted: 1})
	r.want(players, player("b", "2", 20))
}
