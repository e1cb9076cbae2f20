package main

import (
	"database/sql"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
)

// TestSync_clock: this machine's clock was a day ahead and has been set back. What is
// synced then still counts as later than what was synced before, and versions of a row
// follow upon each other.
func TestSync_clock(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{})
	client := tortureClients{}
	client.connect(t, server)
	file := filepath.Join(t.TempDir(), "warehouse.db")
	sync := func(want string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "keylift", "sync", "--url", "redis://"+server.Address(), "--destination", file,
			"--tables", `[{"name": "players", "keys": "player:{id}", "history": true}]`).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	ask := func(statements ...string) (answer int) {
		t.Helper()
		db, err := sql.Open("duckdb", file)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		last := len(statements) - 1
		for _, statement := range statements[:last] {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.QueryRowContext(t.Context(), statements[last]).Scan(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	const set = " + INTERVAL 1 DAY"
	client.must(t, server, "SET", "player:1", "a")
	client.must(t, server, "SET", "other", "a")
	sync("2 new")
	// As that clock would have had it.
	ask("UPDATE _keylift_sync SET started = started"+set, "UPDATE redis_data SET _keylift_synced = _keylift_synced"+set,
		"UPDATE players SET _keylift_synced = _keylift_synced"+set+", _keylift_start = _keylift_start"+set, "SELECT 0")

	for _, value := range []string{"b", "c"} {
		client.must(t, server, "SET", "player:1", value)
		client.must(t, server, "SET", "other", value)
		sync("2 changed")
	}
	client.must(t, server, "DEL", "player:1")
	sync("1 deleted")
	const ordered = `SELECT count(*) FROM (SELECT value, _keylift_start AS start, _keylift_end AS ends, lead(_keylift_start) OVER (ORDER BY _keylift_start) AS next,
		lead(value) OVER (ORDER BY _keylift_start) AS following FROM players) WHERE ends = next - INTERVAL 1 MILLISECOND AND start <= ends AND value < following`
	if n := ask(ordered); n != 2 {
		t.Errorf("%d versions of 3 end where the next begins", n)
	}
	if n := ask("SELECT count(*) FROM redis_data WHERE value = 'c' AND _keylift_synced > now() + INTERVAL 23 HOUR"); n != 1 {
		t.Error("what was synced last does not count as the latest")
	}
}
