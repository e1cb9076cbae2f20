package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/internal/torture"
)

// hostile are names, and values, that mean something to what they pass through.
var hostile = []string{
	"'; DROP TABLE redis_data; --", `"; DROP TABLE "redis_data"; --`, `""`, "'", `\'`, "a;b", "/* */", "SELECT", "key",
	"../../etc/passwd", "/etc/passwd", "$(id)`id`", "${HOME}", "$$", "%s%d%n", "{{.}}", "{name}", `{"a":1}`, "[1]",
	"\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u009b31m", "\x7f\b", "\r\nover", "tab\tand\nline", "\u202egnp.exe", "\u2066", "\ufeff",
	"a\x00b", "\x00", "\xff\xfe", "caf\xc3", "base64:AAAA", "base64:not", "", " ", "<script>alert(1)</script>", "&lt;", "- yaml: [", "# no", "NULL", "*?[a-z]",
	"line1\n  - name: injected", "🙂", strings.Repeat("long ", 2000),
}

// A hostileLane syncs a server whose contents are hostile.
type hostileLane struct {
	t      *testing.T
	server *testserver.Server
	client rueidis.Client
	folder string
}

func (l *hostileLane) do(command ...string) {
	l.t.Helper()
	if err := l.client.Do(l.t.Context(), l.client.B().Arbitrary(command...).Build()).Error(); err != nil {
		l.t.Fatalf("%.100q: %v", command, err)
	}
}

// fill makes keys of every type, whose names, fields, members and values are hostile.
func (l *hostileLane) fill() {
	for i, name := range hostile {
		l.do("SET", name, name)
		l.do("SET", "value:"+name, hostile[len(hostile)-1-i])
		l.do("ZADD", "board:"+name, fmt.Sprint(i), name, "1", "x")
		l.do("RPUSH", "log:"+name, name, name)
		l.do("SADD", "seen:"+name, name, "x")
		l.do("HSET", "session:"+name, name, name)
		l.do("HSET", "player:7:"+name, name, name, "field", name)
		l.do("XADD", "events:"+name, "1-1", name, name)
		l.do("HSET", "wild:"+name, fmt.Sprint(name, " ", i), name)
	}
}

// keylift runs a command, which must exit with a code and print nothing that a
// terminal takes for an order.
func (l *hostileLane) keylift(code int, args ...string) string {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), "keylift", args...)
	cmd.Dir = l.folder
	out, err := cmd.CombinedOutput()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		l.t.Fatal(err)
	}
	if got != code {
		l.t.Errorf("keylift %s: exit code %d, want %d\n%.3000s", args[0], got, code, out)
	}
	harmless(l.t, args[0], out)
	return string(out)
}

// harmless checks that text is text which a terminal only prints.
func harmless(t *testing.T, what string, text []byte) {
	t.Helper()
	for at, left := 0, text; len(left) > 0; {
		r, n := utf8.DecodeRune(left)
		if r == utf8.RuneError && n == 1 || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Errorf("%s prints %q: …%q…", what, left[:n], text[max(0, at-40):min(len(text), at+40)])
			return
		}
		at, left = at+n, left[n:]
	}
}

