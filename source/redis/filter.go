package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/keylift/keylift/row"
)

// A filter decides which keys are read.
type filter struct {
	patterns, exclude []string
	types             []string
}

func newFilter(o *Options) filter {
	f := filter{patterns: o.Patterns, exclude: o.Exclude, types: o.Types}
	if slices.Contains(f.patterns, "*") {
		f.patterns = nil
	}
	return f
}

// match returns the pattern that the server itself can apply to every key.
func (f *filter) match() (pattern string, ok bool) {
	if len(f.patterns) == 1 {
		return f.patterns[0], true
	}
	return "", false
}

// key reports whether a key of this name is read.
func (f *filter) key(name string) bool {
	for _, p := range f.exclude {
		if matchGlob(p, name) {
			return false
		}
	}
	if len(f.patterns) == 0 {
		return true
	}
	for _, p := range f.patterns {
		if matchGlob(p, name) {
			return true
		}
	}
	return false
}

// dataType reports whether keys of the named type are read.
func (f *filter) dataType(name string) bool {
	return len(f.types) == 0 || slices.Contains(f.types, name)
}

// scope returns the scope of a snapshot of the databases; nil stands for all.
func (f *filter) scope(databases []int, t *row.Table) row.Scope {
	database, key, dataType := t.Column("database"), t.Column("key"), t.Column("data_type")
	return func(b *row.Batch, i int) bool {
		if database >= 0 && databases != nil && !slices.Contains(databases, int(b.Vectors[database].Ints[i])) {
			return false
		}
		if !f.dataType(string(b.TextAt(dataType, i))) {
			return false
		}
		name, err := row.ParseText(b.TextAt(key, i))
		return err == nil && f.key(string(name))
	}
}

// fingerprint identifies what a position depends on beside the server.
func (o *Options) fingerprint() string {
	what := struct {
		Table                    string
		Databases                []int
		All                      bool
		Patterns, Exclude, Types []string
	}{o.Table, o.Databases, o.AllDatabases, sorted(o.Patterns), sorted(o.Exclude), sorted(o.Types)}
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
