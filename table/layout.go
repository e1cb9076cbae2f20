// Package table says which keys feed which tables, and shapes decoded keys into
// their rows. It neither reads Redis nor knows a destination.
package table

import (
	"github.com/keylift/keylift/row"
)

// Value returns the table of keys that match no template: one row per key.
func Value(name string, o Options) *row.Table {
	t := &row.Table{Name: name, Keys: 1}
	if o.Databases {
		t.Keys = 2
		t.Columns = append(t.Columns, row.Column{Name: "database", Type: row.Int})
	}
	t.Columns = append(append(t.Columns, row.Column{Name: "key", Type: row.String}), valueColumns(o)...)
	return t
}

// valueColumns returns the columns of layout Values beside the key.
func valueColumns(o Options) []row.Column {
	return []row.Column{
		{Name: "value", Type: row.String},
		{Name: "data_type", Type: row.String, InScope: true},
		{Name: "ttl", Type: row.Int, Compare: row.Never},
		{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue, Tolerance: o.ExpiryTolerance, Expiry: true},
		{Name: "last_modified", Type: row.UTCDateTime, Compare: row.Never},
		{Name: "size", Type: row.Int},
	}
}
