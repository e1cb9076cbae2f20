package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// An Error lists what is wrong with a configuration, in the order of the
// document, then of the flags. It never holds a secret.
type Error struct {
	Mistakes []string // one sentence each
}

func (e *Error) Error() string { return strings.Join(e.Mistakes, "\n") }

// A mistake is one sentence and where its cause stands.
type mistake struct {
	at   int
	text string
}

const (
	flagsAt = 1 << 20     // flags follow the document
	wholeAt = math.MaxInt // what concerns the configuration as a whole comes last
)

// A loader collects mistakes on the way from a document to a Config.
type loader struct {
	needServer bool // it is a mistake to name none
	form       bool // overrides are a form's fields, not flags
	tables     bool // the document has tables
	named      bool // a mistyped key is to name the server
	mistakes   []mistake
}

func (l *loader) err() error {
	slices.SortStableFunc(l.mistakes, func(a, b mistake) int { return cmp.Compare(a.at, b.at) })
	e := &Error{}
	for _, m := range l.mistakes {
		e.Mistakes = append(e.Mistakes, m.text)
	}
	return e
}

// wrong adds a mistake about g; the sentence follows the name of its key.
func (l *loader) wrong(g given, format string, args ...any) {
	sentence := g.label() + " " + fmt.Sprintf(format, args...)
	if g.line > 0 {
		sentence = fmt.Sprintf("line %d: %s", g.line, sentence)
	}
	l.mistakes = append(l.mistakes, mistake{g.at, sentence})
}

// isWrong reports whether there is a mistake about g.
func (l *loader) isWrong(g given) bool {
	return slices.ContainsFunc(l.mistakes, func(m mistake) bool { return m.at == g.at })
}

// holds describes a value without what may be a password in it.
func holds(n node) string {
	if n.masked {
		return holdsSecret(node{shape: n.shape})
	}
	switch n.shape {
	case text:
		return strconv.Quote(shorten(redact(n.text)))
	case number, boolean:
		return shorten(n.text)
	case null:
		return "nothing"
	case list:
		if len(n.items) == 0 {
			return "an empty list"
		}
		return "a list"
	case mapping:
		return "a mapping"
	}
	return n.text
}

// holdsSecret describes a value by its shape alone.
func holdsSecret(n node) string {
	switch n.shape {
	case text:
		return "text"
	case number:
		return "a number"
	case boolean:
		return "a boolean"
	}
	return holds(n)
}

// redact masks what stands before the host in an address, and what follows a
// question mark in a url.
func redact(s string) string {
	scheme, rest, isURL := strings.Cut(s, "://")
	if isURL {
		scheme += "://"
	} else {
		scheme, rest = "", s
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = mask + rest[i:]
	}
	if i := strings.IndexByte(rest, '?'); isURL && i >= 0 {
		rest = rest[:i+1] + mask
	}
	return scheme + rest
}

// shorten cuts what is too long to read in a sentence.
func shorten(s string) string {
	const most = 60
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}

// nearest returns the known key that an unknown one most likely means, or "".
func nearest(unknown string, known []string) string {
	unknown = strings.ReplaceAll(strings.ToLower(unknown), "-", "_")
	best, least := "", math.MaxInt
	for _, key := range known {
		d := distance(unknown, key)
		if len(unknown) > 3 && (strings.Contains(key, unknown) || strings.Contains(unknown, key)) {
			d = min(d, 1)
		}
		if d < least {
			best, least = key, d
		}
	}
	if least > max(2, len(unknown)/3) {
		return ""
	}
	return best
}

// distance returns how many bytes must be inserted, removed or replaced to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
