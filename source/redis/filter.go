package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/keylift/keylift/selection"
)

// A filter decides which keys are read.
type filter struct{ selection.Filter }

func newFilter(o *Options) filter {
	f := filter{selection.Filter{Patterns: o.Patterns, Exclude: o.Exclude, Types: o.Types}}
	if slices.Contains(f.Patterns, "*") {
		f.Patterns = nil
	}
	return f
}

// match returns the pattern that the server itself can apply to every key.
func (f *filter) match() (pattern string, ok bool) {
	if len(f.Patterns) == 1 {
		return f.Patterns[0], true
	}
	return "", false
}

func (f *filter) key(name string) bool { return f.Key(name) }

func (f *filter) dataType(name string) bool { return f.Type(name) }

// fingerprint identifies what a position depends on beside the server.
func (o *Options) fingerprint() string {
	what := struct {
		Table                    string
		Databases                []int
		All                      bool
		Patterns, Exclude, Types []string
		Plan                     string `json:",omitempty"`
	}{o.Table, o.Databases, o.AllDatabases, sorted(o.Patterns), sorted(o.Exclude), sorted(o.Types), o.plan}
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
