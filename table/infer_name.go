package table

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/keylift/keylift/row"
)

// Names of tables, columns and captures, and the templates' texts.

// taken holds names that are in use.
type taken map[string]bool

// unique returns name, or name with a number behind it, and takes it.
func (t taken) unique(name string) string {
	found := name
	for n := 2; t[found]; n++ {
		suffix := "_" + strconv.Itoa(n)
		found = name[:min(len(name), maxName-len(suffix))] + suffix
	}
	t[found] = true
	return found
}

const maxName = 63 // bytes, as PostgreSQL has it

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf returns text as a name: lower snake_case. It is empty where nothing is left.
func nameOf(text string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(snakeCase(text)), "_"), "_")
	if name != "" && isDigit(name[0]) {
		name = "_" + name
	}
	return strings.TrimRight(name[:min(len(name), maxName)], "_")
}

// reserved are the columns that a table has beside captures and fields.
func (g *Guess) reserved() taken {
	t := taken{"key": true, "database": true, extraColumn: true}
	var names []string
	switch g.Layout {
	case Values:
		names = []string{"value", "data_type", "ttl", "expires_at", "last_modified", "size"}
	case Elements:
		names = []string{"field", "value", "position", "member", "score", "rank", "id", "ts", "fields", "expires_at"}
	}
	for _, n := range names {
		t[n] = true
	}
	return t
}

// settleTemplate names columns and captures and writes the template.
func (inf *Inference) settleTemplate(g *Guess) {
	names := g.reserved()
	for i := range g.Fields {
		f := &g.Fields[i]
		name := nameOf(f.Name)
		if name == "" {
			name = "field"
		}
		if names[name] {
			name += "_field"
		}
		f.Column = names.unique(name)
	}
	var text strings.Builder
	var called []string
	for i, p := range g.pieces {
		if !p.capture {
			text.WriteString(literalEscaper.Replace(p.literal))
			continue
		}
		v := inf.valuesOf(g, p)
		name := v.name(wordBefore(g.pieces[:i]))
		if names[name] && !slices.Contains(called, name) {
			name = "key_" + name
		}
		name = names.unique(name)
		called = append(called, name)
		text.WriteString("{" + name + v.suffix(g.pieces) + "}")
	}
	g.Keys = text.String()
	for _, d := range g.doubts {
		g.Unsure = append(g.Unsure, strings.Replace(d.text, "{}", "{"+called[d.capture]+"}", 1))
	}
	if missed := inf.missed(g); missed > 0 {
		g.Unsure = append(g.Unsure, fmt.Sprintf("%d of %d keys of the sample do not match the template", missed, len(g.Sampled)))
	}
}

