package destinationtest

import (
	"errors"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// testMayDelete publishes snapshots that lack rows, guarded.
func testMayDelete(t *testing.T, newPlace NewPlace) {
	later := time.Duration(time.Now().Add(time.Hour).UnixMicro()) * time.Microsecond
	four := []line{player("a", "1", 10), player("b", "2", 10), player("c", "3", 10), expiring("d", "4", 60, later, 0)}
	for _, c := range []struct {
		name      string
		deletes   destination.Deletes
		before    []line
		after     []line
		scope     row.Scope
		mayDelete float64
		refused   *destination.DeleteShareError // nil: it is published
	}{
		{"half may go", soft, four, four[:2], everything, 0.5, nil},
		{"more than half", soft, four, four[:1], everything, 0.5, &destination.DeleteShareError{Deleted: 3, Held: 4, MayDelete: 0.5}},
		{"removed rows", hard, four, four[:1], everything, 0.5, &destination.DeleteShareError{Deleted: 3, Held: 4, MayDelete: 0.5}},
		{"everything", soft, four, nil, everything, 0.99, &destination.DeleteShareError{Deleted: 4, Held: 4, MayDelete: 0.99}},
		{"nothing may go", soft, four, four[:3], everything, 0, &destination.DeleteShareError{Deleted: 1, Held: 4}},
		{"nothing goes", soft, four, four, everything, 0, nil},
		{"a first snapshot", soft, nil, four, everything, 0, nil},
		{"others come", soft, four, []line{player("e", "1", 20), player("f", "1", 20)}, everything, 0.5, &destination.DeleteShareError{Deleted: 4, Held: 4, MayDelete: 0.5}},
		{"deletes are ignored", ignore, four, nil, everything, 0, nil},
		{"set aside", soft, four, []line{keep("a"), keep("b"), player("c", "5", 20)}, everything, 0.25, nil},
		{"out of scope", soft, four, nil, func(b *row.Batch, i int) bool { return b.TextAt(0, i)[0] < 'c' }, 0.5, nil},
		{
			"expired rows are not counted", soft,
			[]line{expiring("x", "1", 0, time.Second, 0), expiring("y", "1", 0, time.Second, 0), player("a", "1", 10), player("b", "2", 10)},
			[]line{player("a", "1", 10)},
			everything, 0.4, &destination.DeleteShareError{Deleted: 1, Held: 2, MayDelete: 0.4},
		},
		{"expired rows may go", soft, []line{expiring("x", "1", 0, time.Second, 0), player("a", "1", 10)}, []line{player("a", "1", 20)}, everything, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, newPlace, c.deletes, players)
			r.snapshot(1, c.before...)
			want := r.read(players)
			r.reopen()
			tx := r.begin()
			r.write(tx, players, position(2, 0), c.after...)
			r.stage(tx, position(2, 1))
			tx = r.begin()
			r.write(tx, players, position(2, 1))
			_, err := tx.PublishSnapshot(t.Context(), position(2, 2), c.scope, c.mayDelete)
			if c.refused == nil {
				if err != nil {
					t.Fatal(err)
				}
				r.wantCheckpoint(position(2, 2))
				return
			}
			if refused, ok := errors.AsType[*destination.DeleteShareError](err); !ok || *refused != *c.refused {
				t.Fatalf("got %v, want %+v", err, c.refused)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			r.same(players, want)
			r.reopen()
			r.same(players, want)
			r.wantCheckpoint(position(2, 1))
			// What was staged is still there, to be published when it may.
			r.publishSnapshot(r.begin(), position(2, 2), everything)
			r.want(players, c.after...)
		})
	}
}

