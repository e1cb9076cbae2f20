package table

import (
	"maps"
	"slices"
	"strings"
)

// A grower finds the templates among the names of a sample. It goes from part to
// part: keys that agree so far are told apart by their next part, literal by
// literal, or taken together where it varies as names of things do.
type grower struct {
	keys   []grownKey
	leaves []*leaf
}

// A grownKey is a key of the sample in parts.
type grownKey struct {
	parts []part
	tails []uint64
	kind  string
}

// A leaf is a template with the keys that match it.
type leaf struct {
	pieces []piece
	keys   []int
	doubts []doubt
}

// A doubt is something that a template is unsure of.
type doubt struct {
	capture int // it is about, by its number; its name goes where {} stands
	text    string
}

// A piece of a template is a literal, or a capture of (a hole in) a part.
type piece struct {
	literal string
	capture bool
	part    int // which part of a name it is of; none: separators
	hole    int // of a capture: which of the part's; whole: the part from prefix on
	prefix  int // bytes
}

const none = -1

const whole = -1

// A place is where a grower has come to.
type place struct {
	depth  int // parts
	pieces []piece
	varied bool // the last part is a capture
	doubts []doubt
}

func (p place) literal(text string, part int) place {
	p.pieces = append(slices.Clip(p.pieces), piece{literal: text, part: part})
	p.varied = p.varied && part == none
	return p
}

func (p place) capture(part, hole, prefix int) place {
	p.pieces = append(slices.Clip(p.pieces), piece{capture: true, part: part, hole: hole, prefix: prefix})
	p.varied = true
	return p
}

func (p place) doubt(text string) place {
	p.doubts = append(slices.Clip(p.doubts), doubt{captures(p.pieces), text})
	return p
}

// grow goes on from at with the keys that agree so far.
func (g *grower) grow(at place, keys []int) {
	ends, bySep := []int(nil), map[string][]int{}
	for _, k := range keys {
		if parts := g.keys[k].parts; len(parts) == at.depth {
			ends = append(ends, k)
		} else {
			bySep[parts[at.depth].sep] = append(bySep[parts[at.depth].sep], k)
		}
	}
	if len(ends) > 0 {
		g.leaves = append(g.leaves, &leaf{pieces: at.pieces, keys: ends, doubts: at.doubts})
	}
	for _, sep := range slices.Sorted(maps.Keys(bySep)) {
		next := at
		if sep != "" {
			next = at.literal(sep, none)
		}
		g.branch(next, bySep[sep])
	}
}

