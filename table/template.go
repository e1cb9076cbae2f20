package table

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/keylift/keylift/row"
)

// A Template says which keys a table is fed by, and which parts of their names
// become columns: "player:{player_id:int}:profile".
//
// A capture is {name}, {name:type} or {name:type:pattern}. It takes what stands
// before the text that follows it in the template, up to where that first occurs,
// or all that is left. Without a pattern it takes one part: one or more bytes,
// and none of the separators : / . | # that the template itself holds. A pattern
// is a regular expression that the whole of it must match. \{ \} and \\ stand for
// the characters themselves.
type Template struct {
	text     string
	prefix   string // before the first capture
	captures []capture
}

// A capture is one part of a template and the text behind it.
type capture struct {
	name    string
	format  Format
	pattern *regexp.Regexp // nil: one part
	other   byteSet        // what it does not take without a pattern
	then    string         // the text behind it
}

// A byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

const separators = ":/.|#"

// ParseTemplate reads a template. The error is a clause that quotes no more than
// the part that is wrong.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{text: text}
	if text == "" {
		return nil, fmt.Errorf("is empty: write a template such as player:{player_id}")
	}
	literal := func(s string) {
		if n := len(t.captures); n > 0 {
			t.captures[n-1].then += s
		} else {
			t.prefix += s
		}
	}
	for rest := text; rest != ""; {
		switch c := rest[0]; {
		case c == '\\' && len(rest) > 1 && strings.IndexByte(`{}\`, rest[1]) >= 0:
			literal(rest[1:2])
			rest = rest[2:]
		case c == '{':
			end := closing(rest)
			if end < 0 {
				return nil, fmt.Errorf("has no } behind %q: close the capture, or write \\{ for the character", rest)
			}
			if n := len(t.captures); n > 0 && t.captures[n-1].then == "" {
				return nil, fmt.Errorf("has two captures side by side at %q: put text between them, which tells where one ends", rest[:end+1])
			}
			if err := t.capture(rest[1:end]); err != nil {
				return nil, err
			}
			rest = rest[end+1:]
		case c == '}':
			return nil, fmt.Errorf("has a } without { at %q: write \\} for the character", rest)
		default:
			n := 1
			for n < len(rest) && strings.IndexByte(`{}\`, rest[n]) < 0 {
				n++
			}
			literal(rest[:n])
			rest = rest[n:]
		}
	}
	t.separate()
	return t, nil
}

// closing returns where the capture that s begins with ends, -1: nowhere.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// capture adds what stands between braces.
func (t *Template) capture(inner string) error {
	name, rest, typed := strings.Cut(inner, ":")
	c := capture{name: name, format: Text}
	if !columnName.MatchString(name) {
		return fmt.Errorf("has a capture of the name %q: use lower-case letters, digits and _, and no digit at the beginning", name)
	}
	for i := range t.captures {
		if t.captures[i].name == name {
			return fmt.Errorf("captures %q twice: give each its own name", name)
		}
	}
	if typed {
		format, pattern, patterned := strings.Cut(rest, ":")
		var ok bool
		if c.format, ok = ParseFormat(format); !ok {
			return fmt.Errorf("has a capture of the type %q: use one of %s", format, strings.Join(formatNames[1:], ", "))
		}
		if patterned {
			var err error
			if c.pattern, err = regexp.Compile("^(?:" + pattern + ")$"); err != nil {
				return fmt.Errorf("has a capture whose pattern %q is no regular expression: %w", pattern, err)
			}
		}
	}
	t.captures = append(t.captures, c)
	return nil
}

var columnName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// separate tells the captures what they do not take.
func (t *Template) separate() {
	var other byteSet
	note := func(literal string) {
		for i := range len(literal) {
			if strings.IndexByte(separators, literal[i]) >= 0 {
				other.add(literal[i])
			}
		}
	}
	note(t.prefix)
	for i := range t.captures {
		note(t.captures[i].then)
	}
	for i := range t.captures {
		t.captures[i].other = other
	}
}

// String returns the template as it was written.
func (t *Template) String() string { return t.text }

// Match appends to pieces what the captures take of a key's name. It reports
// whether the name matches; otherwise pieces means nothing.
func (t *Template) Match(name []byte, pieces []row.Span) ([]row.Span, bool) {
	if len(name) < len(t.prefix) || string(name[:len(t.prefix)]) != t.prefix {
		return pieces, false
	}
	at := len(t.prefix)
	for i := range t.captures {
		c := &t.captures[i]
		end := len(name)
		switch last := i == len(t.captures)-1; {
		case c.then == "":
		case last:
			if end -= len(c.then); end < at || string(name[end:]) != c.then {
				return pieces, false
			}
		default:
			n := bytes.Index(name[at:], []byte(c.then))
			if n < 0 {
				return pieces, false
			}
			end = at + n
		}
		if !c.takes(name[at:end]) {
			return pieces, false
		}
		pieces = append(pieces, row.Span{Start: at, End: end})
		at = end + len(c.then)
	}
	return pieces, at == len(name)
}

// takes reports whether the capture may take piece.
func (c *capture) takes(piece []byte) bool {
	switch {
	case c.pattern != nil:
		if !c.pattern.Match(piece) {
			return false
		}
	case len(piece) == 0, slices.ContainsFunc(piece, c.other.has):
		return false
	}
	if c.format == Text {
		return true
	}
	var v cell
	return v.parse(c.format, piece)
}

// matchesAll reports whether every key of other matches t, as far as their texts
// tell: false where they do not.
func (t *Template) matchesAll(other *Template) bool {
	if len(t.captures) == 1 && t.captures[0].open() && t.captures[0].then == "" && strings.HasPrefix(other.prefix, t.prefix) {
		return true
	}
	if len(t.captures) != len(other.captures) || t.prefix != other.prefix {
		return false
	}
	for i := range t.captures {
		a, b := &t.captures[i], &other.captures[i]
		wider := a.open() || a.pattern == nil && b.pattern == nil && (a.format == Text || a.format == b.format) ||
			a.pattern != nil && b.pattern != nil && a.pattern.String() == b.pattern.String() && (a.format == Text || a.format == b.format)
		if a.then != b.then || !wider {
			return false
		}
	}
	return true
}

// open reports whether the capture takes anything.
func (c *capture) open() bool {
	return c.format == Text && c.pattern != nil && c.pattern.String() == "^(?:.*)$"
}
