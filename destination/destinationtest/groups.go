package destinationtest

import (
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// ranks has several rows per key.
var ranks = &row.Table{Name: "ranks", Keys: 2, Group: 1, ByName: true, Ranked: true, Columns: []row.Column{
	{Name: "key", Type: row.String},
	{Name: "member", Type: row.String},
	{Name: "score", Type: row.Double},
}}

func score(key, member string, score float64) line { return upsert(key, member, score) }

func testGroup(t *testing.T, newPlace NewPlace) {
	for _, c := range []struct {
		deletes                destination.Deletes
		unmet, changed, undone destination.Counts
		rows                   []line
	}{
		{soft, destination.Counts{Changed: 1, Unchanged: 1, Deleted: 3}, destination.Counts{New: 2, Changed: 1, Unchanged: 1, Deleted: 1}, destination.Counts{Deleted: 4}, nil},
		{hard, destination.Counts{Changed: 1, Unchanged: 1, Deleted: 3}, destination.Counts{New: 2, Changed: 1, Unchanged: 1, Deleted: 1}, destination.Counts{Deleted: 4}, nil},
		{ignore, destination.Counts{Changed: 1, Unchanged: 1}, destination.Counts{New: 1, Changed: 2, Unchanged: 1}, destination.Counts{}, []line{score("a", "y", 2), score("b", "x", 1), score("b", "y", 2)}},
	} {
		t.Run(string(c.deletes), func(t *testing.T) {
			r := start(t, newPlace, c.deletes, ranks)
			n := r.snapshot(1, score("a", "x", 1), score("a", "y", 2), score("b", "x", 1), score("b", "y", 2), score("out", "x", 1))
			r.wantCounts(n, destination.Counts{New: 5})

			// A snapshot without a member, and without a key.
			tx := r.begin()
			r.write(tx, ranks, position(2, 0), score("a", "x", 3))
			r.stage(tx, position(2, 1))
			tx = r.begin()
			r.write(tx, ranks, position(2, 2), score("out", "x", 1))
			r.wantCounts(r.publishSnapshot(tx, position(2, 3), everything), c.unmet)
			r.want(ranks, append(c.rows, score("a", "x", 3), score("out", "x", 1))...)

			// A key that changed: one member differs, one is gone, one is new, one came back.
			r.changes(position(2, 4), score("a", "z", 5), score("a", "gone", 6))
			tx = r.begin()
			r.write(tx, ranks, position(2, 5), remove("a"), score("a", "x", 4))
			r.stage(tx, position(2, 5))
			r.reopen()
			tx = r.begin()
			r.write(tx, ranks, position(2, 6), score("a", "z", 5), score("a", "new", 0), score("a", "y", 9))
			r.wantCounts(r.publishChanges(tx, position(2, 6)), c.changed)
			left := []line{score("a", "x", 4), score("a", "z", 5), score("a", "new", 0), score("a", "y", 9), score("out", "x", 1)}
			if c.deletes == ignore {
				left = append(left, score("a", "gone", 6), score("b", "x", 1), score("b", "y", 2))
			}
			r.want(ranks, left...)

			// A key that is gone.
			r.wantCounts(r.changes(position(2, 7), remove("a"), remove("never there")), c.undone)
			if c.deletes != ignore {
				r.want(ranks, score("out", "x", 1))
			}
		})
	}
}

// testRepeatedElements writes elements of a snapshot more than once: the last written
// counts, also where it is what was published.
func testRepeatedElements(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, hard, ranks)
	r.snapshot(1, score("a", "x", 1), score("a", "y", 2), score("b", "x", 1), score("b", "y", 2), score("c", "x", 1), score("c", "gone", 1))
	tx := r.begin()
	r.write(tx, ranks, position(2, 0), score("a", "x", 1), score("a", "y", 2), score("b", "x", 5), score("b", "y", 2), score("c", "x", 1))
	r.write(tx, ranks, position(2, 0), score("a", "x", 7), score("b", "x", 1), score("b", "y", 2))
	r.stage(tx, position(2, 1))
	r.reopen()
	tx = r.begin()
	r.write(tx, ranks, position(2, 2), score("c", "x", 3), score("c", "x", 1), score("a", "y", 2))
	n := r.publishSnapshot(tx, position(2, 3), everything)
	r.wantCounts(n, destination.Counts{Changed: 1, Unchanged: 4, Deleted: 1})
	r.want(ranks, score("a", "x", 7), score("a", "y", 2), score("b", "x", 1), score("b", "y", 2), score("c", "x", 1))

	// One is gone, and more were found unchanged and then written otherwise.
	tx = r.begin()
	r.write(tx, ranks, position(3, 0), score("a", "x", 7), score("a", "x", 8), score("a", "y", 2), score("b", "x", 1), score("b", "x", 3), score("c", "x", 1))
	n = r.publishSnapshot(tx, position(3, 1), everything)
	r.wantCounts(n, destination.Counts{Changed: 2, Unchanged: 2, Deleted: 1})
	r.want(ranks, score("a", "x", 8), score("a", "y", 2), score("b", "x", 3), score("c", "x", 1))
}

