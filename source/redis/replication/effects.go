package replication

import (
	"fmt"
	"strconv"
)

// An Outcome is what a command alone says of a key after it.
type Outcome uint8

// Reread: the key may have changed. Gone: it does not exist. Text: it is a string
// whose value and expiry are known.
const (
	Reread Outcome = iota
	Gone
	Text
)

// A Change is what became of one key.
type Change struct {
	Key     string
	Outcome Outcome
	// Value is the whole string when the Outcome is Text.
	Value []byte
	// ExpiresAt is the expiry in milliseconds since 1970 when the Outcome is Text;
	// 0 for none. It may be past: a delete follows in the stream.
	ExpiresAt int64
}

// A rule is how the effect of a command is found.
type rule uint8

const (
	bySpecs    rule = iota // the keys of its specifications are to be reread
	harmless               // it changes no key
	removes                // the keys of its specifications are gone
	sets                   // SET: the value may be known
	setsMany               // MSET: the values are known
	renames                // the first key is gone, the second changed
	moves                  // MOVE
	copies                 // COPY
	sorts                  // SORT: the destination is after STORE
	searches               // GEORADIUS: the destination is after STORE or STOREDIST
	storesAt1              // the first argument is the destination
	scripts                // EVAL, FCALL: the keys are counted
	flushes                // FLUSHDB
	flushesAll             // FLUSHALL
	swaps                  // SWAPDB
	unbounded              // it may change keys that it does not name
)

// rules are for commands whose key specifications say less than is known of them,
// in some version of the server at least. Key specifications are known from 7.0 on.
var rules = map[string]rule{
	"ping": harmless, "select": harmless, "multi": harmless, "exec": harmless, "replconf": harmless,
	"publish": harmless, "spublish": harmless, "script": harmless, "function": harmless,

	"del": removes, "unlink": removes, "getdel": removes,
	"set": sets, "mset": setsMany,
	"rename": renames, "renamenx": renames, "move": moves, "copy": copies,
	"sort": sorts, "georadius": searches, "georadiusbymember": searches,
	"zunionstore": storesAt1, "zinterstore": storesAt1, "zdiffstore": storesAt1,
	"eval": scripts, "evalsha": scripts, "fcall": scripts,
	"flushdb": flushes, "flushall": flushesAll, "swapdb": swaps,

	// RediSearch: an index may be dropped with the keys in it, and of documents the
	// index is declared to be the key.
	"ft.drop": unbounded, "ft.dropindex": unbounded, "ft._dropifx": unbounded, "ft._dropindexifx": unbounded,
	"ft.add": unbounded, "ft.safeadd": unbounded, "ft.del": unbounded,
	"ft.create": harmless, "ft._createifnx": harmless, "ft.alter": harmless, "ft._alterifnx": harmless,
	"ft.aliasadd": harmless, "ft._aliasaddifnx": harmless, "ft.aliasdel": harmless, "ft._aliasdelifx": harmless,
	"ft.aliasupdate": harmless, "ft.dictadd": harmless, "ft.dictdel": harmless, "ft.synupdate": harmless,
	"ft.synadd": harmless, "ft.synforceupdate": harmless,
}

// A touch is a Change in a database, whose bytes are the command's.
type touch struct {
	database  int
	key       []byte
	outcome   Outcome
	value     []byte
	expiresAt int64
}

// An effect is what one command does to the keys. It is reused from command to
// command.
type effect struct {
	touches    []touch
	flushedAll bool
	flushed    bool   // the command's database
	swapped    [2]int // two databases, unless they are equal
	lost       string // why anything may have changed, or ""

	indices []int
}

// maxText is the length in bytes of the longest value that is taken from a command
// rather than reread.
const maxText = 64 << 10

// of makes e the effect of c.
func (e *effect) of(c *Command, commands *Commands) {
	*e = effect{touches: e.touches[:0], indices: e.indices[:0]}
	t := commands.find(c.Args)
	if t == nil {
		e.lose(c, "it is not in the server's command table")
		return
	}
	switch t.rule {
	case harmless:
	case unbounded:
		e.lose(c, "it does not name the keys that it changes")
	case flushes:
		e.flushed = true
	case flushesAll:
		e.flushedAll = true
	case swaps:
		e.swap(c)
	case removes:
		e.specified(c, t, Gone)
	case sets:
		e.set(c)
	case setsMany:
		e.setMany(c)
	case renames:
		e.rename(c)
	case moves:
		e.touchAt(c, 1, c.Database, Gone)
		e.touchIn(c, 2, 1)
	case copies:
		e.copy(c)
	case sorts:
		e.sort(c)
	case searches:
		e.search(c)
	case storesAt1:
		e.touchAt(c, 1, c.Database, Reread)
	case scripts:
		e.script(c)
	case bySpecs:
		e.specified(c, t, Reread)
	}
}

// lose says that anything may have changed, and why.
func (e *effect) lose(c *Command, why string) {
	e.touches, e.lost = e.touches[:0], fmt.Sprintf("the server ran %.40q: %s", c.Args[0], why)
}

