package duckdb_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/destinationtest"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/row"
)

func TestDestination(t *testing.T) {
	destinationtest.Run(t, func(t *testing.T, deletes destination.Deletes) destinationtest.Place {
		o := duckdb.Options{Path: filepath.Join(t.TempDir(), "warehouse.db"), Schema: "game", Deletes: deletes, MemoryBytes: 128 << 20}
		return destinationtest.Place{
			Open: func(t *testing.T) destination.Store {
				d, err := duckdb.Open(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				return d
			},
			System: func(t *testing.T, d destination.Store, table, key string) destinationtest.System {
				deleted, synced, err := d.(*duckdb.Destination).System(t.Context(), table, key)
				if err != nil {
					t.Fatal(err)
				}
				return destinationtest.System{Deleted: deleted, Synced: synced}
			},
			Versions: func(t *testing.T, d destination.Store, table *row.Table) []destinationtest.Version {
				versions, err := d.(*duckdb.Destination).Versions(t.Context(), table)
				if err != nil {
					t.Fatal(err)
				}
				return versions
			},
		}
	})
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	open := func(path string, readOnly bool) error {
		d, err := duckdb.Open(context.Background(), duckdb.Options{Path: path, Schema: "main", MemoryBytes: 64 << 20, ReadOnly: readOnly})
		if err == nil {
			err = d.Close()
		}
		return err
	}
	if err := open(filepath.Join(dir, "none.db"), true); err == nil || !strings.Contains(err.Error(), "there is no such file; run keylift sync first") {
		t.Errorf("open a file that is not there for reading: %v", err)
	}
	if err := open(filepath.Join(dir, "none", "w.db"), false); err == nil {
		t.Error("open a file in a folder that is not there: no error")
	}
}

// TestOpen_unfinished: a file that a process was killed over while it made it is made
// anew. A short file of something else stays.
func TestOpen_unfinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	open := func() error {
		d, err := duckdb.Open(t.Context(), duckdb.Options{Path: path, Schema: "main", MemoryBytes: 128 << 20})
		if err == nil {
			err = d.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, begun := range [][]byte{nil, whole[:4096], whole[:8192]} {
		if err := os.WriteFile(path, begun, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(); err != nil {
			t.Errorf("a file of %d bytes: %v", len(begun), err)
		}
	}
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "it is no DuckDB file; choose another destination") {
		t.Errorf("a file of something else: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "something else" {
		t.Errorf("%q, %v", b, err)
	}
}
