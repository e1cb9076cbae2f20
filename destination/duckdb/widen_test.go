package duckdb

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// TestTx_Write_columns adds a column in the middle of a transaction that has written
// whole row groups to the file, and gives it up once.
func TestTx_Write_columns(t *testing.T) {
	const rows = 2*rowGroup + 1000
	narrow := &row.Table{Name: "players", Keys: 1, ByName: true, Columns: []row.Column{
		{Name: "key", Type: row.String}, {Name: "level", Type: row.Int},
	}}
	wide := *narrow
	wide.Columns = append(slices.Clone(narrow.Columns), row.Column{Name: "guild", Type: row.String})
	d := openBoards(t, Options{Path: filepath.Join(t.TempDir(), "warehouse.db")}, narrow)
	defer closePlayers(t, d)
	write := func() destination.Tx {
		t.Helper()
		tx, err := d.Begin(t.Context(), "game")
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < rows; {
			of := narrow
			if i/1000%30 == 29 {
				of = &wide
			}
			b := row.NewBatch(of)
			b.After = position(1, 1)
			for range 1000 {
				b.AppendText(0, "player:"+strconv.Itoa(i))
				b.AppendInt(1, int64(i))
				if of == &wide {
					b.AppendText(2, "guild "+strconv.Itoa(i%7))
				}
				b.EndRow(row.Upsert)
				i++
			}
			if err := tx.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		return tx
	}
	if err := write().Rollback(); err != nil {
		t.Fatal(err)
	}
	counts, err := write().PublishSnapshot(t.Context(), position(1, 2), func(*row.Batch, int) bool { return true }, destination.AnyShare)
	if want := (destination.Counts{New: 42_000}); err != nil || counts != want {
		t.Fatalf("%+v, %v", counts, err)
	}
	wantLines(t, d.lines(t, "SELECT concat_ws(' ', count(*), count(guild), count(DISTINCT key), sum(level) = count(*) * (count(*) - 1) / 2) FROM game.players"),
		"42000 1000 42000 true")
}
