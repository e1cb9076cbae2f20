package memory_test

import (
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/destinationtest"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/row"
)

func TestDestination(t *testing.T) {
	destinationtest.Run(t, func(_ *testing.T, deletes destination.Deletes) destinationtest.Place {
		d := memory.New(memory.Options{Deletes: deletes})
		return destinationtest.Place{
			Open: func(*testing.T) destination.Store { return d },
			System: func(_ *testing.T, _ destination.Store, table, key string) destinationtest.System {
				deleted, synced := d.System(table, key)
				return destinationtest.System{Deleted: deleted, Synced: synced}
			},
			Versions: func(_ *testing.T, _ destination.Store, table *row.Table) []destinationtest.Version {
				return d.Versions(table)
			},
		}
	})
}

func TestTx_Write(t *testing.T) {
	d := memory.New(memory.Options{})
	table := &row.Table{Name: "unknown", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}}}
	tx, err := d.Begin(t.Context(), "game")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(t.Context(), row.NewBatch(table)); err == nil || err.Error() != `table "unknown" was not prepared` {
		t.Errorf("write to a table that was not prepared: got %v", err)
	}
	if err := tx.Stage(t.Context(), row.Position{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Stage(t.Context(), row.Position{Generation: 2}); err == nil {
		t.Error("stage twice in one transaction: got no error")
	}
}
