package main

import (
	"database/sql"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
)

// TestSync_dropped: a table that somebody drops is read anew, also where a sync would go
// on from a position; of a column that is dropped the sync says what to do.
func TestSync_dropped(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{})
	client := tortureClients{}
	client.connect(t, server)
	file := filepath.Join(t.TempDir(), "warehouse.db")
	keylift := func(words ...string) string {
		t.Helper()
		words = append(words, "--url", "redis://"+server.Address(), "--destination", file, "--mode", "replica")
		out, err := exec.CommandContext(t.Context(), "keylift", words...).CombinedOutput()
		if err != nil {
			t.Fatalf("keylift %s: %v\n%s", words, err, out)
		}
		return string(out)
	}
	ask := func(statement string) {
		t.Helper()
		db, err := sql.Open("duckdb", file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	synced := func(want ...string) {
		t.Helper()
		out := keylift("sync")
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("keylift sync: no %q in\n%s", text, out)
			}
		}
	}
	client.must(t, server, "MSET", "a", "1", "b", "2", "c", "3")
	synced("3 new")
	ask("ALTER TABLE redis_data DROP COLUMN size")
	client.must(t, server, "SET", "c", "4")
	synced("where somebody has dropped it, rows that do not change keep NULL; drop the table to have all of it read anew", "table=redis_data column=size", "1 changed")
	ask("DROP TABLE redis_data")
	client.must(t, server, "SET", "c", "5")
	synced("a table is not there: all keys are read anew", "table=redis_data", "3 new")
	if out := keylift("verify"); !strings.Contains(out, "3 keys equal") {
		t.Errorf("keylift verify:\n%s", out)
	}
}
