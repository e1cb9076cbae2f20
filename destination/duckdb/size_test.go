package duckdb

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
)

// TestDestination_sameSize syncs the same rows again and again, each time after
// the file has been opened anew.
func TestDestination_sameSize(t *testing.T) {
	const rows = 30_000
	path := filepath.Join(t.TempDir(), "warehouse.db")
	sync := func(generation int64) destination.Counts {
		t.Helper()
		d, players := openPlayers(t, path)
		for i := 0; i < rows; i += rows / 3 {
			stagePlayers(t, d, players, position(generation, i), i, i+rows/3, "value")
			if staged := d.tables["players"].staged; staged != (generation == 1) {
				t.Errorf("generation %d: rows are staged: %v", generation, staged)
			}
		}
		counts := publishPlayers(t, d, position(generation, rows))
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return counts
	}
	size := func() int64 {
		t.Helper()
		file, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + ".wal"); err == nil {
			t.Error("the log is still there")
		}
		return file.Size()
	}
	if counts := sync(1); counts.New != rows {
		t.Fatalf("first sync: %+v", counts)
	}
	first := size()
	for generation := int64(2); generation <= 6; generation++ {
		if counts := sync(generation); counts != (destination.Counts{Unchanged: rows}) {
			t.Errorf("sync %d: %+v", generation, counts)
		}
		if now := size(); now != first {
			t.Errorf("sync %d: the file has %d bytes, want %d", generation, now, first)
		}
	}
}

// TestIndex_limit syncs as many unchanged rows as the index has room for.
func TestIndex_limit(t *testing.T) {
	d, players := openPlayers(t, filepath.Join(t.TempDir(), "warehouse.db"))
	defer closePlayers(t, d)
	d.indexLimit = 0
	for generation := int64(1); generation <= 2; generation++ {
		stagePlayers(t, d, players, position(generation, 1), 0, minKeys, "value")
		p := d.tables["players"]
		if p.staged != (generation == 1) || p.index.room != 0 || p.index.full {
			t.Errorf("generation %d: staged %v, room for %d more keys, full %v", generation, p.staged, p.index.room, p.index.full)
		}
		publishPlayers(t, d, position(generation, 2))
	}
}

// TestDestination_changes publishes changes of some rows of a table behind its snapshot,
// in the process of the snapshot and in another.
func TestDestination_changes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	d, players := openPlayers(t, path)
	defer func() { closePlayers(t, d) }()
	stagePlayers(t, d, players, position(1, 1), 0, 5000, "value")
	publishPlayers(t, d, position(1, 2))
	for i := range 3 {
		if i == 2 {
			closePlayers(t, d)
			d, players = openPlayers(t, path)
		}
		stagePlayers(t, d, players, position(1, 10*i+3), 10, 20, "changed "+strconv.Itoa(i))
		stagePlayers(t, d, players, position(1, 10*i+4), 19, 30, "changed "+strconv.Itoa(i))
		if d.tables["players"].index != nil {
			t.Errorf("changes %d: the published rows have been read for an index", i)
		}
		tx, err := d.Begin(t.Context(), "game")
		if err != nil {
			t.Fatal(err)
		}
		counts, err := tx.PublishChanges(t.Context(), position(1, 10*i+5))
		if err != nil {
			t.Fatal(err)
		}
		if counts != (destination.Counts{Changed: 20}) {
			t.Errorf("changes %d: %+v, want 20 changed", i, counts)
		}
	}
}

func position(generation int64, n int) row.Position {
	return row.Position{Generation: generation, Token: strconv.Itoa(n)}
}

func openPlayers(t *testing.T, path string) (*Destination, *row.Table) {
	t.Helper()
	d, err := Open(t.Context(), Options{Path: path, Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	players := table.Value("players", table.Options{})
	if err := d.Prepare(t.Context(), []*row.Table{players}); err != nil {
		t.Fatal(err)
	}
	return d, players
}

func closePlayers(t *testing.T, d *Destination) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// stagePlayers stages players from a number on, to another.
func stagePlayers(t *testing.T, d *Destination, players *row.Table, p row.Position, from, to int, value string) {
	t.Helper()
	tx, err := d.Begin(t.Context(), "game")
	if err != nil {
		t.Fatal(err)
	}
	b := row.NewBatch(players)
	defer b.Release()
	b.After = p
	for i := from; i < to; i++ {
		b.AppendText(0, "player:"+strconv.Itoa(i))
		b.AppendText(1, value)
		b.EndRow(row.Upsert)
	}
	if err := tx.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := tx.Stage(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func publishPlayers(t *testing.T, d *Destination, p row.Position) destination.Counts {
	t.Helper()
	tx, err := d.Begin(t.Context(), "game")
	if err != nil {
		t.Fatal(err)
	}
	counts, err := tx.PublishSnapshot(t.Context(), p, func(*row.Batch, int) bool { return true }, destination.AnyShare)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}
