package table

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A hashLook is what was seen of one hash or JSON object.
type hashLook struct {
	fields   []LookField
	elements int64
}

// Shares and numbers that decide how a hash becomes a table.
const (
	mostLooks   = 0.5 // of the looks must have found a field for a column
	fitting     = 0.9 // of the values must fit a format
	manyFields  = 200 // more are elements, not columns
	aloneFields = 64  // the same where only one key was looked at
	sureLooks   = 5   // fewer values leave the format unsure
)

// settleFields chooses between columns and elements for hashes and JSON objects, and
// the columns.
func (g *Guess) settleFields() {
	unread := Values
	if g.Type == "hash" {
		unread = Elements
	}
	if len(g.hashes) == 0 {
		g.Layout = unread
		g.Unsure = append(g.Unsure, "no value could be looked at: the layout is a guess")
		return
	}
	values := map[string][]string{}
	total, ids, most := 0, 0, int64(0)
	for _, h := range g.hashes {
		for _, f := range h.fields {
			if values[f.Name] == nil && isID(f.Name) {
				ids++
			}
			values[f.Name] = append(values[f.Name], f.Value)
			total++
		}
		most = max(most, h.elements)
	}
	if total == 0 {
		g.Layout = unread
		g.Unsure = append(g.Unsure, "the keys looked at held no fields that could be read: the layout is a guess")
		return
	}
	steady, covered := []string(nil), 0
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if float64(len(values[name])) >= mostLooks*float64(len(g.hashes)) && isText(name) && name != "" {
			steady = append(steady, name)
			covered += len(values[name])
		}
	}
	limit := int64(manyFields)
	if len(g.hashes) == 1 {
		limit = aloneFields
	}
	switch {
	case 2*ids >= len(values):
		g.Layout = Elements
	case len(steady) == 0, 2*covered < total, most > limit, int64(len(steady)) > limit:
		g.Layout = Elements
		g.Unsure = append(g.Unsure, "the fields differ from key to key: layout columns could serve if some matter more than others")
	default:
		g.Layout = Columns
		g.settleColumns(steady, values)
	}
	if g.Layout == Elements && g.Type == "json" {
		g.Layout = Values // documents have no other elements
	}
}

// settleColumns chooses the formats of the columns.
func (g *Guess) settleColumns(steady []string, values map[string][]string) {
	few := len(g.hashes) < sureLooks && !g.Single
	if few {
		g.Unsure = append(g.Unsure, "only "+counted(len(g.hashes), "key")+" looked at")
	}
	for _, name := range steady {
		format, fit, doubt := formatOf(name, values[name])
		g.Fields = append(g.Fields, GuessedField{Field: Field{Name: name, Format: format}, Seen: len(values[name]), Fit: fit, Looked: len(g.hashes)})
		if n := len(values[name]); fit < n {
			doubt = fmt.Sprintf("%d of %d values are no %s", n-fit, n, format)
		}
		if doubt != "" {
			g.Unsure = append(g.Unsure, "field "+name+": "+doubt)
		}
	}
}

// isID reports whether a field's name looks like the name of a thing.
func isID(name string) bool {
	f, _ := classify(name)
	return f != formWord || !isText(name) || slices.ContainsFunc(segmentsOf(name), func(s segment) bool { return s.form == formUUID || s.form == formHex })
}

// A tryout is a format with what its values look like beyond that they fit.
type tryout struct {
	format Format
	looks  func(s string) bool
}

