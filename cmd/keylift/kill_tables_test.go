package main

import (
	"cmp"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/torture"
)

// killTables are the tables of the lane that is killed with several of them: some
// with versions, some with a row per element.
const killTables = `[
	{"name": "boards", "keys": "board:{n}", "layout": "elements", "type": "zset", "history": true},
	{"name": "logs", "keys": "log:{n}", "layout": "elements", "type": "list", "history": true},
	{"name": "seen", "keys": "seen:{n}", "layout": "elements", "type": "set"},
	{"name": "sessions", "keys": "session:{n}", "layout": "elements", "type": "hash"},
	{"name": "players", "keys": "player:{n:int}", "layout": "columns", "columns": [{"field": "field"}], "history": true},
	{"name": "streams", "keys": "{kind}:{n}", "layout": "elements", "type": "stream", "trim": "mirror"}]`

// compareTables compares the tables of killTables, and that of the other keys,
// with what the server says. Keys that may have expired since they were synced may
// have rows.
func (l *killLane) compareTables(facts map[place]fact, expiring map[place]bool) {
	l.t.Helper()
	rows := rowsOf(l.t, l.file, "_keylift_deleted")
	for p, h := range keysOfTables(l.t, l.file) {
		if other, twice := rows[p]; twice && !other.deleted {
			l.t.Errorf("%+v has rows in two tables", p)
		}
		if f, there := facts[p]; there {
			h.expires = f.expires
		} else if expiring[p] {
			h.expires = 0
		}
		rows[p] = h
	}
	compareFacts(l.t, rows, facts)
	l.checkVersions()
	// Of keys that have expired these tables do not tell that.
	if out, err := l.run("verify"); err != nil && (!strings.Contains(out, "only in the destination") || strings.Contains(out, "differ,") || strings.Contains(out, "missing")) {
		l.t.Errorf("keylift verify: %v\n%s", err, out)
	}
}

// keysOfTables puts the rows of killTables together again, key by key.
func keysOfTables(t *testing.T, file string) map[place]heldFact {
	t.Helper()
	db, err := sql.Open("duckdb", file+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	type element struct {
		name, text string
		number     float64
	}
	elements := map[place][]element{}
	kinds := map[place]string{}
	for kind, query := range map[string]string{
		"zset":   "SELECT database, key, member, '', score FROM boards WHERE _keylift_active",
		"list":   "SELECT database, key, value, '', position FROM logs WHERE _keylift_active",
		"set":    "SELECT database, key, member, '', 0 FROM seen WHERE NOT _keylift_deleted",
		"hash":   "SELECT database, key, field, value, 0 FROM sessions WHERE NOT _keylift_deleted",
		"stream": "SELECT database, key, id, fields, split_part(id, '-', 1)::DOUBLE FROM streams WHERE NOT _keylift_deleted",
		"fields": "SELECT database, key, coalesce(field, 'NULL'), coalesce(_extra, '{}'), CASE WHEN field IS NULL THEN 0 ELSE 1 END FROM players WHERE _keylift_active",
	} {
		found, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			var p place
			var e element
			if err := found.Scan(&p.database, &p.key, &e.name, &e.text, &e.number); err != nil {
				t.Fatal(err)
			}
			if other, ok := kinds[p]; ok && other != kind {
				t.Errorf("%+v has rows of %s and of %s", p, kind, other)
			}
			kinds[p] = kind
			elements[p] = append(elements[p], e)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
	}
	keys := map[place]heldFact{}
	for p, all := range elements {
		h := heldFact{fact: fact{kind: kinds[p], expires: -1}}
		if h.kind == "fields" {
			h.kind = "hash"
			var fields map[string]string
			if err := json.Unmarshal([]byte(all[0].text), &fields); err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			if all[0].number == 1 {
				fields["field"] = all[0].name
			}
			all = nil
			for name, text := range fields {
				all = append(all, element{name: name, text: text})
			}
		}
		slices.SortFunc(all, func(a, b element) int {
			return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(fromText(t, a.name), fromText(t, b.name)))
		})
		var parts []string
		for _, e := range all {
			name := torture.Quoted(fromText(t, e.name))
			switch h.kind {
			case "zset":
				parts = append(parts, "["+name+","+scoreText(e.number)+"]")
			case "hash":
				parts = append(parts, name+":"+torture.Quoted(fromText(t, e.text)))
			case "stream":
				parts = append(parts, "["+name+","+e.text+"]")
			default:
				parts = append(parts, name)
			}
		}
		h.size = int64(len(all))
		h.value = strings.Join(parts, ",")
		if h.kind == "hash" {
			h.value = "{" + h.value + "}"
		} else {
			h.value = "[" + h.value + "]"
		}
		keys[p] = h
	}
	return keys
}

// fromText undoes asText.
func fromText(t *testing.T, text string) string {
	encoded, ok := strings.CutPrefix(text, "base64:")
	if !ok {
		return text
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkVersions checks what must hold of versions whatever happened: one of a row is
// current at the most, they do not overlap, and none says what the one before it
// said without a gap between them.
func (l *killLane) checkVersions() {
	l.t.Helper()
	db, err := sql.Open("duckdb", l.file+"?access_mode=READ_ONLY")
	l.check(err)
	defer db.Close()
	for table, columns := range map[string][2]string{
		"boards":  {"database, key, member", "score"},
		"logs":    {"database, key, position", "value"},
		"players": {"database, key", "(field, _extra)"},
	} {
		var versions, current, open, overlapping, idle int64
		l.check(db.QueryRowContext(l.t.Context(), `WITH v AS (SELECT *, lead(_keylift_start) OVER w AS next, lead(`+columns[1]+`) OVER w AS then_, count(*) FILTER (_keylift_active) OVER (PARTITION BY `+columns[0]+`) AS active
			FROM `+table+` WINDOW w AS (PARTITION BY `+columns[0]+` ORDER BY _keylift_start))
			SELECT count(*), count(*) FILTER (active > 1), count(*) FILTER (_keylift_active <> (_keylift_end >= '9999-12-31')),
				count(*) FILTER (next <= _keylift_end), count(*) FILTER (epoch_ms(next) = epoch_ms(_keylift_end) + 1 AND then_ IS NOT DISTINCT FROM `+columns[1]+`) FROM v`).
			Scan(&versions, &current, &open, &overlapping, &idle))
		if versions == 0 || current+open+overlapping+idle > 0 {
			l.t.Errorf("table %s: of %d versions %d share being current, %d are current and over, %d overlap, %d say nothing new", table, versions, current, open, overlapping, idle)
		}
	}
}
