package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/torture"
)

// TestTorture_judge tampers with a warehouse: those who judge the torture see it.
func TestTorture_judge(t *testing.T) {
	server := newStandalone(t)
	plan := &torture.Plan{
		Database: "0",
		Tables: []torture.Table{
			{Name: "boards", Keys: "board:{n}", Layout: "elements", Type: "zset", History: true},
			{Name: "players", Keys: "player:{n}", Layout: "columns", Columns: []torture.Column{{Field: "level", Type: "int"}}},
		},
	}
	for _, command := range [][]string{
		{"SET", "plain", "text"}, {"RPUSH", "log:1", "a", "b"}, {"ZADD", "board:1", "1.5", "ann", "2", "bob"}, {"HSET", "player:1", "level", "many", "name", "ann"}, {"HSET", "player:2", "level", "7"},
	} {
		if refused := server.write(t.Context(), torture.Write{Commands: [][]string{command}}); refused != nil {
			t.Fatal(refused)
		}
	}
	truth := server.ask(t, []int{0})
	for _, tt := range []struct{ tamper, want string }{
		{"SELECT 1", ""},
		{"DELETE FROM redis_data WHERE key = 'plain'", `["plain" "text" "string" "NULL" "4"] is missing`},
		{"UPDATE redis_data SET value = 'other' WHERE key = 'plain'", `"other"`},
		{"UPDATE redis_data SET _keylift_deleted = true WHERE key = 'plain'", "is missing"},
		{"UPDATE redis_data SET expires_at = now() WHERE key = 'plain'", "differs, the server says"},
		{"UPDATE redis_data SET size = 3 WHERE key = 'log:1'", `["log:1" "[\"a\",\"b\"]" "list" "NULL" "3"] differs`},
		{"INSERT INTO redis_data SELECT * FROM redis_data WHERE key = 'plain'", `["plain"] has two rows`},
		{"INSERT INTO redis_data SELECT * REPLACE ('board:1' AS key) FROM redis_data WHERE key = 'plain'", "is not on the server"},
		{"UPDATE boards SET score = 3 WHERE member = 'ann'", `["board:1" "ann" "3" "1"] differs, the server says ["board:1" "ann" "1.5" "1"]`},
		{"UPDATE boards SET _keylift_active = false WHERE member = 'ann'", "a version is present and over, or neither: of ('board:1', ann)"},
		{"INSERT INTO boards SELECT * FROM boards WHERE member = 'ann'", "several versions are present"},
		{"INSERT INTO boards SELECT * REPLACE (false AS _keylift_active, _keylift_start - INTERVAL 1 HOUR AS _keylift_start, _keylift_start + INTERVAL 1 HOUR AS _keylift_end) FROM boards WHERE member = 'ann'", "versions overlap"},
		{"INSERT INTO boards SELECT * REPLACE (false AS _keylift_active, _keylift_start - INTERVAL 1 HOUR AS _keylift_start, _keylift_start - INTERVAL 1 MILLISECOND AS _keylift_end) FROM boards WHERE member = 'ann'", "a version says nothing new"},
		{"UPDATE players SET level = 8 WHERE key = 'player:2'", `["player:2" "8" "NULL" "2"] differs`},
		{"UPDATE players SET _extra = NULL WHERE key = 'player:1'", `"{\"level\":\"many\",\"name\":\"ann\"}"`},
	} {
		t.Run(tt.tamper, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "warehouse.db")
			args := append(append([]string{"sync", "--destination", file}, plan.Args()...), server.args()...)
			k := startHere(t.Context(), args)
			if <-k.ended; k.code != exitEqual {
				t.Fatalf("keylift sync: exit code %d\n%s", k.code, k.out)
			}
			db, err := sql.Open("duckdb", file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), tt.tamper); err != nil {
				t.Fatal(err)
			}
			err = torture.Compare(t.Context(), db, plan, truth)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the verdict is %v, want %q", err, tt.want)
			}
		})
	}
}