// specified touches the keys that t specifies: those that are written, or all if
// none is said to be (XREADGROUP is listed as reading its keys).
func (e *effect) specified(c *Command, t *entry, o Outcome) {
	if t.unclear {
		e.lose(c, "the server does not tell its keys")
		return
	}
	for _, reads := range [...]bool{false, true} {
		for i := range t.specs {
			s := &t.specs[i]
			if s.reads != reads {
				continue
			}
			var fits bool
			if e.indices, fits = s.keys(c, e.indices); !fits {
				e.lose(c, "its keys are not where the server's command table has them")
				return
			}
		}
		if len(e.indices) > 0 {
			break
		}
	}
	if len(e.indices) == 0 {
		e.lose(c, "it names no keys")
		return
	}
	for _, i := range e.indices {
		e.touchAt(c, i, c.Database, o)
	}
}

// touchAt touches the key that is the argument i.
func (e *effect) touchAt(c *Command, i, database int, o Outcome) {
	switch {
	case e.lost != "":
	case i >= len(c.Args)+c.Cut:
		e.lose(c, "it has too few arguments")
	case i >= len(c.Args) || c.Args[i] == nil:
		e.lose(c, "it has more or longer keys than are held")
	default:
		e.touches = append(e.touches, touch{database: database, key: c.Args[i], outcome: o})
	}
}

// touchIn touches the key that is the argument i in the database that is the
// argument at.
func (e *effect) touchIn(c *Command, at, i int) {
	n, ok := argNumber(c.Args, at)
	if !ok || n < 0 {
		e.lose(c, "its database is not a number")
		return
	}
	e.touchAt(c, i, int(n), Reread)
}

// argNumber reads the argument i.
func argNumber(args [][]byte, i int) (int64, bool) {
	if i < 0 || i >= len(args) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(args[i]), 10, 64)
	return n, err == nil
}

// set takes the value of SET key value and SET key value PXAT time: whatever else
// SET may be told depends on the key.
func (e *effect) set(c *Command) {
	if e.touchAt(c, 1, c.Database, Reread); e.lost != "" || len(c.Args) < 3 || c.Cut > 0 {
		return
	}
	t := &e.touches[0]
	switch {
	case len(c.Args) == 3:
	case len(c.Args) == 5 && isWord(c.Args[3], "pxat"):
		at, ok := argNumber(c.Args, 4)
		if !ok || at <= 0 {
			return
		}
		t.expiresAt = at
	default:
		return
	}
	t.know(c.Args[2])
}

// know makes the outcome a string, unless it is too long.
func (t *touch) know(value []byte) {
	if value != nil && len(value) <= maxText {
		t.outcome, t.value = Text, value
	}
}

func (e *effect) setMany(c *Command) {
	for i := 1; i < len(c.Args)+c.Cut && e.lost == ""; i += 2 {
		e.touchAt(c, i, c.Database, Reread)
		if e.lost == "" && i+1 < len(c.Args) {
			e.touches[len(e.touches)-1].know(c.Args[i+1])
		}
	}
}

func (e *effect) rename(c *Command) {
	e.touchAt(c, 1, c.Database, Gone)
	e.touchAt(c, 2, c.Database, Reread) // last, for the two may be one
}

// copy touches the destination of COPY source destination [DB n] [REPLACE].
func (e *effect) copy(c *Command) {
	for i := 3; i < len(c.Args); i++ {
		if isWord(c.Args[i], "db") {
			e.touchIn(c, i+1, 2)
			return
		}
	}
	e.touchAt(c, 2, c.Database, Reread)
}

// sort touches what is after STORE. A pattern may be the word itself.
func (e *effect) sort(c *Command) {
	found := false
	for i := 2; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case isWord(arg, "limit"):
			i += 2
		case isWord(arg, "by"), isWord(arg, "get"):
			i++
		case isWord(arg, "store"):
			i++
			e.touchAt(c, i, c.Database, Reread)
			found = true
		}
	}
	if !found {
		e.lose(c, "it stores nothing")
	}
}

// search touches what is after STORE and STOREDIST.
func (e *effect) search(c *Command) {
	found := false
	for i := 5; i < len(c.Args); i++ {
		if isWord(c.Args[i], "store") || isWord(c.Args[i], "storedist") {
			i++
			e.touchAt(c, i, c.Database, Reread)
			found = true
		}
	}
	if !found {
		e.lose(c, "it stores nothing")
	}
}

// script touches the keys that a script declares. Servers from 5.0 on send what a
// script did instead, unless lua-replicate-commands is off.
func (e *effect) script(c *Command) {
	n, ok := argNumber(c.Args, 2)
	if !ok || n < 1 {
		e.lose(c, "it declares no keys")
		return
	}
	for i := 3; i < 3+int(n) && e.lost == ""; i++ {
		e.touchAt(c, i, c.Database, Reread)
	}
}

func (e *effect) swap(c *Command) {
	a, ok := argNumber(c.Args, 1)
	b, okToo := argNumber(c.Args, 2)
	if !ok || !okToo || a < 0 || b < 0 {
		e.lose(c, "its databases are not numbers")
		return
	}
	e.swapped = [2]int{int(a), int(b)}
}
