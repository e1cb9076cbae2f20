package duckdb

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/destination"
)

// TestDestination_each reads rows of which many are equal, some have NULL, and long
// texts lie beside short ones.
func TestDestination_each(t *testing.T) {
	d, err := Open(t.Context(), Options{
		Path: filepath.Join(t.TempDir(), "warehouse.db"), Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 128 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	// More rows than a row group has, and a chunk at the end that is not full.
	err = d.conn.exec(t.Context(), "CREATE TABLE scores AS SELECT 'board of the season' AS board, 7 AS one,"+
		" CASE WHEN i % 10 = 3 THEN NULL ELSE i END AS score, CASE WHEN i % 2 = 0 THEN 'p' ELSE 'player with a long name' END AS player, i % 5 = 0 AS gone"+
		" FROM range(50001) r(i)")
	if err != nil {
		t.Fatal(err)
	}
	var rows, boards, ones, nulls, sum, long int64
	n, err := d.each(t.Context(), "scores", "board, one, score, player", "NOT gone", func(c *chunk) {
		for i := range c.rows {
			rows++
			if string(c.columns[0].text(i)) == "board of the season" {
				boards++
			}
			ones += int64(values[int32](&c.columns[1], c.rows)[i])
			if c.columns[2].isNull(i) {
				nulls++
			} else {
				sum += values[int64](&c.columns[2], c.rows)[i]
			}
			if string(c.columns[3].text(i)) == "player with a long name" {
				long++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != 40000 || rows != 40000 || boards != 40000 || ones != 280000 || nulls != 5000 || sum != 875010000 || long != 20000 {
		t.Errorf("%d rows are told, %d handed over: %d boards, %d ones, %d NULLs, %d in all, %d long names", n, rows, boards, ones, nulls, sum, long)
	}

	if n, err := d.each(t.Context(), "scores", "one", "one = 8", func(*chunk) { t.Error("rows that do not meet the condition are handed over") }); n != 0 || err != nil {
		t.Errorf("of no rows: %d, %v", n, err)
	}
	if _, err := d.each(t.Context(), "scores", "two", "true", func(*chunk) {}); err == nil || !strings.Contains(err.Error(), "two") {
		t.Errorf("a column that is not there: %v", err)
	}
}
