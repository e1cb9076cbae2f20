package duckdb

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/keylift/keylift/row"
)

// TestDestination_Prepare_refused: a file whose tables cannot take the rows stays as it
// was, to the byte.
func TestDestination_Prepare_refused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.db")
	open := func(schema string) *Destination {
		t.Helper()
		d, err := Open(t.Context(), Options{Path: path, Schema: schema, MemoryBytes: 128 << 20, Views: true})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	read := func() []byte {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	theirs := open("main")
	err := theirs.execAll(t.Context(), "CREATE SCHEMA game", "CREATE TABLE game.players AS SELECT 7 AS key", "CREATE TABLE main.players (name VARCHAR)")
	if err != nil {
		t.Fatal(err)
	}
	closePlayers(t, theirs)
	before := read()
	for _, schema := range []string{"main", "game", "information_schema"} {
		d := open(schema)
		err := d.Prepare(t.Context(), []*row.Table{
			{Name: "boards", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}}},
			{Name: "players", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}}},
		})
		if err == nil {
			t.Errorf("%s: the tables were taken", schema)
		}
		closePlayers(t, d)
		if !bytes.Equal(read(), before) {
			t.Errorf("%s: the file has changed", schema)
		}
	}
}

// TestDestination_Prepare_letters: names that differ in capital and small letters alone
// are one name to DuckDB.
func TestDestination_Prepare_letters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	prepare := func(schema, table string) error {
		t.Helper()
		d, err := Open(t.Context(), Options{Path: path, Schema: schema, MemoryBytes: 128 << 20, Views: true})
		if err != nil {
			return err
		}
		defer closePlayers(t, d)
		return d.Prepare(t.Context(), []*row.Table{{Name: table, Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}}}})
	}
	for _, c := range []struct{ schema, table, want string }{
		{"Game", "Players", ""},
		{"Game", "Players", ""},
		{"Game", "players", `there is a table "Players", which DuckDB takes for "players"; write the table's name as it is there`},
		{"game", "Players", "open " + path + `: there is a schema "Game", which DuckDB takes for "game"; write destination_schema as it is there`},
		{"MAIN", "Players", "open " + path + `: there is a schema "main", which DuckDB takes for "MAIN"; write destination_schema as it is there`},
		{"main", "players", ""},
	} {
		got := ""
		if err := prepare(c.schema, c.table); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s.%s: got %q, want %q", c.schema, c.table, got, c.want)
		}
	}
}