// branch tells keys apart by the part at at.depth.
func (g *grower) branch(at place, keys []int) {
	var varied []int
	words, skeletons := map[string][]int{}, map[string][]int{}
	for _, k := range keys {
		switch p := g.at(k, at.depth); {
		case p.form != formWord:
			varied = append(varied, k)
		case p.skeleton != "":
			skeletons[p.skeleton] = append(skeletons[p.skeleton], k)
		default:
			words[p.text] = append(words[p.text], k)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(skeletons)) {
		byText := g.byText(skeletons[s], at.depth)
		if v := g.survey(byText, at.depth); len(byText) > 1 && v.numbered() {
			g.holes(at, skeletons[s], s)
		} else {
			maps.Copy(words, byText)
		}
	}
	varied = g.prefixed(at, varied)
	if word, constant := g.constant(varied, at.depth); constant {
		words[word] = append(words[word], varied...)
		varied = nil
	}
	rest := g.names(at, words, &varied)
	g.things(at, varied)
	for _, word := range slices.Sorted(maps.Keys(rest)) {
		next := at.literal(word, at.depth)
		next.depth++
		g.grow(next, rest[word])
	}
}

func (g *grower) at(k, depth int) *part { return &g.keys[k].parts[depth] }

func (g *grower) byText(keys []int, depth int) map[string][]int {
	by := map[string][]int{}
	for _, k := range keys {
		text := g.at(k, depth).text
		by[text] = append(by[text], k)
	}
	return by
}

// constantKeys is how many keys must agree in a number for it to be a literal.
const constantKeys = 10

// constant reports whether all keys have the same text, as a version has or a
// tenant that is alone.
func (g *grower) constant(keys []int, depth int) (text string, ok bool) {
	if len(keys) < constantKeys || g.at(keys[0], depth).form == formBinary {
		return "", false
	}
	text = g.at(keys[0], depth).text
	for _, k := range keys {
		if g.at(k, depth).text != text {
			return "", false
		}
	}
	return text, true
}

// things goes on behind ids, times and bytes: together, where they go on alike.
func (g *grower) things(at place, keys []int) {
	var families [3][]int
	for _, k := range keys {
		family := 0
		switch g.at(k, at.depth).form {
		case formDate, formMonth, formTime:
			family = 1
		case formBinary:
			family = 2
		}
		families[family] = append(families[family], k)
	}
	for i, family := range families {
		for j := range i {
			if len(family) > 0 && g.alike(family, families[j], at.depth) {
				families[j] = append(families[j], family...)
				family, families[i] = nil, nil
			}
		}
	}
	for _, family := range families {
		if len(family) > 0 {
			slices.Sort(family)
			g.whole(at, family)
		}
	}
}

// whole goes on behind a capture of the whole part.
func (g *grower) whole(at place, keys []int) {
	next := at.capture(at.depth, whole, 0)
	next.depth++
	g.grow(next, keys)
}

// holes goes on behind a part that holds captures among literals.
func (g *grower) holes(at place, keys []int, skeleton string) {
	next := at.holes(at.depth, skeleton)
	next.depth++
	g.grow(next, keys)
}

func (p place) holes(part int, skeleton string) place {
	for n := 0; skeleton != ""; n++ {
		literal, rest, more := strings.Cut(skeleton, mark)
		if literal != "" {
			p = p.literal(literal, part)
		}
		if !more {
			break
		}
		p = p.capture(part, n, 0)
		skeleton = rest
	}
	p.varied = true
	return p
}

// minPrefix and minPrefixed are the letters, and the keys that begin with them,
// that make a literal in front of what looks drawn at random.
const (
	minPrefix   = 3
	minPrefixed = 5
)

// prefixed goes on with the keys whose part is a word and, with nothing between,
// something drawn at random. It returns the others.
func (g *grower) prefixed(at place, keys []int) (others []int) {
	by := map[string][]int{}
	for _, k := range keys {
		p := g.at(k, at.depth)
		head := p.text[:min(len(p.text), minPrefix)]
		if f := p.form; (f == formToken || f == formHex) && len(head) == minPrefix && strings.IndexFunc(head, func(r rune) bool { return r > 0x7f || !isLetter(byte(r)) }) < 0 {
			by[head] = append(by[head], k)
		} else {
			others = append(others, k)
		}
	}
	for _, head := range slices.Sorted(maps.Keys(by)) {
		group := by[head]
		shared := g.at(group[0], at.depth).text
		for _, k := range group {
			shared = shared[:common(shared, g.at(k, at.depth).text)]
		}
		shared = shared[:len(shared)-len(strings.TrimLeftFunc(shared, func(r rune) bool { return r < 0x80 && isLetter(byte(r)) }))]
		// By chance, few of many have as many letters in common.
		if len(group) < minPrefixed || len(group) < len(keys)/10 || len(g.byText(group, at.depth)) < minPrefixed || len(shared) < minPrefix {
			others = append(others, group...)
			continue
		}
		next := at.literal(shared, at.depth).capture(at.depth, whole, len(shared))
		next.depth++
		g.grow(next, group)
	}
	slices.Sort(others)
	return others
}

// names takes words together that look like names of things; those join varied, or
// are gone on with if that is none of their kind. It returns the words that stay literals.
func (g *grower) names(at place, words map[string][]int, varied *[]int) (literals map[string][]int) {
	byClass := map[string]map[string][]int{}
	for word, keys := range words {
		class := g.class(keys, at.depth)
		if byClass[class] == nil {
			byClass[class] = map[string][]int{}
		}
		byClass[class][word] = keys
	}
	literals, chosen := map[string][]int{}, map[string][]int{}
	for _, group := range byClass {
		if v := g.survey(group, at.depth); v.named(at) {
			maps.Copy(chosen, group)
		} else {
			maps.Copy(literals, group)
		}
	}
	if len(chosen) == 0 {
		return literals
	}
	examples := slices.Sorted(maps.Keys(chosen))
	var named []int
	for _, word := range examples {
		named = append(named, chosen[word]...)
	}
	slices.Sort(named)
	few := len(chosen) < fewNames
	switch same := g.alike(named, *varied, at.depth); {
	case len(*varied) > 0 && few && (!same || len(named)*constantKeys < len(*varied)):
		maps.Copy(literals, chosen) // beside ids, they mean something of their own
		return literals
	case same:
		*varied = append(*varied, named...)
		slices.Sort(*varied)
		return literals
	case few:
		at = at.doubt("{} stands for only " + counted(len(chosen), "value") + " (" + someOf(examples) + "), which could be literal words instead")
	}
	g.whole(at, named)
	return literals
}

// alike reports whether keys go on, behind a part, as some others do.
func (g *grower) alike(keys, others []int, depth int) bool {
	behind := map[uint64]bool{}
	for _, k := range others {
		behind[g.keys[k].tails[depth+1]] = true
	}
	same := 0
	for _, k := range keys {
		if behind[g.keys[k].tails[depth+1]] {
			same++
		}
	}
	return float64(same) >= mostKeys*float64(len(keys))
}

// class is the type of a word that ends the only key it is in; empty for others.
func (g *grower) class(keys []int, depth int) string {
	for _, k := range keys {
		if len(g.keys[k].parts) > depth+1 {
			return ""
		}
	}
	return g.keys[keys[0]].kind
}

// fewNames is how many values of a capture are too few to be sure that it is one.
const fewNames = 20

// A survey says how the keys behind alternatives of one part go on.
type survey struct {
	keys, words int
	templates   int     // there would be, were the words literals
	shared      float64 // of the keys go on as keys behind other words do
	literally   float64 // of the keys do so by a literal
	widely      float64 // of the keys do so, as they do behind a good part of the words
	kinds       map[string]bool
}

func (g *grower) survey(byText map[string][]int, depth int) survey {
	v := survey{words: len(byText), kinds: map[string]bool{}}
	behind := map[uint64]int{} // words, by what follows them
	for _, keys := range byText {
		seen := map[uint64]bool{}
		for _, k := range keys {
			if t := g.keys[k].tails[depth+1]; !seen[t] {
				seen[t] = true
				behind[t]++
			}
			v.kinds[g.keys[k].kind] = true
		}
		v.keys += len(keys)
		v.templates += len(seen)
	}
	enough := max(2, v.words/10)
	shared, literally, widely := 0, 0, 0
	for _, keys := range byText {
		for _, k := range keys {
			if behind[g.keys[k].tails[depth+1]] < enough {
				continue
			}
			shared++
			if g.literalFrom(k, depth+1) {
				literally++
				if behind[g.keys[k].tails[depth+1]] >= v.words/4 {
					widely++
				}
			}
		}
	}
	v.shared, v.literally = float64(shared)/float64(v.keys), float64(literally)/float64(v.keys)
	v.widely = float64(widely) / float64(v.keys)
	return v
}

// literalFrom reports whether a word stands in the name from a part on.
func (g *grower) literalFrom(k, depth int) bool {
	for _, p := range g.keys[k].parts[depth:] {
		if p.form == formWord {
			return true
		}
	}
	return false
}

// Shares and numbers that decide whether words are names of things.
const (
	mostKeys   = 0.7 // of the keys have to go on alike
	fewKeys    = 3   // a word that names a thing is in fewer keys of the sample
	manyWords  = 20
	countless  = 100  // words that all go on alike are no literals
	countless0 = 2000 // the same at the beginning of names
)

// named reports whether words at a place look like names of things: players, or
// boards. Words that kinds of things have are few, and each has many keys, which
// go on in their own ways.
func (v *survey) named(at place) bool {
	root := len(at.pieces) == 0
	least := 2
	switch {
	case at.varied, root && v.literally < mostKeys:
		least = manyWords
	case root:
		least = 5
	case len(at.pieces) > 1 && strings.Contains(looseSeparators, at.pieces[len(at.pieces)-1].literal):
		least = 10
	}
	each := float64(v.keys) / float64(v.words)
	switch {
	case v.keys < 2*v.templates && v.shared >= mostKeys && v.words >= least:
		return true // as literals, they would have hardly more than a key each
	case each < fewKeys && v.words >= manyWords && (!root || each < 1.5):
		return true
	case v.words >= manyWords && v.widely >= mostKeys:
		return true
	case !root && v.words > countless && v.shared >= mostKeys && len(v.kinds) == 1,
		v.words > countless0 && v.shared >= mostKeys:
		return true
	}
	return false
}

// numbered reports whether words that differ in numbers alone are one kind of
// thing: season4 and season5, but not the tables t1 and t2 of different types.
func (v *survey) numbered() bool {
	each := float64(v.keys) / float64(v.words)
	return v.shared >= mostKeys && (v.literally >= mostKeys || v.keys < 2*v.templates || !v.kinds["hash"] && len(v.kinds) == 1) || each < fewKeys && v.words >= manyWords
}

// someOf lists a few of sorted words, as a terminal may show them.
func someOf(words []string) string {
	const few = 3
	if len(words) <= few {
		return strings.Join(words, ", ")
	}
	return strings.Join(words[:few], ", ") + ", …"
}
