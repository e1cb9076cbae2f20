package destinationtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

func testPrepareAgain(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players, scores)
	r.snapshot(1, player("a", "1", 10))
	for range 2 {
		if err := r.d.Prepare(t.Context(), r.tables); err != nil {
			t.Fatal(err)
		}
	}
	r.reopen()
	r.want(players, player("a", "1", 10))
	r.wantCheckpoint(position(1, 1))
	r.wantCounts(r.snapshot(2, player("a", "1", 20), player("b", "2", 20)), destination.Counts{New: 1, Unchanged: 1})
}

// with returns players with more columns.
func with(columns ...row.Column) *row.Table {
	t := *players
	t.Columns = append(slices.Clone(players.Columns), columns...)
	return &t
}

func testNewColumn(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", "1", 10), player("b", "2", 10))
	// Rows staged before the table grew are published with the others.
	tx := r.begin()
	r.write(tx, players, position(2, 0), player("c", "3", 20))
	r.stage(tx, position(2, 1))

	wide := with(
		row.Column{Name: "size", Type: row.Int},
		row.Column{Name: "weight", Type: row.Double},
		row.Column{Name: "name", Type: row.String},
		row.Column{Name: "active", Type: row.Boolean},
		row.Column{Name: "price", Type: row.Decimal},
		row.Column{Name: "seen", Type: row.UTCDateTime},
		row.Column{Name: "extra", Type: row.JSON},
	)
	r.tables = []*row.Table{wide}
	r.reopen()
	nulls := func(l line) line { return line{l.op, append(slices.Clone(l.cells), nil, nil, nil, nil, nil, nil, nil)} }
	full := func(l line) line {
		return line{l.op, append(slices.Clone(l.cells), int64(7), 1.5, "x", int64(1), "2.5", at(3), `{"a":1}`)}
	}
	r.want(wide, nulls(player("a", "1", 10)), nulls(player("b", "2", 10)))

	tx = r.begin()
	r.write(tx, wide, position(2, 2), full(player("a", "1", 20)), full(player("d", "4", 20)))
	n := r.publishSnapshot(tx, position(2, 3), everything)
	r.wantCounts(n, destination.Counts{New: 2, Changed: 1, Deleted: 1})
	r.want(wide, full(player("a", "1", 20)), nulls(player("c", "3", 20)), full(player("d", "4", 20)))
}

func testRefused(t *testing.T, newPlace NewPlace) {
	column := func(c int, name string, typ row.Type) *row.Table {
		t := with()
		t.Columns[c].Name, t.Columns[c].Type = name, typ
		return t
	}
	for _, c := range []struct {
		name  string
		table *row.Table
		fault []string // columns that may be named
	}{
		{"changed type", column(1, "value", row.Int), []string{"value"}},
		{"narrowed type", column(2, "ttl", row.Boolean), []string{"ttl"}},
		{"changed type of the key", column(0, "key", row.Int), []string{"key"}},
		{"another key", column(0, "id", row.String), []string{"id", "key"}},
		{
			"longer key",
			&row.Table{Name: "players", Keys: 2, Columns: append([]row.Column{{Name: "database", Type: row.Int}}, players.Columns...)},
			[]string{"database"},
		},
		{"shorter key", &row.Table{Name: "keys", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}, {Name: "value", Type: row.String}}}, []string{"database"}},
		{"column joins the key", &row.Table{Name: "players", Keys: 2, Columns: players.Columns}, []string{"value"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys := &row.Table{Name: "keys", Keys: 2, Columns: []row.Column{{Name: "database", Type: row.Int}, {Name: "key", Type: row.String}}}
			r := start(t, newPlace, soft, players, keys)
			r.snapshot(1, player("a", "1", 10))

			// Were anything changed before the refusal, the table "fresh" would have
			// an INT, and "value" of the other table would exist.
			fresh := func(typ row.Type) *row.Table {
				return &row.Table{Name: "fresh", Keys: 1, Columns: []row.Column{{Name: "key", Type: typ}, {Name: "value", Type: typ}}}
			}
			wider := with(row.Column{Name: "added", Type: row.Int})
			tables := []*row.Table{fresh(row.Int), c.table}
			if c.table.Name != "players" {
				tables = slices.Insert(tables, 1, wider)
			}
			err := r.d.Prepare(t.Context(), tables)
			var refused *destination.SchemaError
			if !errors.As(err, &refused) {
				t.Fatalf("prepare: got %v, want a *destination.SchemaError", err)
			}
			if refused.Table != c.table.Name || !slices.Contains(c.fault, refused.Column) {
				t.Errorf("refused column %q of table %q, want %q of %q", refused.Column, refused.Table, c.fault, c.table.Name)
			}
			if refused.Have == refused.Want {
				t.Errorf("have %q and want %q do not differ", refused.Have, refused.Want)
			}

			r.tables = []*row.Table{with(row.Column{Name: "added", Type: row.String})}
			r.reopen()
			r.want(players, player("a", "1", 10))
			r.wantCheckpoint(position(1, 1))
			r.tables = append(r.tables, fresh(row.String))
			r.reopen()
			r.want(players, player("a", "1", 10))
			r.wantCheckpoint(row.Position{Generation: 1}) // nothing has been read for the new table
		})
	}
}

