package table

import (
	"cmp"
	"slices"
	"strings"
)

// A SampledKey is one key of a sample of a server's keys.
type SampledKey struct {
	Name   string
	Type   string  // as the data_type column has it; empty: not known
	Weight float64 // for how many keys of the server it stands
}

// A Look is what was seen of one key's value.
type Look struct {
	Elements int64       // bytes of a string, elements of a collection; negative: not known
	Bytes    int64       // that it takes in the server; negative: not known
	Fields   []LookField // some of a hash or JSON object, at random
	Read     bool        // Fields were asked for
}

// A LookField is a field of a hash or of a JSON object.
type LookField struct {
	Name  string
	Value string // of JSON: text without quotes, all else as JSON writes it
}

// A Guess is a table that keys of a sample suggest.
type Guess struct {
	Name    string // of the table, unique among the guesses
	Keys    string // the template, as a configuration has it
	Type    string // of the keys, as the data_type column has it; empty: not known
	Layout  Layout
	Typed   bool // keys of other types match the template, too
	Single  bool // the template is the name of one key, or says nothing of its few keys
	Fields  []GuessedField
	Unsure  []string // what about, in clauses
	Count   float64  // keys of the server it stands for
	Sampled []int    // which keys of the sample, ascending
	Looks   Looks

	pieces []piece
	doubts []doubt
	hashes []hashLook
}

// A GuessedField is a column of layout Columns.
type GuessedField struct {
	Field
	Seen   int // looks that found the field
	Fit    int // of these, how many values fit the format
	Looked int // looks
}

// Looks are what the looks at a guess's keys have in common.
type Looks struct {
	Sized, Weighed int     // looks that told elements, and bytes
	Elements       float64 // of a key on average
	Bytes          float64
	Most           int64 // elements of the largest key
}

// An Inference finds tables in a sample of keys: first their templates, by names and
// types alone; then, once some keys of each were looked at, layouts and columns.
// It is the same for the same sample and looks.
type Inference struct {
	// Guesses are the tables found, the one with the most keys first. Settle
	// completes them.
	Guesses []*Guess

	keys  []SampledKey
	parts [][]part
	names taken // of tables
}

// Infer finds the templates in a sample.
func Infer(keys []SampledKey) *Inference {
	inf := &Inference{keys: keys, parts: make([][]part, len(keys))}
	g := &grower{keys: make([]grownKey, len(keys))}
	all := make([]int, len(keys))
	for i, k := range keys {
		parts := split(k.Name)
		inf.parts[i] = parts
		g.keys[i] = grownKey{parts: parts, tails: tails(parts, k.Type), kind: k.Type}
		all[i] = i
	}
	if len(keys) > 0 {
		g.grow(place{}, all)
	}
	for _, l := range g.leaves {
		inf.addLeaf(l)
	}
	slices.SortStableFunc(inf.Guesses, func(a, b *Guess) int { return cmp.Compare(b.Count, a.Count) })
	return inf
}

// addLeaf makes a guess of each type that the leaf's keys have.
func (inf *Inference) addLeaf(l *leaf) {
	slices.Sort(l.keys)
	var types []string
	byType := map[string][]int{}
	for _, k := range l.keys {
		t := inf.keys[k].Type
		if byType[t] == nil {
			types = append(types, t)
		}
		byType[t] = append(byType[t], k)
	}
	for _, t := range types {
		guess := &Guess{Type: t, Typed: len(types) > 1, Sampled: byType[t], pieces: l.pieces, doubts: l.doubts, Single: captures(l.pieces) == 0 || literals(l.pieces) == 0 && len(byType[t]) < fewNames}
		for _, k := range guess.Sampled {
			guess.Count += inf.keys[k].Weight
		}
		inf.Guesses = append(inf.Guesses, guess)
	}
}

// Look adds what was seen of one of the guess's keys.
func (g *Guess) Look(l Look) {
	if l.Elements >= 0 {
		g.Looks.Sized++
		g.Looks.Elements += (float64(l.Elements) - g.Looks.Elements) / float64(g.Looks.Sized)
		g.Looks.Most = max(g.Looks.Most, l.Elements)
	}
	if l.Bytes >= 0 {
		g.Looks.Weighed++
		g.Looks.Bytes += (float64(l.Bytes) - g.Looks.Bytes) / float64(g.Looks.Weighed)
	}
	if l.Read {
		g.hashes = append(g.hashes, hashLook{fields: l.Fields, elements: l.Elements})
	}
}

// Settle completes the guesses when no more looks will come. No table is named as
// the default table is.
func (inf *Inference) Settle(defaultTable string) {
	inf.names = taken{strings.ToLower(defaultTable): true}
	for _, g := range inf.Guesses {
		g.settleLayout()
	}
	inf.mergeSiblings()
	for _, g := range inf.Guesses {
		inf.settleTemplate(g)
	}
	inf.settleNames()
}

// settleLayout chooses the layout, and the columns of layout Columns.
func (g *Guess) settleLayout() {
	switch g.Type {
	case "list", "set", "zset", "stream", "timeseries":
		g.Layout = Elements
	case "hash", "json":
		g.settleFields()
	}
	if g.Typed {
		g.Unsure = append(g.Unsure, "keys of other types match the template, too")
	}
}

// InOrder returns the guesses in the order in which their templates are to be
// tried: the narrower before the wider, else by the alphabet.
func (inf *Inference) InOrder() []*Guess {
	ordered := slices.Clone(inf.Guesses)
	slices.SortStableFunc(ordered, func(a, b *Guess) int {
		pa, pb := prefixOf(a.pieces), prefixOf(b.pieces)
		if pa != pb {
			switch {
			case strings.HasPrefix(pa, pb):
				return -1
			case strings.HasPrefix(pb, pa):
				return 1
			}
			return strings.Compare(pa, pb)
		}
		return cmp.Or(cmp.Compare(literals(b.pieces), literals(a.pieces)),
			cmp.Compare(strings.Count(b.Keys, ":int}"), strings.Count(a.Keys, ":int}")), strings.Compare(a.Keys, b.Keys))
	})
	return ordered
}

// prefixOf is the text before the first capture.
func prefixOf(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.capture {
			break
		}
		b.WriteString(p.literal)
	}
	return b.String()
}

// literals is the length of the literals.
func literals(pieces []piece) (n int) {
	for _, p := range pieces {
		n += len(p.literal)
	}
	return n
}

func captures(pieces []piece) (n int) {
	for _, p := range pieces {
		if p.capture {
			n++
		}
	}
	return n
}
