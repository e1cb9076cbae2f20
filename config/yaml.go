package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

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
	if _, empty := body.(*ast.NullNode); body == nil || empty {
		return nil, nil
	}
	n := yamlNode(body)
	if n.shape != mapping {
		return nil, &mistake{text: fmt.Sprintf("line %d: the document is not a mapping: write lines such as host: localhost", lineOf(body))}
	}
	return n.fields, nil
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
	return &mistake{text: where + "not valid YAML" + why + "; check indentation and quotes"}
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
	case *ast.MappingNode:
		return yamlMapping(n, n.Values)
	case *ast.MappingValueNode:
		return yamlMapping(n, []*ast.MappingValueNode{n})
	case *ast.TagNode, *ast.AnchorNode, *ast.AliasNode:
		return node{shape: other, text: "a YAML tag, anchor or alias (put text that begins with !, & or * in quotes)"}
	}
	return node{shape: other, text: "what no setting takes"}
}

func yamlMapping(n ast.Node, values []*ast.MappingValueNode) node {
	m := node{shape: mapping, line: lineOf(n)}
	for _, v := range values {
		m.fields = append(m.fields, field{key: yamlKey(v.Key), line: lineOf(v.Key), value: yamlNode(v.Value)})
	}
	if len(m.fields) > 0 {
		m.line = m.fields[0].line // a mapping's own token is its first colon
	}
	return m
}

// lineOf returns the line that n begins in, or 1 where the parser does not tell.
func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}
