package config

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"
)

const (
	maxDocument = 1 << 20 // bytes
	maxNesting  = 1000    // of brackets and lists within each other: the YAML parser's time grows with its square
)

// A shape says what a node is in the document.
type shape uint8

const (
	text shape = iota + 1
	number
	boolean
	null
	list
	mapping
	other // nothing that a setting takes
)

// A node is one value of the document.
type node struct {
	shape  shape
	masked bool    // it is part of what may hold a secret: mistakes do not quote it
	text   string  // of text, number and boolean as written; of other what it is
	items  []node  // of a list
	fields []field // of a mapping
	line   int     // of a mapping, where it begins; as a field's
}

// A field is one key of a mapping with its value.
type field struct {
	key   string
	line  int // counted from 1; 0 within a text
	value node
}

// parse reads the keys and values of doc, in order. JSON is recognized by its
// opening brace. What it returns says nothing of the values in doc.
func parse(doc []byte) ([]field, *mistake) {
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	switch {
	case len(doc) > maxDocument:
		return nil, &mistake{text: fmt.Sprintf("the document has %d bytes: %d is the most a configuration may have", len(doc), maxDocument)}
	case !utf8.Valid(doc):
		return nil, &mistake{text: "the document is not text in UTF-8: save it as UTF-8"}
	case tooDeep(doc):
		return nil, &mistake{text: "the document nests too deep: a [, a { or a - is without its end"}
	case bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")):
		return parseJSON(doc)
	}
	return parseYAML(doc)
}

// tooDeep reports whether doc may nest deeper than maxNesting. It takes brackets
// in texts for brackets.
func tooDeep(doc []byte) bool {
	brackets, marks := 0, 0 // marks: the "- - -" that a line begins with
	for _, c := range doc {
		switch c {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(0, brackets-1)
		case '-', '?':
			marks++
		case '\n':
			marks = 0
		case ' ', '\t':
		default:
			marks = math.MinInt32
		}
		if brackets > maxNesting || marks > maxNesting {
			return true
		}
	}
	return false
}
