package duckdb

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// boards is a table of sorted sets, with versions.
var boards = &row.Table{Name: "boards", Keys: 2, Group: 1, ByName: true, Ranked: true, History: true, Columns: []row.Column{
	{Name: "key", Type: row.String},
	{Name: "member", Type: row.String},
	{Name: "score", Type: row.Double},
}}

func openBoards(t *testing.T, o Options, tables ...*row.Table) *Destination {
	t.Helper()
	o.Schema, o.Deletes, o.MemoryBytes, o.Views = "game", destination.SoftDeletes, 128<<20, true
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Prepare(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	return d
}

// publishBoard publishes the members of a board, as changes.
func publishBoard(t *testing.T, d *Destination, n int, board string, members ...any) {
	t.Helper()
	tx, err := d.Begin(t.Context(), "game")
	if err != nil {
		t.Fatal(err)
	}
	b := row.NewBatch(boards)
	defer b.Release()
	b.After = position(1, n)
	b.AppendText(0, board)
	b.EndRow(row.Delete)
	for i := 0; i < len(members); i += 2 {
		b.AppendText(0, board)
		b.AppendText(1, members[i].(string))
		b.AppendFloat(2, members[i+1].(float64))
		b.EndRow(row.Upsert)
	}
	if err := tx.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.PublishChanges(t.Context(), b.After); err != nil {
		t.Fatal(err)
	}
}

// lines returns the texts that a query selects.
func (d *Destination) lines(t *testing.T, q string) []string {
	t.Helper()
	var lines []string
	err := d.conn.query(t.Context(), q, func(c *chunk) error {
		for i := range c.rows {
			lines = append(lines, c.text(0, i))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return lines
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestViews: members of equal score rank by their bytes, of which "base64:/w==" are ff.
func TestViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	d := openBoards(t, Options{Path: path}, boards)
	publishBoard(t, d, 1, "a", "low", 1.0, "b", 2.0, "bb", 2.0, "base64:/w==", 2.0, "high", 3.0)
	publishBoard(t, d, 2, "b", "only", 1.0)
	publishBoard(t, d, 3, "a", "low", 9.0, "b", 2.0, "bb", 2.0, "base64:/w==", 2.0)
	const ranked = "SELECT concat_ws(' ', key, rank, member, score) FROM %.boards_ranked ORDER BY key, rank"
	want := []string{"a 1 low 9.0", "a 2 base64:/w== 2.0", "a 3 bb 2.0", "a 4 b 2.0", "b 1 only 1.0"}
	wantLines(t, d.lines(t, strings.ReplaceAll(ranked, "%", "game")), want...)
	wantLines(t, d.lines(t, `SELECT concat_ws(',', member, score, is_current, valid_to IS NULL, _keylift_deleted) FROM game.boards_history
		WHERE member IN ('low', 'high', 'b') ORDER BY member, valid_from`),
		"b,2.0,true,true,false", "high,3.0,false,false,true", "low,1.0,false,false,false", "low,9.0,true,true,false")
	// At any moment a member has one version.
	wantLines(t, d.lines(t, `SELECT count(*)::VARCHAR FROM game.boards_history a JOIN game.boards_history b USING (key, member)
		WHERE member = 'low' AND a.valid_to = b.valid_from`), "1")
	closePlayers(t, d)

	// The file may be called anything where the views are queried.
	c, err := connect(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	other := &Destination{conn: c}
	if err := other.execAll(t.Context(), "ATTACH '"+path+"' AS other (READ_ONLY)"); err != nil {
		t.Fatal(err)
	}
	wantLines(t, other.lines(t, strings.ReplaceAll(ranked, "%", "other.game")), want...)
}

// TestViews_columns: a view shows columns that came later.
func TestViews_columns(t *testing.T) {
	d := openBoards(t, Options{Path: filepath.Join(t.TempDir(), "warehouse.db")}, boards)
	defer closePlayers(t, d)
	wide := *boards
	wide.Columns = append(slices.Clone(boards.Columns), row.Column{Name: "guild", Type: row.String})
	tx, err := d.Begin(t.Context(), "game")
	if err != nil {
		t.Fatal(err)
	}
	b := row.NewBatch(&wide)
	b.After = position(1, 1)
	b.AppendText(0, "a")
	b.AppendText(1, "x")
	b.AppendFloat(2, 1)
	b.AppendText(3, "red")
	b.EndRow(row.Upsert)
	if err := tx.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.PublishChanges(t.Context(), b.After); err != nil {
		t.Fatal(err)
	}
	wantLines(t, d.lines(t, "SELECT concat_ws(' ', member, guild, rank) FROM game.boards_ranked"), "x red 1")
	wantLines(t, d.lines(t, "SELECT concat_ws(' ', member, guild, is_current) FROM game.boards_history"), "x red true")
}

// TestViews_taken: what keylift did not make stays.
func TestViews_taken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	d := openBoards(t, Options{Path: path})
	if err := d.execAll(t.Context(), "CREATE TABLE game.boards_ranked AS SELECT 1 AS mine", "CREATE VIEW game.boards_history AS SELECT 2 AS mine"); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	own := *boards
	own.Name, own.Columns = "own", append(slices.Clone(boards.Columns), row.Column{Name: "rank", Type: row.Int})
	d = openBoards(t, Options{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))}, boards, &own)
	defer closePlayers(t, d)
	wantLines(t, d.lines(t, "SELECT mine::VARCHAR FROM (FROM game.boards_ranked UNION ALL FROM game.boards_history) ORDER BY mine"), "1", "2")
	wantLines(t, d.lines(t, "SELECT view_name FROM duckdb_views() WHERE schema_name = 'game' ORDER BY 1"), "boards_history", "own_history")
	for _, name := range []string{"view=boards_ranked", "view=boards_history", "view=own_ranked"} {
		if strings.Count(log.String(), name) != 1 {
			t.Errorf("the log has no line of %s:\n%s", name, &log)
		}
	}
}
