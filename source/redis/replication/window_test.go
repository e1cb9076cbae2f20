package replication

import (
	"fmt"
	"strings"
	"testing"
)

// add adds a command that is a line.
func add(w *Window, database int, transaction Transaction, line string) {
	c := &Command{Database: database, Transaction: transaction, Start: w.position.Offset, End: w.position.Offset + 10}
	for _, word := range words(line) {
		c.Args = append(c.Args, append([]byte{}, word...))
	}
	w.Add(c)
}

func windowOf(t *testing.T, limit int, keep func(int, []byte) bool) *Window {
	t.Helper()
	return NewWindow(tableOf(t, "set", "del", "incr", "flushdb", "flushall", "swapdb", "multi", "exec", "other", "move"),
		Position{Offset: 100, Database: 1}, limit, keep)
}

func TestWindow_Drain(t *testing.T) {
	tests := map[string]string{
		"incr a; incr b; incr a":                    "a b",
		"set a 1; del a; incr b; incr a":            "a b",
		"incr a; del a":                             "-a",
		"del a; set a 12; set a 1":                  "a=1",
		"set a 1; incr a":                           "a",
		"incr a; flushdb; del b":                    "flush -b",
		"incr a; flushdb; incr a; flushdb":          "flush",
		"incr a; swapdb 1 1":                        "a",
		"incr a; swapdb 0 1; incr b":                "0:swap swap b",
		"incr a; swapdb 0 2; incr b":                "0:swap a b 2:swap",
		"swapdb 0 1; flushdb; incr a":               "0:swap flush a",
		"flushdb; swapdb 0 1":                       "0:swap swap",
		"incr a; swapdb 0 2; flushall; incr b":      "flushall b",
		"flushall; flushdb; swapdb 0 2":             "flushall 0:swap flush 2:swap",
		"incr a; unknown; incr b; flushdb":          `lost: the server ran "unknown": it is not in the server's command table`,
		"flushall; unknown; unheard":                `lost: the server ran "unknown": it is not in the server's command table`,
		"unknown; flushall; incr b":                 "flushall b",
		"swapdb 0 x":                                `lost: the server ran "swapdb": its databases are not numbers`,
		"move a x":                                  `lost: the server ran "move": its database is not a number`,
		"set a " + strings.Repeat("x", maxText+1):   "a",
		"set a ''; set b 1 pxat 0; set c 1 pxat -5": "a= b c",
		"set c 1 pxat 7":                            "c=1@0",
	}
	for lines, want := range tests {
		w := windowOf(t, 1<<20, nil)
		n := 0
		for line := range strings.SplitSeq(lines, ";") {
			add(w, 1, Outside, line)
			n++
		}
		position := Position{Offset: 100 + int64(n)*10, Database: 1}
		if w.Position() != position || !w.Whole() {
			t.Errorf("%.60s: position %+v, whole %t", lines, w.Position(), w.Whole())
		}
		changes := w.Drain()
		if got := describe(changes, 1); got != want || changes.After != position || changes.Commands != n {
			t.Errorf("%.60s: %q after %d commands at %+v, want %q", lines, got, changes.Commands, changes.After, want)
		}
		if again := w.Drain(); w.bytes != 0 || describe(again, 1) != "=" || again.Commands != 0 || again.After != position {
			t.Errorf("%.60s: the drained window has %d bytes: %+v", lines, w.bytes, again)
		}
	}
}

// TestWindow_Drain_owned checks that what was drained stays as it was.
func TestWindow_Drain_owned(t *testing.T) {
	w := windowOf(t, 1<<20, nil)
	add(w, 1, Outside, "set a first")
	first := w.Drain()
	add(w, 1, Outside, "set a other")
	add(w, 1, Outside, "set b other")
	if got := describe(first, 1); got != "a=first" {
		t.Errorf("got %q", got)
	}
}

func TestWindow_transaction(t *testing.T) {
	w := windowOf(t, 1<<20, nil)
	add(w, 2, Outside, "incr a")
	add(w, 2, Begins, "multi")
	add(w, 3, Within, "incr b")
	if w.Whole() || w.Position() != (Position{110, 2}) {
		t.Errorf("within the transaction: whole %t, position %+v", w.Whole(), w.Position())
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a window was drained within a transaction")
			}
		}()
		w.Drain()
	}()
	// The link breaks, and a new one begins after the last whole command.
	add(w, 2, Begins, "multi")
	add(w, 3, Within, "incr b")
	add(w, 3, Ends, "exec")
	if changes := w.Drain(); changes.After != (Position{120, 3}) || describe(changes, 2) != "a 3:b" {
		t.Errorf("got %q at %+v", describe(changes, 2), changes.After)
	}
}

func TestWindow_Full(t *testing.T) {
	const limit = 10 * (changeOverhead + 4)
	fill := func(w *Window, from, to int, transaction Transaction) {
		for i := from; i < to; i++ {
			add(w, 1, transaction, fmt.Sprintf("incr %04d", i))
		}
	}
	w := windowOf(t, limit, nil)
	if fill(w, 0, 9, Outside); w.Full() {
		t.Error("full with 9 keys")
	}
	if fill(w, 0, 9, Outside); w.Full() {
		t.Error("full with 9 keys twice")
	}
	add(w, 1, Begins, "multi")
	if fill(w, 9, 19, Within); !w.Full() || w.lost != "" {
		t.Errorf("full %t with 19 keys, lost %q", w.Full(), w.lost)
	}
	add(w, 1, Ends, "exec")
	if n := len(w.Drain().Databases[0].Keys); n != 19 || w.Full() {
		t.Errorf("%d keys, want 19; full %t", n, w.Full())
	}

	add(w, 1, Begins, "multi")
	fill(w, 0, 11, Within)
	add(w, 1, Ends, "exec")
	if got := w.Drain().Lost; got != "a transaction changed more keys than fit into 1640 bytes" {
		t.Errorf("lost %q", got)
	}

	add(w, 1, Outside, "set a "+strings.Repeat("x", limit))
	if !w.Full() {
		t.Error("not full with a long value")
	}
	if add(w, 1, Outside, "set a x"); w.Full() {
		t.Error("full with a short value instead")
	}
	if add(w, 1, Outside, "flushdb"); w.bytes != 0 {
		t.Errorf("%d bytes in a flushed window", w.bytes)
	}
}

func TestWindow_keep(t *testing.T) {
	w := windowOf(t, 1<<20, func(database int, key []byte) bool {
		return database == 1 && strings.HasPrefix(string(key), "player:")
	})
	add(w, 1, Outside, "set other 1")
	add(w, 2, Outside, "del player:1")
	if changes := w.Drain(); describe(changes, 1) != "=" || changes.After != (Position{120, 2}) {
		t.Errorf("got %q at %+v", describe(changes, 1), changes.After)
	}
	add(w, 1, Outside, "del player:1")
	if got := describe(w.Drain(), 1); got != "-player:1" {
		t.Errorf("got %q", got)
	}
}
