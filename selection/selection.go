// Package selection says which keys are read: by the patterns of their names and
// by their types. It reads nothing itself.
package selection

import (
	"slices"

	"github.com/keylift/keylift/row"
)

// A Filter selects keys. The zero Filter selects all.
type Filter struct {
	Patterns []string // Redis globs, of which one has to match; none: any name
	Exclude  []string // Redis globs, of which none may match
	Types    []string // names as the data_type column has them; none: any type
}

// Key reports whether a key of this name is read.
func (f *Filter) Key(name string) bool {
	for _, p := range f.Exclude {
		if matchGlob(p, name) {
			return false
		}
	}
	if len(f.Patterns) == 0 {
		return true
	}
	for _, p := range f.Patterns {
		if matchGlob(p, name) {
			return true
		}
	}
	return false
}

// AnyKey reports whether keys of every name are read.
func (f *Filter) AnyKey() bool {
	return len(f.Exclude) == 0 && (len(f.Patterns) == 0 || slices.Contains(f.Patterns, "*"))
}

// Type reports whether keys of the named type are read.
func (f *Filter) Type(name string) bool {
	return len(f.Types) == 0 || slices.Contains(f.Types, name)
}

// Scope returns the scope of a snapshot of the databases, nil for all. types are
// those of the keys of tables that have no column data_type, by table.
func (f *Filter) Scope(databases []int, types map[string]string) row.Scope {
	return func(b *row.Batch, i int) bool {
		key := b.Table.Owner() - 1
		if key > 0 && databases != nil && !slices.Contains(databases, int(b.Vectors[key-1].Ints[i])) {
			return false
		}
		if len(f.Types) > 0 {
			dataType := types[b.Table.Name]
			if c := b.Table.Column("data_type"); dataType == "" && c >= 0 {
				dataType = string(b.TextAt(c, i))
			}
			if !f.Type(dataType) {
				return false
			}
		}
		name, err := row.ParseText(b.TextAt(key, i))
		return err == nil && f.Key(string(name))
	}
}
