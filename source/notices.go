package source

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
)

// Notices tells of what went wrong with single keys: the first of each kind, with
// one key for an example. Many goroutines may use it.
type Notices struct {
	log  *slog.Logger
	keys bool // write names of keys

	mu   sync.Mutex
	seen map[string]bool
}

// NewNotices returns Notices that log to log, with the names of keys or with
// their digests alone.
func NewNotices(log *slog.Logger, names bool) *Notices {
	return &Notices{log: log, keys: names, seen: map[string]bool{}}
}

func (n *Notices) once(kind, message string, args ...any) {
	n.mu.Lock()
	seen := n.seen[kind]
	n.seen[kind] = true
	n.mu.Unlock()
	if !seen {
		n.log.Warn(message, args...)
	}
}

// SetAside tells that a key could not be read; kind groups the errors.
func (n *Notices) SetAside(key, kind string, why error) {
	n.once("set aside: "+kind, "a key cannot be read and is set aside; its row stays as it was (further keys with this error are not logged)",
		"key", n.name(key), "error", why)
}

// Oversized tells that a value is too long for its cell.
func (n *Notices) Oversized(key string) {
	n.once("oversized", "a value is longer than max_value_bytes and becomes NULL; raise max_value_bytes, or exclude such keys by exclude_pattern (further keys are not logged)",
		"key", n.name(key))
}

// Module tells that values of a module's type are not read.
func (n *Notices) Module(kind, key string) {
	n.once("module: "+kind, "values of a module's type are not read; their value is NULL", "type", kind, "key", n.name(key))
}

// Misfit tells that a value does not fit the type of its column.
func (n *Notices) Misfit(table, column string) {
	n.once("misfit: "+table+" "+column, "a value does not fit its column's type; it is NULL there and stands in _extra (further values of the column are not logged)",
		"table", table, "column", column)
}

// name returns a key's name as logs may hold it.
func (n *Notices) name(key string) string {
	if n.keys {
		return strconv.Quote(key)
	}
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("sha256:%x (%d bytes)", sum[:6], len(key))
}