// testMarks publishes upserts, deletes and keeps in every order that matters, each of
// a key of its own, as changes and as a snapshot.
func testMarks(t *testing.T, newPlace NewPlace) {
	type element struct {
		op     row.Op
		member string
		score  float64
	}
	old, one, two, changed := element{0, "old", 1}, element{0, "one", 2}, element{0, "two", 2}, element{0, "old", 9}
	remove, keep := element{op: row.Delete}, element{op: row.Keep}
	cases := []struct {
		key     string
		written []element
		left    []element
	}{
		{"delete", []element{remove}, nil},
		{"delete first", []element{remove, one}, []element{one}},
		{"delete last", []element{one, changed, remove}, nil},
		{"unchanged, then delete", []element{old, remove}, nil},
		{"delete, then unchanged", []element{old, remove, old}, []element{old}},
		{"delete between", []element{one, old, remove, two}, []element{two}},
		{"two deletes", []element{remove, old, one, remove, two, changed}, []element{two, changed}},
		{"keep", []element{keep}, []element{old}},
		{"keep first", []element{keep, one}, []element{old, one}},
		{"keep last", []element{one, changed, keep}, []element{one, changed}},
		{"keep after delete", []element{one, remove, two, keep}, []element{old, one, two}},
		{"delete after keep", []element{keep, one, remove, two}, []element{two}},
		{"all", []element{remove, old, keep, one, remove, keep, two}, []element{old, one, two}},
		{"unmarked", []element{old, one}, []element{old, one}},
	}
	const kept, most = 5, 7 // keys whose last mark is a Keep; elements written of a key
	lineOf := func(key string, e element) line {
		if e.op != row.Upsert {
			return line{e.op, []any{key}}
		}
		return score(key, e.member, e.score)
	}
	for name, snapshot := range map[string]bool{"changes": false, "snapshot": true} {
		for how, staged := range map[string]bool{"at once": false, "staged": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				r := start(t, newPlace, hard, ranks)
				var before, after []line
				for _, c := range cases {
					before = append(before, lineOf(c.key, old))
					for _, e := range c.left {
						after = append(after, lineOf(c.key, e))
					}
				}
				r.snapshot(1, before...)
				generation := int64(1)
				if snapshot {
					generation = 2
				}
				tx := r.begin()
				for i := range most {
					var lines []line
					for _, c := range cases {
						if i < len(c.written) {
							lines = append(lines, lineOf(c.key, c.written[i]))
						}
					}
					r.write(tx, ranks, position(generation, 3+i), lines...)
					if !staged {
						continue
					}
					r.stage(tx, position(generation, 3+i))
					if i%2 == 1 {
						r.reopen()
					}
					tx = r.begin()
				}
				var n destination.Counts
				if snapshot {
					n = r.publishSnapshot(tx, position(2, 100), everything)
				} else {
					n = r.publishChanges(tx, position(1, 100))
				}
				r.want(ranks, after...)
				if n.Kept != kept {
					t.Errorf("kept %d keys, want %d", n.Kept, kept)
				}
			})
		}
	}
}

// testAppends publishes what is new of a key whose rows are only added to: the others
// stay, and the key is not counted as one set aside.
func testAppends(t *testing.T, newPlace NewPlace) {
	events := *ranks
	events.Ranked, events.Appends = false, true
	r := start(t, newPlace, hard, &events)
	write := func(generation int64, lines ...line) {
		t.Helper()
		tx := r.begin()
		r.write(tx, &events, position(generation, 1), lines...)
		if n := r.publishSnapshot(tx, position(generation, 2), everything); n.Kept != 0 {
			t.Errorf("kept %d, want 0", n.Kept)
		}
	}
	write(1, stay("a"), score("a", "1", 1), score("a", "2", 2), stay("gone"), score("gone", "1", 1))
	write(2, stay("a"), score("a", "2", 2.5), score("a", "3", 3))
	r.want(&events, score("a", "1", 1), score("a", "2", 2.5), score("a", "3", 3))
	write(3, score("a", "4", 4))
	r.want(&events, score("a", "4", 4))
}