var tryouts = []tryout{
	{Bool, func(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }},
	{Whole, plain},
	{Float, func(s string) bool { return plain(s) && strings.Trim(s, "0123456789.-+eE") == "" }},
	{Timestamp, func(string) bool { return true }},
	{JSONText, func(s string) bool { return strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") }},
}

// plain reports whether a number is written without leading zeros, which codes
// have.
func plain(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return len(s) < 2 || s[0] != '0' || s[1] == '.'
}

// formatOf chooses the format of a field. It returns how many of its values fit,
// and what is doubtful.
func formatOf(name string, values []string) (f Format, fit int, doubt string) {
	for _, t := range tryouts {
		fit = 0
		for _, s := range values {
			var v cell
			if s != "" && t.looks(s) && v.parse(t.format, []byte(s)) {
				fit++
			}
		}
		if float64(fit) < fitting*float64(len(values)) {
			continue
		}
		switch t.format {
		case Whole:
			return wholeFormat(name, values, fit)
		case Float:
			return floatFormat(name, values, fit)
		}
		return t.format, fit, ""
	}
	return Text, len(values), ""
}

// Unix times from 2001 to 2096.
const (
	firstSecond = 1_000_000_000
	lastSecond  = 4_000_000_000
)

// wholeFormat tells times from other whole numbers: by their size, and by the name
// of the field.
func wholeFormat(name string, values []string, fit int) (Format, int, string) {
	seconds, millis := 0, 0
	for _, s := range values {
		n, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err != nil:
		case n >= firstSecond && n < lastSecond:
			seconds++
		case n >= firstSecond*1000 && n < lastSecond*1000:
			millis++
		}
	}
	for _, t := range []struct {
		format Format
		n      int
	}{{Seconds, seconds}, {Milliseconds, millis}} {
		switch named := namesTime(name); {
		case t.n == fit && named:
			return t.format, fit, ""
		case t.n == fit && fit >= sureLooks && !namesID(name):
			return Whole, fit, "it could be " + t.format.String()
		}
	}
	return Whole, fit, ""
}

// floatFormat tells amounts of money from other numbers.
func floatFormat(name string, values []string, fit int) (Format, int, string) {
	cents := 0
	for _, s := range values {
		if _, behind, ok := strings.Cut(s, "."); ok && len(behind) == 2 && isDecimal([]byte(s)) {
			cents++
		}
	}
	if cents == fit && hasWord(name, "price", "amount", "balance", "cost", "total", "fee", "tax", "revenue", "spent") {
		return DecimalText, fit, ""
	}
	return Float, fit, ""
}

// namesTime reports whether a field's name is that of a time.
func namesTime(name string) bool {
	return hasWord(name, "at", "time", "timestamp", "ts", "date", "day", "login", "logout", "seen", "created", "updated", "modified", "joined",
		"started", "ended", "expires", "expiry", "since", "until", "start", "end", "last", "registered", "born")
}

func namesID(name string) bool { return hasWord(name, "id", "uid", "code", "phone", "number") }

// hasWord reports whether one of a field's words, in snake case, is among words.
func hasWord(name string, words ...string) bool {
	for word := range strings.SplitSeq(snakeCase(name), "_") {
		if slices.Contains(words, word) {
			return true
		}
	}
	return false
}

// mergeSiblings takes guesses together whose templates differ in one literal and
// whose hashes have the same fields.
func (inf *Inference) mergeSiblings() {
	const enough = 3 // of the same fields are no accident
	groups := map[string][]*Guess{}
	var order []string
	for _, g := range inf.Guesses {
		if g.Layout != Columns || len(g.Fields) < 2 {
			continue
		}
		if i := lastWord(g.pieces); i >= 0 {
			s := g.signature(i)
			if groups[s] == nil {
				order = append(order, s)
			}
			groups[s] = append(groups[s], g)
		}
	}
	gone := map[*Guess]bool{}
	for _, s := range order {
		group := groups[s]
		if len(group) < enough {
			continue
		}
		first, at := group[0], lastWord(group[0].pieces)
		var words []string
		for _, g := range group {
			words = append(words, g.pieces[at].literal)
			if g != first {
				first.absorb(g)
				gone[g] = true
			}
		}
		slices.Sort(words)
		first.replace(at, words)
	}
	inf.Guesses = slices.DeleteFunc(inf.Guesses, func(g *Guess) bool { return gone[g] })
}

// lastWord returns which piece is the last literal of a whole part before the
// first capture, -1: there is none, or the template is one key's name.
func lastWord(pieces []piece) int {
	last := -1
	for i, p := range pieces {
		if p.capture {
			return last
		}
		partly := i+1 < len(pieces) && pieces[i+1].capture && pieces[i+1].part == p.part
		if p.part != none && !partly {
			last = i
		}
	}
	return -1
}

// signature is the same for guesses that differ in one literal alone.
func (g *Guess) signature(but int) string {
	var b strings.Builder
	for i, p := range g.pieces {
		switch {
		case i == but:
			b.WriteString(mark)
		case p.capture:
			b.WriteString(mark + mark)
		default:
			b.WriteString(p.literal)
		}
	}
	b.WriteString(g.Type)
	for _, f := range g.Fields {
		b.WriteString(mark + f.Name + mark + f.Format.String())
	}
	return b.String()
}

// absorb adds the keys of another guess.
func (g *Guess) absorb(o *Guess) {
	g.Sampled = append(g.Sampled, o.Sampled...)
	slices.Sort(g.Sampled)
	g.Count += o.Count
	a, b := &g.Looks, &o.Looks
	if n := a.Sized + b.Sized; n > 0 {
		a.Elements = (a.Elements*float64(a.Sized) + b.Elements*float64(b.Sized)) / float64(n)
		a.Sized = n
	}
	if n := a.Weighed + b.Weighed; n > 0 {
		a.Bytes = (a.Bytes*float64(a.Weighed) + b.Bytes*float64(b.Weighed)) / float64(n)
		a.Weighed = n
	}
	a.Most = max(a.Most, b.Most)
	for i := range g.Fields {
		f, more := &g.Fields[i], o.Fields[i]
		f.Seen, f.Fit, f.Looked = f.Seen+more.Seen, f.Fit+more.Fit, f.Looked+more.Looked
	}
}

// replace makes a capture of the literal that stands for words, or of the numbers
// in it where the words differ in nothing else.
func (g *Guess) replace(at int, words []string) {
	_, skeleton := classify(words[0])
	for _, w := range words {
		if _, other := classify(w); other != skeleton {
			skeleton = ""
		}
	}
	p := place{pieces: g.pieces[:at]}
	g.doubts = append(slices.Clip(g.doubts), doubt{captures(p.pieces), fmt.Sprintf("{} stands for %s (%s) whose hashes have the same fields; they could be tables of their own", counted(len(words), "word"), someOf(words))})
	part := g.pieces[at].part
	if skeleton != "" {
		p = p.holes(part, skeleton)
	} else {
		p = p.capture(part, whole, 0)
	}
	g.pieces = append(p.pieces, g.pieces[at+1:]...)
	g.Single = false
}

// counted writes a number with what it counts.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
