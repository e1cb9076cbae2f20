package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxDocument bounds the document, and with it how deep it can nest.
const maxDocument = 64 << 10 // bytes

// A shape says what a node is in the document.
type shape uint8

const (
	text shape = iota + 1
	number
	boolean
	null
	list
	other // nothing that a setting takes
)

// A node is one value of the document.
type node struct {
	shape shape
	text  string // of text, number and boolean as written; of other what it is
	items []node // of a list
}

// A field is one key of the document with its value.
type field struct {
	key   string
	line  int // counted from 1
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
	case bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")):
		return parseJSON(doc)
	}
	return parseYAML(doc)
}

func parseJSON(doc []byte) ([]field, *mistake) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	line := func() int { return 1 + bytes.Count(doc[:d.InputOffset()], []byte("\n")) }
	fail := func(err error) *mistake {
		at, why := line(), "it ends too early"
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at, why = 1+bytes.Count(doc[:min(int(syntax.Offset), len(doc))], []byte("\n")), syntax.Error()
		}
		return &mistake{text: fmt.Sprintf("line %d: not valid JSON: %s", at, why)}
	}

	if _, err := d.Token(); err != nil { // the opening brace
		return nil, fail(err)
	}
	var fields []field
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fail(err)
		}
		f := field{line: line()}
		f.key, _ = key.(string) // the decoder takes nothing else for a key
		if f.value, err = jsonNode(d); err != nil {
			return nil, fail(err)
		}
		fields = append(fields, f)
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, fail(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &mistake{text: fmt.Sprintf("line %d: something follows the end of the JSON object: remove it", line())}
	}
	return fields, nil
}

func jsonNode(d *json.Decoder) (node, error) {
	t, err := d.Token()
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
			n = node{shape: other, text: "a mapping"}
		}
		for d.More() {
			item, err := jsonNode(d)
			if err != nil {
				return node{}, err
			}
			n.items = append(n.items, item)
		}
		_, err := d.Token() // the closing bracket
		return n, err
	}
	return node{shape: null}, nil
}

func parseYAML(doc []byte) ([]field, *mistake) {
	file, err := parser.ParseBytes(doc, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlMistake(err)
	}
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case body != nil:
			return nil, &mistake{text: fmt.Sprintf("line %d: a second document begins: keep one", lineOf(d.Body))}
		default:
			body = d.Body
		}
	}
	var values []*ast.MappingValueNode
	switch body := body.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode:
		values = body.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{body}
	default:
		return nil, &mistake{text: fmt.Sprintf("line %d: the document is not a mapping: write lines such as host: localhost", lineOf(body))}
	}
	fields := make([]field, len(values))
	for i, v := range values {
		fields[i] = field{key: yamlKey(v.Key), line: lineOf(v.Key), value: yamlNode(v.Value)}
	}
	return fields, nil
}

// yamlMistake says where the YAML is wrong and, where the reason cannot quote the
// document, why.
func yamlMistake(err error) *mistake {
	where, why := "", ""
	if syntax, ok := errors.AsType[yaml.Error](err); ok {
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			where = fmt.Sprintf("line %d: ", t.Position.Line)
		}
		if m := syntax.GetMessage(); !strings.Contains(m, `"`) {
			why = ": " + m
		}
	}
	return &mistake{text: where + "not valid YAML" + why}
}

func yamlKey(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	if t := k.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func yamlNode(n ast.Node) node {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return node{shape: null}
	case *ast.StringNode:
		return node{shape: text, text: n.Value}
	case *ast.LiteralNode:
		return node{shape: text, text: n.Value.Value}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return node{shape: number, text: n.GetToken().Value}
	case *ast.BoolNode:
		return node{shape: boolean, text: fmt.Sprint(n.Value)}
	case *ast.SequenceNode:
		l := node{shape: list}
		for _, v := range n.Values {
			l.items = append(l.items, yamlNode(v))
		}
		return l
	case *ast.TagNode, *ast.AnchorNode, *ast.AliasNode:
		return node{shape: other, text: "a YAML tag, anchor or alias (put text that begins with !, & or * in quotes)"}
	}
	return node{shape: other, text: "a mapping"}
}

// lineOf returns the line that n begins in, or 1 where the parser does not tell.
func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}
