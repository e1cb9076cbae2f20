package replication

// A Window gathers what a run of commands changed: each key once, with its last
// outcome. It serves one goroutine.
//
// What it tells is applied after the last of its commands; a key that is read then
// may be newer than the window, and is in a later window again.
type Window struct {
	commands *Commands
	keep     func(database int, key []byte) bool
	limit    int
}

// NewWindow returns an empty Window that takes about limit bytes. Keys for which
// keep returns false are left out; a nil keep keeps all.
func NewWindow(commands *Commands, limit int, keep func(database int, key []byte) bool) *Window {
	return &Window{commands: commands, limit: limit, keep: keep}
}

// Add adds a command.
func (w *Window) Add(c *Command) {}

// Whole reports whether the window may be drained: it ends outside of any
// transaction. A transaction arrives in one piece, so it is worth waiting for.
func (w *Window) Whole() bool { return true }

// Full reports whether the window takes its limit: drain it when it is Whole.
func (w *Window) Full() bool { return false }

// Position returns where to read on once everything up to it is drained and
// durable: after the last command outside of a transaction, or the last EXEC. A
// new link that reads on from there may go on with the same Window, for commands
// that are added twice do no harm.
func (w *Window) Position() Position { return Position{} }

// Drain returns what changed and empties the window. The caller owns what it
// returns. Drain panics unless the window is Whole.
func (w *Window) Drain() *Changes { return nil }

// Changes are what a Window gathered. First all that was
// flushed is empty, then the keys are as they say.
type Changes struct {
	// After is the position after the last command.
	After Position
	// Commands is the number of commands, also of those that change nothing.
	Commands int
	// Lost is not empty when anything may have changed, so that everything has to
	// be read again: why, as a clause. Databases is empty then.
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
