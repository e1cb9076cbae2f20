package duckdb

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
)

// TestOpen_brokenCheckpoint damages metadata blocks as a process does that is
// killed while it overwrites them.
func TestOpen_brokenCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	players := table.Value("players", table.Options{})
	snapshot := func(generation int64, leave func(d *Destination)) {
		t.Helper()
		d, err := Open(t.Context(), Options{Path: path, Schema: "main", MemoryBytes: 128 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Prepare(t.Context(), []*row.Table{players}); err != nil {
			t.Fatal(err)
		}
		tx, err := d.Begin(t.Context(), "game")
		if err != nil {
			t.Fatal(err)
		}
		b := row.NewBatch(players)
		for _, key := range []string{"player:1", "player:2", "player:3"}[:generation+1] {
			b.AppendText(0, key)
			b.EndRow(row.Upsert)
		}
		b.After = row.Position{Generation: generation, Token: "end"}
		if err := tx.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.PublishSnapshot(t.Context(), b.After, func(*row.Batch, int) bool { return true }, 1); err != nil {
			t.Fatal(err)
		}
		leave(d)
	}
	check := func(what string, want int64) {
		t.Helper()
		d, err := Open(t.Context(), Options{Path: path, Schema: "main", MemoryBytes: 128 << 20, ReadOnly: true})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		n, err := d.count(t.Context(), "SELECT count(*) FROM players")
		if err != nil || n != want {
			t.Errorf("%s: %d rows, %v; want %d", what, n, err, want)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path + guardSuffix); err == nil {
			t.Errorf("%s: the guard file is still there", what)
		}
	}
	damage := func() {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), headerBytes+2*4096); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}

	snapshot(1, func(d *Destination) {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
	check("closed", 2)

	// The second run dies within its checkpoint: guarded, a block half written, the
	// header not yet.
	snapshot(2, func(d *Destination) {
		if err := d.guard(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.closeFile(); err != nil {
			t.Fatal(err)
		}
	})
	guard, err := os.ReadFile(path + guardSuffix)
	if err != nil {
		t.Fatal(err)
	}
	damage()
	check("killed while a block was written", 3)

	// A guard file that is not whole guards nothing.
	if err := os.WriteFile(path+guardSuffix, guard[:len(guard)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	check("killed while the guard file was written", 3)

	// Once the checkpoint has ended, older blocks must not come back.
	d, err := Open(t.Context(), Options{Path: path, Schema: "main", MemoryBytes: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+guardSuffix, guard, 0o600); err != nil {
		t.Fatal(err)
	}
	check("killed after the checkpoint", 3)

	damage()
	if d, err := Open(t.Context(), Options{Path: path, Schema: "main", MemoryBytes: 128 << 20, ReadOnly: true}); err == nil {
		_ = d.Close()
		t.Error("the damage that this test does is none: the file opens without its guard")
	}
}