// Whatever keys, fields, members and values hold is written as it is, does nothing, and
// is shown so that it does nothing.
func TestHostileKeyspace(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{ACL: []string{"default on nopass ~* &* +@all", "some on >pw ~value:* &* +@all"}})
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Address()}, ForceSingleClient: true, DisableCache: true, ConnWriteTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l := &hostileLane{t: t, server: s, client: client, folder: t.TempDir()}
	l.fill()
	url := []string{"--url", "redis://" + s.Address(), "--database", "0,3"}
	file := filepath.Join(l.folder, "warehouse.db")

	// In one table.
	l.keylift(0, append([]string{"sync", "--verbose"}, url...)...)
	facts := map[place]fact{}
	if err := ask(t.Context(), client, 0, facts); err != nil {
		t.Fatal(err)
	}
	if len(facts) != 9*len(hostile) {
		t.Errorf("there are %d keys", len(facts))
	}
	compareFacts(t, rowsOf(t, file, "_keylift_deleted"), facts)
	for _, args := range [][]string{{"verify"}, {"status"}, {"state", "show"}, {"check"}, {"preview", "--rows", "1000"}, {"discover"}} {
		l.keylift(0, append(args, url...)...)
	}
	out := l.keylift(4, append([]string{"sync", "--log-keys", "--username", "some", "--password", "pw"}, url...)...)
	if !strings.Contains(out, "set aside") {
		t.Error(out)
	}
	l.do("FLUSHDB")
	l.keylift(1, append([]string{"verify", "--limit", "1000"}, url...)...)
	l.fill()

	// In tables of every layout, with versions and views.
	tables := strings.TrimSuffix(killTables, "]") + `, {"name": "wild", "keys": "wild:{name:string:(?s:.*)}", "layout": "columns", "new_fields": "add", "history": true}]`
	url = append(url, "--tables", strings.ReplaceAll(tables, "player:{n:int}", "player:{n:int}:{name}"), "--destination", "tables.db")
	l.keylift(0, append([]string{"sync"}, url...)...)
	file = filepath.Join(l.folder, "tables.db")
	rows := rowsOf(t, file, "_keylift_deleted")
	for p, h := range keysOfTables(t, file) {
		h.expires = facts[p].expires
		rows[p] = h
	}
	for p := range facts {
		if strings.HasPrefix(fromText(t, p.key), "wild:") {
			delete(facts, p)
		}
	}
	compareFacts(t, rows, facts)
	l.keylift(0, append([]string{"verify"}, url...)...)
	l.keylift(0, append([]string{"preview", "--rows", "1000"}, url...)...)
	l.checkWild(file)

	// What discover writes is a configuration.
	l.keylift(0, "discover", "--url", "redis://"+s.Address(), "--write", "found.yaml")
	text, err := os.ReadFile(filepath.Join(l.folder, "found.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	harmless(t, "found.yaml", text)
	l.keylift(0, "preview", "--config", "found.yaml", "--url", "redis://"+s.Address())

	// Fields that cannot both be columns set their keys aside.
	l.do("HSET", "wild:both", "a;b", "1", "a'b", "2", "\x1b", "3", "?", "4")
	l.keylift(4, append([]string{"sync", "--log-keys"}, url...)...)
}

// checkWild checks that every field of a hash found its column, and that there are no
// other tables and columns than there should be.
func (l *hostileLane) checkWild(file string) {
	l.t.Helper()
	db, err := sql.Open("duckdb", file+"?access_mode=READ_ONLY")
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	all := func(query string) (texts []string) {
		l.t.Helper()
		found, err := db.QueryContext(l.t.Context(), query)
		if err != nil {
			l.t.Fatalf("%s: %v", query, err)
		}
		defer found.Close()
		for found.Next() {
			var text string
			if err := found.Scan(&text); err != nil {
				l.t.Fatal(err)
			}
			texts = append(texts, text)
		}
		if err := found.Err(); err != nil {
			l.t.Fatal(err)
		}
		return texts
	}
	want := []string{
		"boards", "boards_history", "boards_ranked", "logs", "logs_history", "players", "players_history", "redis_data",
		"seen", "sessions", "streams", "wild", "wild_history",
	}
	if got := all("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' AND table_name NOT LIKE '\\_keylift%' ESCAPE '\\' ORDER BY 1"); !slices.Equal(got, want) {
		l.t.Errorf("tables and views: %q", got)
	}
	columns := all("SELECT column_name FROM information_schema.columns WHERE table_schema = 'main' AND table_name = 'wild' AND column_name NOT IN ('database', 'key', 'name', '_extra') AND column_name NOT LIKE '\\_keylift%' ESCAPE '\\'")
	if len(columns) != len(hostile) {
		l.t.Errorf("%d fields have columns, want %d", len(columns), len(hostile))
	}
	var cells []string
	for _, c := range columns {
		harmless(l.t, "the name of a column", []byte(c))
		cells = append(cells, `SELECT key, "`+strings.ReplaceAll(c, `"`, `""`)+`" AS cell FROM wild_history WHERE is_current`)
	}
	for _, name := range hostile {
		key, cell := torture.Text("wild:"+name), torture.Text(name)
		var n int
		query := "SELECT count(*) FROM (" + strings.Join(cells, " UNION ALL ") + ") WHERE key = ? AND cell = ?"
		if err := db.QueryRowContext(l.t.Context(), query, key, cell).Scan(&n); err != nil || n != 1 {
			l.t.Errorf("%.100q: found in %d columns, %v", name, n, err)
		}
	}
}
