package redis

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
)

// notices tells of what went wrong with single keys: the first of each kind,
// with one key for an example.
type notices struct {
	log  *slog.Logger
	keys bool // write names of keys

	mu   sync.Mutex
	seen map[string]bool
}

func newNotices(log *slog.Logger, keys bool) *notices {
	return &notices{log: log, keys: keys, seen: map[string]bool{}}
}

func (n *notices) once(kind, message string, args ...any) {
	n.mu.Lock()
	seen := n.seen[kind]
	n.seen[kind] = true
	n.mu.Unlock()
	if !seen {
		n.log.Warn(message, args...)
	}
}

// setAside tells that a key could not be read.
func (n *notices) setAside(key string, why error) {
	n.once("set aside: "+reason(why), "a key cannot be read and is set aside; its row stays as it was (further keys with this error are not logged)",
		"key", n.name(key), "error", why)
}

// oversized tells that a value is too long for its cell.
func (n *notices) oversized(key string) {
	n.once("oversized", "a value is longer than max_value_bytes and becomes NULL; raise max_value_bytes, or exclude such keys by exclude_pattern (further keys are not logged)",
		"key", n.name(key))
}

// module tells that values of a module's type are not read.
func (n *notices) module(kind, key string) {
	n.once("module: "+kind, "values of a module's type are not read; their value is NULL", "type", kind, "key", n.name(key))
}

// name returns a key's name as logs may hold it.
func (n *notices) name(key string) string {
	if n.keys {
		return strconv.Quote(key)
	}
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("sha256:%x (%d bytes)", sum[:6], len(key))
}
