package torture

import (
	"encoding/json"
	"strconv"
	"strings"
)

// A Table is a table that keys feed whose names match its template: the prefix of a
// family and one capture, n.
type Table struct {
	Name    string   `json:"name"`
	Keys    string   `json:"keys"`
	Layout  string   `json:"layout,omitempty"`
	Type    string   `json:"type,omitempty"`
	Columns []Column `json:"columns,omitempty"`
	Fields  string   `json:"new_fields,omitempty"`
	History bool     `json:"history,omitempty"`
	Trim    string   `json:"trim,omitempty"`
}

// template returns the text before the capture, and whether that takes whole numbers
// alone.
func (t *Table) template() (prefix string, whole bool) {
	prefix, capture, _ := strings.Cut(t.Keys, "{")
	return prefix, capture == "n:int}"
}

// A Column is a column for a field.
type Column struct {
	Field string `json:"field"`
	Type  string `json:"type,omitempty"`
}

func tablesJSON(tables []Table) string {
	text, err := json.Marshal(tables)
	if err != nil {
		panic(err) // texts and truth values always marshal
	}
	return string(text)
}

// tables chooses tables. One time in three there are none.
func (p *planner) tables() []Table {
	if p.one(3) {
		return nil
	}
	var all []Table
	for _, f := range families {
		if p.one(3) {
			continue
		}
		t := Table{Name: strings.TrimSuffix(f.prefix, ":") + "s", Keys: f.prefix + "{n}", History: p.one(2)}
		if p.one(3) {
			t.Keys = f.prefix + "{n:int}"
		}
		switch {
		case p.one(4) || f.kind == "string":
			t.Layout, t.Type = "value", pick(p.random, "", f.kind)
		case f.prefix == "player:":
			t.Layout = "columns"
			for _, c := range []Column{{"level", "int"}, {"name", ""}, {"rating", "double"}, {"seen", "unix_s"}} {
				if !p.one(4) {
					t.Columns = append(t.Columns, c)
				}
			}
			if len(t.Columns) == 0 {
				t.Columns = []Column{{"f1", "string"}}
			}
		default:
			t.Layout, t.Type = "elements", f.kind
			if f.kind == "stream" {
				t.Trim = pick(p.random, "keep", "mirror")
			}
		}
		all = append(all, t)
	}
	return all
}

// takes reports whether a key feeds the table, and what the capture takes of its
// name.
func (t *Table) takes(key, kind string) (capture string, ok bool) {
	prefix, whole := t.template()
	capture, ok = strings.CutPrefix(key, prefix)
	if !ok || capture == "" || strings.Contains(capture, ":") {
		return "", false
	}
	if whole {
		if _, err := strconv.ParseInt(capture, 10, 64); err != nil || capture[0] == '+' {
			return "", false
		}
	}
	switch t.Layout {
	case "columns":
		return capture, kind == "hash"
	case "value":
		return capture, t.Type == "" || t.Type == kind
	}
	return capture, kind == t.Type
}
