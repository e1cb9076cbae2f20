package replication

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
)

// tableOf returns a table of commands whose first argument is their key, as a
// server before 7.0 lists them.
func tableOf(tb testing.TB, names ...string) *Commands {
	tb.Helper()
	var reply []any
	for _, name := range names {
		reply = append(reply, old(name, "write", 1, 1, 1))
	}
	return parsed(tb, reply)
}

func parsed(tb testing.TB, reply any) *Commands {
	tb.Helper()
	c, err := ParseCommands(reply)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// old is an entry as servers before 7.0 have it.
func old(name, flags string, first, last, step int) []any {
	return []any{name, int64(-2), list(flags), int64(first), int64(last), int64(step), []any{"@x"}}
}

// recent is an entry as servers from 7.0 on have it, in RESP2.
func recent(name, flags string, specs ...any) []any {
	return append(old(name, flags, 1, 1, 1), []any{}, specs, []any{})
}

func spec2(flags, begin string, from []any, find string, how []any) any {
	return []any{
		"flags", list(flags),
		"begin_search",
		[]any{"type", begin, "spec", from},
		"find_keys",
		[]any{"type", find, "spec", how},
	}
}

func list(s string) []any {
	var items []any
	for field := range strings.FieldsSeq(s) {
		items = append(items, field)
	}
	return items
}

// changesOf runs lines in database 0 through a Parser and a Window.
func changesOf(t *testing.T, commands *Commands, lines string) *Changes {
	t.Helper()
	var stream []byte
	for line := range strings.SplitSeq(lines, ";") {
		stream = append(stream, encode(words(line)...)...)
	}
	p, w := NewParser(bytes.NewReader(stream), Position{}, 0), NewWindow(commands, Position{}, 1<<20, nil)
	for {
		c, err := p.Next()
		if errors.Is(err, io.EOF) {
			return w.Drain()
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Add(c)
	}
}

func TestParseCommands_bothProtocols(t *testing.T) {
	c := dial(t, testserver.Redis(t, testserver.Options{}))
	flat := parsed(t, c.do("COMMAND"))
	c.do("HELLO", "3")
	if deep := parsed(t, c.do("COMMAND")); !reflect.DeepEqual(flat, deep) {
		t.Error("the tables by RESP2 and RESP3 differ")
	}
	if n := len(flat.byName); n < 200 {
		t.Errorf("%d commands", n)
	}
}

func TestParseCommands_refused(t *testing.T) {
	for _, reply := range []any{
		nil, "OK", []any{}, []any{"get"}, []any{[]any{"get", int64(2)}}, []any{[]any{int64(1), int64(2), nil, nil, nil, nil}},
	} {
		if _, err := ParseCommands(reply); err == nil {
			t.Errorf("%v is taken for a reply to COMMAND", reply)
		}
	}
}

// TestWindow_olderServers takes tables in the form of servers before 7.0.
func TestWindow_olderServers(t *testing.T) {
	table := parsed(t, []any{
		old("multi", "noscript", 0, 0, 0), old("exec", "noscript", 0, 0, 0), old("ping", "fast", 0, 0, 0),
		old("set", "write", 1, 1, 1), old("del", "write", 1, -1, 1), old("mset", "write", 1, -1, 2),
		old("bitop", "write", 2, -1, 1), old("xgroup", "write", 2, 2, 1), old("pfcount", "readonly", 1, -1, 1),
		old("zunionstore", "write movablekeys", 0, 0, 0), old("zinterstore", "write movablekeys", 1, 1, 1),
		old("sort", "write movablekeys", 1, 1, 1), old("georadius", "write movablekeys", 1, 1, 1),
		old("eval", "noscript movablekeys", 0, 0, 0), old("evalsha", "noscript movablekeys", 0, 0, 0),
		old("migrate", "write movablekeys", 0, 0, 0), old("blpop", "write", 1, -2, 1), old("script", "noscript", 0, 0, 0),
		old("module.write", "write module", 0, 0, 0), old("TS.MADD", "write", 1, -1, 3),
	})
	tests := map[string]string{
		"SET a 1 EX 100":                "a",
		"SET a 1 PX 100":                "a",
		"SET a 1":                       "a=1",
		"MSET a 1 b 2":                  "a=1 b=2",
		"BITOP AND a b c":               "a b c",
		"XGROUP CREATE a g $":           "a",
		"PFCOUNT a":                     "a",
		"BLPOP a b 0":                   "a b",
		"ZUNIONSTORE a 2 b c":           "a",
		"ZINTERSTORE a 2 b c":           "a",
		"SORT a BY x GET store STORE b": "b",
		"GEORADIUS a 1 2 3 km STORE b STOREDIST c": "b c",
		"EVAL x 2 a b c":                     "a b",
		"EVALSHA x 1 a":                      "a",
		"TS.MADD a 1 2 b 3 4":                "a b",
		"SCRIPT LOAD x; PING":                "=",
		"MULTI; DEL a; SET a 1; DEL b; EXEC": "a=1 -b",
		"SET a 1; DEL a":                     "-a",
		"EVAL x 0 a":                         `lost: the server ran "EVAL": it declares no keys`,
		"EVAL x 3 a":                         `lost: the server ran "EVAL": it has too few arguments`,
		"SORT a":                             `lost: the server ran "SORT": it stores nothing`,
		"GEORADIUS a 1 2 3 km":               `lost: the server ran "GEORADIUS": it stores nothing`,
		"MIGRATE h 1 a 0 1":                  `lost: the server ran "MIGRATE": the server does not tell its keys`,
		"MODULE.WRITE a":                     `lost: the server ran "MODULE.WRITE": it names no keys`,
		"RENAMED a":                          `lost: the server ran "RENAMED": it is not in the server's command table`,
		"SET a 1; RENAMED a; SET b 1":        `lost: the server ran "RENAMED": it is not in the server's command table`,
		"BITOP AND":                          `lost: the server ran "BITOP": it names no keys`,
		"XGROUP CREATE":                      `lost: the server ran "XGROUP": its keys are not where the server's command table has them`,
		"SET":                                `lost: the server ran "SET": it has too few arguments`,
		"DEL " + strings.Repeat("k", 9000) + " b c": `lost: the server ran "DEL": it has more or longer keys than are held`,
		strings.Repeat("long", 20):                  `lost: the server ran "longlonglonglonglonglonglonglonglonglong": it is not in the server's command table`,
	}
	for lines, want := range tests {
		if got := describe(changesOf(t, table, lines), 0); got != want {
			t.Errorf("%.60s: %q, want %q", lines, got, want)
		}
	}
}

// TestWindow_specifications has key specifications that no command of 7.0 uses
// for keys that it writes.
func TestWindow_specifications(t *testing.T) {
	index := func(i int) []any { return []any{"index", int64(i)} }
	keyword := func(word string, from int) []any { return []any{"keyword", word, "startfrom", int64(from)} }
	ranged := func(last, step, limit int) []any {
		return []any{"lastkey", int64(last), "keystep", int64(step), "limit", int64(limit)}
	}
	counted := func(num, first, step int) []any {
		return []any{"keynumidx", int64(num), "firstkey", int64(first), "keystep", int64(step)}
	}
	container := recent("box", "write")
	container[9] = []any{recent("box|put", "write", spec2("RW", "index", index(2), "range", ranged(0, 1, 0)))}
	table := parsed(t, []any{
		nil, container,
		recent("half", "write", spec2("RW", "keyword", keyword("STREAMS", 1), "range", ranged(-1, 1, 2))),
		recent("last", "write", spec2("RW", "keyword", keyword("KEYS", -2), "range", ranged(-1, 1, 0))),
		recent("pairs", "write", spec2("OW", "index", index(1), "keynum", counted(0, 1, 2))),
		recent("reads", "write", spec2("RO", "index", index(1), "range", ranged(1, 1, 0))),
		recent("both", "write", spec2("RO", "index", index(1), "range", ranged(0, 1, 0)), spec2("RM delete", "index", index(2), "range", ranged(0, 1, 0))),
		recent("optional", "write", spec2("OW", "unknown", nil, "unknown", nil), spec2("RW", "index", index(1), "range", ranged(0, 1, 0))),
		recent("harmless", "write", spec2("RO", "unknown", nil, "unknown", nil), spec2("RW", "index", index(1), "range", ranged(0, 1, 0))),
		recent("partly", "write", spec2("RW incomplete", "index", index(1), "range", ranged(0, 1, 0))),
		recent("own", "write module movablekeys", spec2("RW", "index", index(1), "range", ranged(0, 1, 0))),
		recent("module", "write module", spec2("RW", "index", index(1), "range", ranged(-1, 1, 0))),
		recent("_FT.DROPINDEX", "write module", spec2("RW", "index", index(1), "range", ranged(0, 1, 0))),
		recent("FT.CREATE", "write module", spec2("RW", "index", index(1), "range", ranged(0, 1, 0))),
	})
	tests := map[string]string{
		"box PUT a":                  "a",
		"half x streams a b 1 2":     "a b",
		"last x keys y keys a b":     "a b",
		"last x keys a":              "a",
		"pairs 2 a 1 b 2":            "a b",
		"reads a b c":                "a b",
		"both a b":                   "b",
		"harmless a":                 "a",
		"module a b":                 "a b",
		"FT.CREATE a":                "=",
		"box":                        `lost: the server ran "box": it is not in the server's command table`,
		"box other a":                `lost: the server ran "box": it is not in the server's command table`,
		"half x":                     `lost: the server ran "half": it names no keys`,
		"pairs 3 a 1 b 2":            `lost: the server ran "pairs": its keys are not where the server's command table has them`,
		"pairs 999999999999999999 a": `lost: the server ran "pairs": its keys are not where the server's command table has them`,
		"pairs -1 a":                 `lost: the server ran "pairs": its keys are not where the server's command table has them`,
		"pairs 0":                    `lost: the server ran "pairs": it names no keys`,
		"optional a":                 `lost: the server ran "optional": the server does not tell its keys`,
		"partly a":                   `lost: the server ran "partly": the server does not tell its keys`,
		"own a":                      `lost: the server ran "own": the server does not tell its keys`,
		"_FT.DROPINDEX a":            `lost: the server ran "_FT.DROPINDEX": it does not name the keys that it changes`,
	}
	for lines, want := range tests {
		if got := describe(changesOf(t, table, lines), 0); got != want {
			t.Errorf("%s: %q, want %q", lines, got, want)
		}
	}
}