// testNewColumnInBatch: batches of a snapshot may bring more columns than those before
// them, and after those fewer again.
func testNewColumnInBatch(t *testing.T, newPlace NewPlace) {
	narrow := &row.Table{Name: "profiles", Keys: 1, ByName: true, Columns: []row.Column{
		{Name: "key", Type: row.String},
		{Name: "level", Type: row.Int},
		{Name: "_extra", Type: row.JSON},
	}}
	wide, wider := *narrow, *narrow
	wide.Columns = slices.Insert(slices.Clone(narrow.Columns), 2, row.Column{Name: "guild", Type: row.String})
	wider.Columns = slices.Insert(slices.Clone(wide.Columns), 3, row.Column{Name: "rank", Type: row.String})
	r := start(t, newPlace, hard, narrow)
	r.snapshot(1, upsert("a", int64(1), nil), upsert("b", int64(2), `{}`))

	tx := r.begin()
	r.write(tx, narrow, position(2, 0), upsert("a", int64(1), nil), upsert("c", int64(3), nil))
	r.write(tx, &wide, position(2, 0), upsert("d", int64(4), "red", nil))
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	r.want(narrow, upsert("a", int64(1), nil), upsert("b", int64(2), `{}`))

	tx = r.begin()
	r.write(tx, narrow, position(2, 1), upsert("a", int64(1), nil), upsert("c", int64(3), nil))
	r.stage(tx, position(2, 1))
	tx = r.begin()
	r.write(tx, narrow, position(2, 2), upsert("e", int64(5), nil))
	r.write(tx, &wide, position(2, 2), upsert("d", int64(4), "red", nil))
	r.write(tx, narrow, position(2, 2), upsert("f", int64(6), `{"x":1}`))
	r.stage(tx, position(2, 2))
	r.reopen() // with the narrow table
	tx = r.begin()
	r.write(tx, narrow, position(2, 3), upsert("g", int64(7), nil))
	r.write(tx, &wider, position(2, 3), upsert("b", int64(2), "blue", "1st", `{}`))
	r.wantCounts(r.publishSnapshot(tx, position(2, 4), everything), destination.Counts{New: 5, Changed: 1, Unchanged: 1})

	r.tables = []*row.Table{&wider}
	r.reopen()
	rows := []line{
		upsert("a", int64(1), nil, nil, nil),
		upsert("b", int64(2), "blue", "1st", `{}`),
		upsert("c", int64(3), nil, nil, nil),
		upsert("d", int64(4), "red", nil, nil),
		upsert("e", int64(5), nil, nil, nil),
		upsert("f", int64(6), nil, nil, `{"x":1}`),
		upsert("g", int64(7), nil, nil, nil),
	}
	r.want(&wider, rows...)
	r.wantCounts(r.snapshot(3, rows...), destination.Counts{Unchanged: 7})

	// In changes, of a table that nothing is published of yet.
	fresh, freshWide := *narrow, wide
	fresh.Name, freshWide.Name = "fresh", "fresh"
	r.tables = []*row.Table{&fresh}
	r.reopen()
	tx = r.begin()
	r.write(tx, &fresh, position(3, 3), upsert("a", int64(1), nil))
	r.write(tx, &freshWide, position(3, 3), upsert("b", int64(2), "red", nil))
	r.wantCounts(r.publishChanges(tx, position(3, 3)), destination.Counts{New: 2})
	r.want(&freshWide, upsert("a", int64(1), nil, nil), upsert("b", int64(2), "red", nil))
	r.wantCounts(r.changes(position(3, 4), upsert("b", int64(2), nil)), destination.Counts{Changed: 1})
	r.want(&freshWide, upsert("a", int64(1), nil, nil), upsert("b", int64(2), nil, nil))
}

// testWider widens the types of columns, those of staged rows too.
func testWider(t *testing.T, newPlace NewPlace) {
	table := func(types ...row.Type) *row.Table {
		t := &row.Table{Name: "widened", Keys: 1, ByName: true, Columns: []row.Column{{Name: "key", Type: row.String}}}
		for i, typ := range types {
			t.Columns = append(t.Columns, row.Column{Name: string(rune('a' + i)), Type: typ})
		}
		return t
	}
	before := table(row.Int, row.Int, row.Int, row.Double, row.UTCDateTime, row.Boolean, row.Decimal)
	after := table(row.Double, row.Decimal, row.String, row.String, row.String, row.String, row.String)
	was := func(key string) line {
		return upsert(key, int64(1), int64(-2), int64(3), 2.5, micro(2026, 3, 29, 2, 30, 0, 120_000), int64(1), "1.5")
	}
	is := func(key string) line {
		return upsert(key, 1.0, "-2", "3", "2.5", "2026-03-29T02:30:00.12Z", "true", "1.5")
	}
	r := start(t, newPlace, hard, before)
	r.snapshot(1, was("a"), upsert("b", nil, nil, nil, nil, nil, nil, nil))
	tx := r.begin()
	r.write(tx, before, position(1, 2), was("c"))
	r.stage(tx, position(1, 2))
	r.tables = []*row.Table{after}
	r.reopen()
	r.wantCounts(r.changes(position(1, 3), is("d")), destination.Counts{New: 2})
	r.want(after, is("a"), upsert("b", nil, nil, nil, nil, nil, nil, nil), is("c"), is("d"))
	r.snapshot(2, is("a"), is("d"))
	r.want(after, is("a"), is("d"))

	err := r.d.Prepare(t.Context(), []*row.Table{before})
	var refused *destination.SchemaError
	if !errors.As(err, &refused) || refused.Table != "widened" || refused.Column != "a" {
		t.Errorf("prepare the narrow table again: got %v, want a *destination.SchemaError of column a", err)
	}
}
