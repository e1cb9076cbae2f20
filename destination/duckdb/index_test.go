package duckdb

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
)

// TestIndex_full syncs more keys than the index has room for, some of them twice,
// and then some changed, some gone and some set aside.
func TestIndex_full(t *testing.T) {
	const all = 3 * minKeys
	d, err := Open(t.Context(), Options{
		Path: filepath.Join(t.TempDir(), "warehouse.db"), Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 128 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	d.indexLimit = 0 // the index gets the least that it can do with
	players := table.Value("players", table.Options{})
	if err := d.Prepare(t.Context(), []*row.Table{players}); err != nil {
		t.Fatal(err)
	}
	snapshot := func(generation int64, fill func(add func(op row.Op, i int, value string))) destination.Counts {
		t.Helper()
		tx, err := d.Begin(t.Context(), "game")
		if err != nil {
			t.Fatal(err)
		}
		b := row.NewBatch(players)
		b.After = row.Position{Generation: generation, Token: "end"}
		fill(func(op row.Op, i int, value string) {
			b.AppendText(0, "player:"+strconv.Itoa(i))
			if op == row.Upsert {
				b.AppendText(1, value)
			}
			b.EndRow(op)
		})
		if err := tx.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if full := generation > 1; d.tables["players"].index.full != full {
			t.Fatalf("before snapshot %d the index is full: %v", generation, !full)
		}
		counts, err := tx.PublishSnapshot(t.Context(), b.After, func(*row.Batch, int) bool { return true }, destination.AnyShare)
		if err != nil {
			t.Fatal(err)
		}
		return counts
	}

	got := snapshot(1, func(add func(row.Op, int, string)) {
		for i := range all {
			add(row.Upsert, i, "first")
			if i%10 == 0 {
				add(row.Upsert, i, "second")
			}
		}
		add(row.Upsert, all-1, "last")
	})
	if want := (destination.Counts{New: all}); got != want {
		t.Errorf("first snapshot: %+v, want %+v", got, want)
	}
	if n, err := d.count(t.Context(), "SELECT count(*) FROM players WHERE value = 'second'"); n != 308 || err != nil {
		t.Errorf("%d keys have their second value, %v; want 308", n, err)
	}

	got = snapshot(2, func(add func(row.Op, int, string)) {
		for i := range all {
			switch {
			case i < 10 || i >= all-10: // gone
			case i%100 == 50:
				add(row.Keep, i, "")
			case i%10 == 0:
				add(row.Upsert, i, "second")
			case i%100 == 51:
				add(row.Upsert, i, "third")
			default:
				add(row.Upsert, i, "first")
			}
		}
	})
	if want := (destination.Counts{Changed: 31, Unchanged: 2990, Deleted: 20, Kept: 31}); got != want {
		t.Errorf("second snapshot: %+v, want %+v", got, want)
	}
}
