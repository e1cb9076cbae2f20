package duckdb_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/destinationtest"
	"github.com/keylift/keylift/destination/duckdb"
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
