// Package row holds what keylift moves from a source to a destination: tables,
// columns, batches of row changes, and the positions between them. It knows
// neither Redis nor any warehouse, and imports nothing of the project.
package row

import (
	"fmt"
	"time"
)

// A Type is the type of a column. The zero Type is invalid.
type Type uint8

// The column types and how a Vector holds their values.
const (
	Boolean     Type = iota + 1 // Ints, 0 or 1
	Int                         // Ints, 64-bit signed
	Double                      // Floats
	Decimal                     // Spans, decimal text
	UTCDateTime                 // Ints, microseconds since 1970-01-01T00:00:00Z
	String                      // Spans, UTF-8 text
	JSON                        // Spans, canonical JSON text
)

var typeNames = [...]string{"", "BOOLEAN", "INT", "DOUBLE", "DECIMAL", "UTC_DATETIME", "STRING", "JSON"}

// String returns the type's name as the documentation writes it.
func (t Type) String() string {
	if int(t) < len(typeNames) && t != 0 {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// A Compare says how a column takes part in deciding whether a row has changed.
type Compare uint8

const (
	// ByHash columns are part of the row's content hash.
	ByHash Compare = iota
	// ByValue columns are compared by themselves, within the column's Tolerance.
	ByValue
	// Never columns do not make a row changed: times of reading and what counts down.
	Never
)

// A Column is the definition of one column of a table.
type Column struct {
	Name      string
	Type      Type
	Compare   Compare
	Tolerance time.Duration // ByValue columns of type UTCDateTime: values this close are equal; NULL equals only NULL
	InScope   bool          // a Scope looks at the column; it looks at key columns anyway
	// Expiry says that the column, a UTCDateTime, tells when the source deletes the
	// row by itself. NULL: it does not.
	Expiry bool
}

// A Table is one table of a sync. It is immutable once batches refer to it: a
// changed schema is a new *Table.
type Table struct {
	Name string
	Keys int // the first Keys columns are the primary key; they are never NULL
	// Group is set where a Redis key has several rows, one an element: the first
	// Group of the key columns name the Redis key. 0: it has one row.
	Group   int
	Columns []Column // keys first
	// ByName makes content hashes go by the names of columns, so that columns may be
	// added and rows that are NULL there stay unchanged.
	ByName bool
	// History asks the destination to keep every version of a row.
	History bool
	// Appends says that the rows of a Redis key that is there are only added to, and
	// written again where they differ: a snapshot marks such a key by a Stay and need not deliver the rows that were delivered before.
	Appends bool
	// Ranked says that the rows of a Redis key are members of a sorted set, in the
	// columns "member" and "score".
	Ranked bool
}

// Owner returns how many of the first columns name the Redis key of a row.
func (t *Table) Owner() int {
	if t.Group > 0 {
		return t.Group
	}
	return t.Keys
}

// Column returns the index of the named column, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}
