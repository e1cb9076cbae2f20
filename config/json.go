package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A jsonReader reads nodes from a JSON text.
type jsonReader struct {
	*json.Decoder
	doc     []byte
	counted int // bytes of doc whose lines are counted
	line    int // of counted; 0: lines do not matter
}

func newJSONReader(doc []byte, line int) *jsonReader {
	r := &jsonReader{Decoder: json.NewDecoder(bytes.NewReader(doc)), doc: doc, line: line}
	r.UseNumber()
	return r
}

// at returns the line of the last token.
func (r *jsonReader) at() int {
	if end := int(r.InputOffset()); r.line > 0 {
		r.line += bytes.Count(r.doc[r.counted:end], []byte("\n"))
		r.counted = end
	}
	return r.line
}

func (r *jsonReader) node() (node, error) {
	t, err := r.Token()
	if err != nil {
		return node{}, err
	}
	switch t := t.(type) {
	case string:
		return node{shape: text, text: t}, nil
	case json.Number:
		return node{shape: number, text: t.String()}, nil
	case bool:
		return node{shape: boolean, text: fmt.Sprint(t)}, nil
	case json.Delim:
		n := node{shape: list}
		if t == '{' {
			n = node{shape: mapping, line: r.at()}
		}
		for r.More() {
			if err := r.member(&n); err != nil {
				return node{}, err
			}
		}
		_, err := r.Token() // the closing bracket
		return n, err
	}
	return node{shape: null}, nil
}

// member adds the next element, or key and value, to n.
func (r *jsonReader) member(n *node) error {
	var f field
	if n.shape == mapping {
		key, err := r.Token()
		if err != nil {
			return err
		}
		f.key, _ = key.(string) // the decoder takes nothing else for a key
		f.line = r.at()
	}
	value, err := r.node()
	switch {
	case err != nil:
		return err
	case n.shape == mapping:
		f.value = value
		n.fields = append(n.fields, f)
	default:
		n.items = append(n.items, value)
	}
	return nil
}

// end reports whether nothing but space follows.
func (r *jsonReader) end() bool {
	_, err := r.Token()
	return errors.Is(err, io.EOF)
}

// whyJSON says what is wrong with a JSON text, and where: at a byte, or -1.
func whyJSON(err error) (why string, offset int) {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return syntax.Error(), int(syntax.Offset)
	}
	return "it ends too early", -1
}

func parseJSON(doc []byte) ([]field, *mistake) {
	r := newJSONReader(doc, 1)
	n, err := r.node()
	switch {
	case err != nil:
		why, offset := whyJSON(err)
		line := r.at()
		if offset >= 0 {
			line = 1 + bytes.Count(doc[:min(offset, len(doc))], []byte("\n"))
		}
		return nil, &mistake{text: fmt.Sprintf("line %d: not valid JSON: %s; check quotes, commas and brackets", line, why)}
	case !r.end():
		return nil, &mistake{text: fmt.Sprintf("line %d: something follows the end of the JSON object: remove it", r.at())}
	}
	return n.fields, nil
}

// parseText reads a JSON list that a text holds. The error is a clause;
// errNotAllowed where the text is no attempt at a list.
func parseText(s string) (node, error) {
	doc := []byte(s)
	if !bytes.HasPrefix(bytes.TrimSpace(doc), []byte("[")) {
		return node{}, errNotAllowed
	}
	if tooDeep(doc) {
		return node{}, errors.New("is no list in JSON: it nests too deep")
	}
	r := newJSONReader(doc, 0)
	n, err := r.node()
	switch {
	case err != nil:
		why, _ := whyJSON(err)
		return node{}, errors.New("is no list in JSON: " + why)
	case !r.end():
		return node{}, errors.New("is no list in JSON: something follows its end")
	}
	return n, nil
}
