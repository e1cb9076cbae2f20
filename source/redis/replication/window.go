package replication

import (
	"fmt"
	"maps"
	"slices"
)

// A Window gathers what a run of commands changed: each key once, with its last
// outcome. It serves one goroutine.
//
// What it tells is applied after the last of its commands; a key that is read then
// may be newer than the window, and is in a later window again.
type Window struct {
	commands *Commands
	keep     func(database int, key []byte) bool
	limit    int

	position   Position // after the last whole command
	open       bool     // a transaction has begun
	opened     int      // bytes when it began
	count      int
	bytes      int
	lost       string
	flushedAll bool
	databases  map[int]*databaseWindow
	effect     effect
}

// A databaseWindow is what changed in one database.
type databaseWindow struct {
	changes DatabaseChanges
	byKey   map[string]int // indices of changes.Keys
	bytes   int
}

// changeOverhead is about what a changed key takes in bytes beside its name.
const changeOverhead = 160

// NewWindow returns an empty Window that begins at a position and should be drained
// when it takes limit bytes; a transaction may take as much again. Keys for which keep returns false are left out; a nil keep keeps all.
func NewWindow(commands *Commands, from Position, limit int, keep func(database int, key []byte) bool) *Window {
	return &Window{
		commands: commands, position: from, limit: limit, keep: keep,
		databases: map[int]*databaseWindow{},
	}
}

// Whole reports whether the window may be drained: it ends outside of any
// transaction. A transaction arrives in one piece, so it is worth waiting for.
func (w *Window) Whole() bool { return !w.open }

// Full reports whether the window takes its limit: drain it when it is Whole.
func (w *Window) Full() bool { return w.bytes >= w.limit }

// Position returns where to read on once everything up to it is drained and
// durable: after the last command outside of a transaction, or the last EXEC. A
// new link that reads on from there may go on with the same Window, for commands
// that are added twice do no harm.
func (w *Window) Position() Position { return w.position }

// Add adds a command. A transaction that alone takes more than the limit makes the
// Window lose track, as Changes.Lost tells.
func (w *Window) Add(c *Command) {
	w.count++
	if c.Transaction == Begins {
		w.opened = w.bytes
	}
	w.open = !c.Whole()
	if !w.open {
		w.position = Position{Offset: c.End, Database: c.Database}
	}
	e := &w.effect
	e.of(c, w.commands)
	switch {
	case e.flushedAll:
		w.clear()
		w.lost, w.flushedAll = "", true
	case w.lost != "":
	case e.lost != "":
		w.lose(e.lost)
	case e.flushed:
		w.reset(c.Database).changes.Flushed = true
	case e.swapped[0] != e.swapped[1]:
		for _, database := range e.swapped {
			w.reset(database).changes.Swapped = true
		}
	default:
		for i := range e.touches {
			w.touch(&e.touches[i])
		}
		if w.open && w.bytes-w.opened > w.limit {
			w.lose(fmt.Sprintf("a transaction changed more keys than fit into %d bytes", w.limit))
		}
	}
}

func (w *Window) clear() {
	clear(w.databases)
	w.bytes = 0
}

func (w *Window) lose(why string) {
	w.clear()
	w.lost, w.flushedAll = why, false
}

// reset forgets the changes of a database.
func (w *Window) reset(database int) *databaseWindow {
	if d := w.databases[database]; d != nil {
		w.bytes -= d.bytes
	}
	d := &databaseWindow{changes: DatabaseChanges{Database: database}, byKey: map[string]int{}}
	w.databases[database] = d
	return d
}

func (w *Window) touch(t *touch) {
	if w.keep != nil && !w.keep(t.database, t.key) {
		return
	}
	d := w.databases[t.database]
	if d == nil {
		d = w.reset(t.database)
	}
	added := 0
	i, ok := d.byKey[string(t.key)]
	if !ok {
		key := string(t.key)
		i = len(d.changes.Keys)
		d.byKey[key] = i
		d.changes.Keys = append(d.changes.Keys, Change{Key: key})
		added = changeOverhead + len(key)
	}
	k := &d.changes.Keys[i]
	added -= len(k.Value)
	k.Outcome, k.ExpiresAt = t.outcome, t.expiresAt
	k.Value = append(k.Value[:0], t.value...)
	added += len(k.Value)
	d.bytes += added
	w.bytes += added
}

// Drain returns what changed and empties the window. The caller owns what it
// returns. Drain panics unless the window is Whole.
func (w *Window) Drain() *Changes {
	if w.open {
		panic("replication: a window is drained within a transaction")
	}
	c := &Changes{After: w.position, Commands: w.count, Lost: w.lost, Flushed: w.flushedAll}
	for _, database := range slices.Sorted(maps.Keys(w.databases)) {
		c.Databases = append(c.Databases, w.databases[database].changes)
	}
	w.clear()
	w.count, w.lost, w.flushedAll = 0, "", false
	return c
}

// Changes are what a Window gathered. First all that was flushed is empty, then
// the keys are as they say.
type Changes struct {
	// After is the position after the last command.
	After Position
	// Commands is the number of commands, also of those that change nothing.
	Commands int
	// Lost is not empty when anything may have changed, so that everything has to
	// be read again: why, as a clause. All else but After and Commands is empty then.
	Lost string
	// Flushed: first of all, every database was emptied (FLUSHALL).
	Flushed bool
	// Databases are those with changes, in order of their numbers.
	Databases []DatabaseChanges
}

// DatabaseChanges are the changes of one database.
type DatabaseChanges struct {
	Database int
	// Flushed: the keys that were there before are gone (FLUSHDB).
	Flushed bool
	// Swapped: the database is another one (SWAPDB), so that all its keys have to be
	// read; those of before may be gone. Not both are true.
	Swapped bool
	// Keys are the keys that changed after that, in the order of their first change.
	Keys []Change
}