var literalEscaper = strings.NewReplacer(`\`, `\\`, "{", `\{`, "}", `\}`)

// missed counts the keys of a guess that its template does not match.
func (inf *Inference) missed(g *Guess) (n int) {
	t, err := ParseTemplate(g.Keys)
	if err != nil {
		return len(g.Sampled)
	}
	var spans []row.Span
	for _, k := range g.Sampled {
		var ok bool
		if spans, ok = t.Match([]byte(inf.keys[k].Name), spans[:0]); !ok {
			n++
		}
	}
	return n
}

// captured is what the values of one capture have in common.
type captured struct {
	forms  [formBinary + 1]int
	padded bool // a number with leading zeros, or too long for an INT
	bytes  byteSet
}

func (inf *Inference) valuesOf(g *Guess, p piece) *captured {
	c := &captured{}
	for _, k := range g.Sampled {
		part := &inf.parts[k][p.part]
		text, f := part.text[p.prefix:], part.form
		switch {
		case p.prefix > 0:
			f, _ = classify(text)
		case p.hole != whole:
			n := p.hole
			for _, s := range segmentsOf(part.text) {
				if s.form == formWord {
					continue
				}
				if n == 0 {
					text, f = s.text, s.form
					break
				}
				n--
			}
		}
		c.forms[f]++
		if f == formInt && (len(text) > 18 || len(text) > 1 && text[0] == '0') {
			c.padded = true
		}
		for i := range len(text) {
			c.bytes.add(text[i])
		}
	}
	return c
}

// all reports whether all values have one of the forms.
func (c *captured) all(forms ...form) bool {
	for f, n := range c.forms {
		if n > 0 && !slices.Contains(forms, form(f)) {
			return false
		}
	}
	return true
}

// name returns the name of the capture behind a word.
func (c *captured) name(word string) string {
	switch {
	case c.all(formDate):
		return "date"
	case c.all(formMonth):
		return "month"
	case c.all(formTime, formDate):
		return "time"
	}
	id := c.forms[formWord] == 0
	switch {
	case word == "" && id:
		return "id"
	case word == "":
		return "name"
	case id && !strings.HasSuffix(word, "_id") && word != "id":
		return word + "_id"
	}
	return word
}

// suffix returns the type and the pattern of the capture, as a template has them.
func (c *captured) suffix(pieces []piece) string {
	if c.all(formInt) && !c.padded {
		return ":int"
	}
	for _, p := range pieces {
		for i := range len(p.literal) {
			if b := p.literal[i]; strings.IndexByte(separators, b) >= 0 && c.bytes.has(b) {
				return ":string:(?s:.+)" // a value holds a separator of the template
			}
		}
	}
	if c.all(formDate, formMonth) {
		return ":string:[0-9-]+"
	}
	return ""
}

// wordBefore returns the last word among pieces, in the singular.
func wordBefore(pieces []piece) string {
	for _, p := range slices.Backward(pieces) {
		if !p.capture {
			if name := nameOf(p.literal); name != "" {
				return singular(name)
			}
		}
	}
	return ""
}

// settleNames names the tables after the words of their templates.
func (inf *Inference) settleNames() {
	for _, g := range inf.Guesses {
		var words []string
		for _, p := range g.pieces {
			name := strings.TrimPrefix(nameOf(p.literal), "_")
			switch last := len(words) - 1; {
			case p.capture && last >= 0:
				words[last] = singular(words[last])
			case name != "":
				words = append(words, name)
			}
		}
		if len(words) == 0 {
			words = []string{"key"}
		}
		if last := len(words) - 1; !g.Single {
			words[last] = plural(words[last])
		}
		name := nameOf(strings.Join(words, "_"))
		if g.Typed && inf.names[name] {
			name = nameOf(name + "_" + g.Type)
		}
		g.Name = inf.names.unique(name)
	}
}

// alone are words that have no plural of their own.
var alone = []string{"data", "info", "metadata", "history", "news", "meta", "status", "progress", "access", "address"}

func lastOf(name string) string { return name[strings.LastIndexByte(name, '_')+1:] }

func plural(name string) string {
	last := lastOf(name)
	switch {
	case slices.Contains(alone, last), strings.HasSuffix(last, "s"), last == "":
		return name
	case strings.HasSuffix(last, "y") && len(last) > 1 && strings.IndexByte("aeiou", last[len(last)-2]) < 0:
		return name[:len(name)-1] + "ies"
	case strings.HasSuffix(last, "x"), strings.HasSuffix(last, "z"), strings.HasSuffix(last, "ch"), strings.HasSuffix(last, "sh"):
		return name + "es"
	}
	return name + "s"
}

func singular(name string) string {
	last := lastOf(name)
	switch {
	case slices.Contains(alone, last), len(last) < 4:
		return name
	case strings.HasSuffix(last, "ies") && len(last) > 4:
		return name[:len(name)-3] + "y"
	case strings.HasSuffix(last, "xes"), strings.HasSuffix(last, "ches"), strings.HasSuffix(last, "shes"), strings.HasSuffix(last, "sses"):
		return name[:len(name)-2]
	case strings.HasSuffix(last, "s") && !strings.HasSuffix(last, "ss") && !strings.HasSuffix(last, "us") && !strings.HasSuffix(last, "is"):
		return name[:len(name)-1]
	}
	return name
}