// testMayDeleteTables counts the rows of all tables together.
func testMayDeleteTables(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players, scores)
	tx := r.begin()
	r.write(tx, players, position(1, 0), player("a", "1", 10))
	r.write(tx, scores, position(1, 1), upsert("x", 1.5), upsert("y", 2.5), upsert("z", 3.5))
	r.publishSnapshot(tx, position(1, 2), everything)
	for generation, c := range []struct {
		lines     []line
		mayDelete float64
		refused   bool
	}{
		{[]line{upsert("x", 1.5)}, 0.7, true},
		{[]line{upsert("x", 1.5), upsert("y", 2.5), upsert("z", 3.5)}, 0.25, false}, // all players
	} {
		tx := r.begin()
		p := position(int64(generation+2), 0)
		r.write(tx, scores, p, c.lines...)
		_, err := tx.PublishSnapshot(t.Context(), p, everything, c.mayDelete)
		if refused := errors.As(err, new(*destination.DeleteShareError)); refused != c.refused || err != nil && !refused {
			t.Fatalf("%v: got %v", c.lines, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	r.want(players)
}

// testMayDeleteMoved counts no rows whose keys have come into another table.
func testMayDeleteMoved(t *testing.T, newPlace NewPlace) {
	for _, deletes := range []destination.Deletes{soft, hard} {
		t.Run(string(deletes), func(t *testing.T) {
			r := start(t, newPlace, deletes, players, ranks, scores)
			r.snapshot(1, player("a", "1", 10), player("b", "2", 10), player("c", "3", 10), player("d", "4", 10))

			// b and c have become sorted sets, d is gone. A row of another kind of key is none of it.
			tx := r.begin()
			r.write(tx, players, position(2, 0), player("a", "1", 20))
			r.write(tx, scores, position(2, 1), upsert("d", 1.5))
			r.write(tx, ranks, position(2, 2), score("b", "x", 1), score("b", "y", 2), score("c", "x", 3))
			_, err := tx.PublishSnapshot(t.Context(), position(2, 3), everything, 0.2)
			want := destination.DeleteShareError{Deleted: 1, Held: 4, MayDelete: 0.2}
			if refused, ok := errors.AsType[*destination.DeleteShareError](err); !ok || *refused != want {
				t.Fatalf("got %v, want %+v", err, want)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			tx = r.begin()
			r.write(tx, players, position(2, 0), player("a", "1", 20))
			r.write(tx, scores, position(2, 1), upsert("d", 1.5))
			r.write(tx, ranks, position(2, 2), score("b", "x", 1), score("b", "y", 2), score("c", "x", 3))
			n, err := tx.PublishSnapshot(t.Context(), position(2, 3), everything, 0.25)
			if err != nil {
				t.Fatal(err)
			}
			r.wantCounts(n, destination.Counts{New: 4, Unchanged: 1, Deleted: 3})

			// They are strings again, and the table of players comes first now.
			tx = r.begin()
			r.write(tx, players, position(3, 0), player("a", "1", 30), player("b", "2", 30), player("c", "3", 30))
			r.write(tx, scores, position(3, 1), upsert("d", 1.5))
			if n, err = tx.PublishSnapshot(t.Context(), position(3, 2), everything, 0); err != nil {
				t.Fatal(err)
			}
			r.wantCounts(n, destination.Counts{New: 2, Unchanged: 2, Deleted: 3})

			// Members that are gone from a key that stays in its table do count.
			tx = r.begin()
			r.write(tx, players, position(4, 0), player("a", "1", 30), player("b", "2", 30), player("c", "3", 30))
			r.write(tx, scores, position(4, 1), upsert("d", 1.5))
			r.write(tx, ranks, position(4, 2), score("z", "x", 1), score("z", "y", 2))
			r.publishSnapshot(tx, position(4, 3), everything)
			tx = r.begin()
			r.write(tx, players, position(5, 0), player("a", "1", 30), player("b", "2", 30), player("c", "3", 30))
			r.write(tx, scores, position(5, 1), upsert("d", 1.5))
			r.write(tx, ranks, position(5, 2), score("z", "y", 2))
			_, err = tx.PublishSnapshot(t.Context(), position(5, 3), everything, 0.1)
			want = destination.DeleteShareError{Deleted: 1, Held: 6, MayDelete: 0.1}
			if refused, ok := errors.AsType[*destination.DeleteShareError](err); !ok || *refused != want {
				t.Fatalf("got %v, want %+v", err, want)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
