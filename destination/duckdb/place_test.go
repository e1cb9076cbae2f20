package duckdb

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keylift/keylift/row"
)

// TestOpen_link: what belongs to a file lies beside it, and not beside a symbolic link
// to it, so that it is found by whichever name.
func TestOpen_link(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"links", "files"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file, link := filepath.Join(folder, "files", "warehouse.db"), filepath.Join(folder, "links", "current.db")
	for name, target := range map[string]string{link: "again.db", filepath.Join(folder, "links", "again.db"): "../files/warehouse.db"} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name string, want ...string) {
		t.Helper()
		entries, err := os.ReadDir(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for i, path := range []string{link, file, link} {
		d, err := Open(t.Context(), Options{Path: path, Schema: "main", MemoryBytes: 128 << 20})
		if err != nil {
			t.Fatal(err)
		}
		name := []string{"players", "boards", "events"}[i]
		if err := d.Prepare(t.Context(), []*row.Table{{Name: name, Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}}}}); err != nil {
			t.Fatal(err)
		}
		want("files", "warehouse.db", "warehouse.db.wal")
		closePlayers(t, d)
		want("files", "warehouse.db")
	}
	want("links", "again.db", "current.db")
}
