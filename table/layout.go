// Package table shapes decoded keys into the rows of tables. It neither reads
// Redis nor knows a destination.
package table

import (
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// A Shaper turns the keys it is fed into rows of a batch.
type Shaper interface {
	value.Visitor
	// Into sets the batch that the rows of the following keys go to.
	Into(b *row.Batch)
	// Abort drops the row of a key whose reading broke off after Begin; without
	// such a row it does nothing.
	Abort()
	// Keep writes a row that says: k is there but could not be read.
	Keep(k value.Key)
	// Exceed says that the value goes on beyond what one cell may hold.
	Exceed()
	// Oversized reports whether the value of the last key was larger than one cell
	// may be, so that its row has NULL instead.
	Oversized() bool
}

// ValueOptions are the choices that the default table depends on.
type ValueOptions struct {
	Databases bool // more than one database is read: the database joins the key
	// ExpiryTolerance is how far expiries may differ and still count as unmoved:
	// zero where the server tells them exactly.
	ExpiryTolerance time.Duration
}

// Value returns the table of layout value: one row per key.
func Value(name string, o ValueOptions) *row.Table {
	t := &row.Table{Name: name, Keys: 1}
	if o.Databases {
		t.Keys = 2
		t.Columns = append(t.Columns, row.Column{Name: "database", Type: row.Int})
	}
	t.Columns = append(
		t.Columns,
		row.Column{Name: "key", Type: row.String},
		row.Column{Name: "value", Type: row.String},
		row.Column{Name: "data_type", Type: row.String, InScope: true},
		row.Column{Name: "ttl", Type: row.Int, Compare: row.Never},
		row.Column{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue, Tolerance: o.ExpiryTolerance},
		row.Column{Name: "last_modified", Type: row.UTCDateTime, Compare: row.Never},
		row.Column{Name: "size", Type: row.Int},
	)
	return t
}
