package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A listing is a list of mappings of which each fills a C by the same settings.
type listing[C any] struct {
	allowed  string // what may be written, after "write "
	settings []setting[C]
	naming   string // key of the setting that names an element, and differs in each
	fold     bool   // names that differ in the case of letters alone are the same
	// check says what several keys of an element have to do with each other, and
	// fills in what follows from others.
	check func(c *C, r *element)
}

// within is what is wrong inside of a value.
type within []clause

func (w within) Error() string {
	all := make([]string, len(w))
	for i, c := range w {
		all[i] = c.path + " " + c.text
	}
	return strings.Join(all, "\n")
}

// A clause is one thing that is wrong inside of a value.
type clause struct {
	path string // from the setting on: "[players].type"
	line int    // 0: within a text
	text string // follows the path
	// Of a key that is unknown, in place of text: the key and those of its mapping.
	unknown string
	known   []string
}

// kind returns the kind of values that are such lists. A text holds one in JSON.
func (y listing[C]) kind() kind[[]C] {
	return kind[[]C]{
		allowed: y.allowed,
		schema:  y.schema(),
		parse:   y.parse,
		show: func(all []C) any {
			rows := make([]ordered, len(all))
			for i := range all {
				rows[i] = y.print(&all[i])
			}
			return rows
		},
	}
}

func (y listing[C]) parse(n node) ([]C, error) {
	if n.shape == text {
		var err error
		switch n, err = parseText(n.text); {
		case errors.Is(err, errNotAllowed):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%w: write %s", err, y.allowed)
		}
	}
	if n.shape != list {
		return nil, errNotAllowed
	}
	var all []C
	var wrong within
	names := map[string]bool{}
	for i, item := range n.items {
		r := &element{path: "[" + strconv.Itoa(i) + "]", line: item.line, given: map[string]given{}}
		if item.shape != mapping {
			r.add("", 0, "holds %s: write %s", holds(item), y.allowed)
			wrong = append(wrong, r.wrong...)
			continue
		}
		name := y.name(item)
		if name != "" {
			r.path = "[" + label(name) + "]"
		}
		if y.fold {
			name = strings.ToLower(name)
		}
		c := y.read(item, r)
		if name != "" && names[name] {
			r.add("."+y.naming, r.given[y.naming].line, "is that of another before it: give each its own")
		}
		names[name] = true
		all, wrong = append(all, c), append(wrong, r.wrong...)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return all, nil
}

// name returns what n is called in mistakes, "" if it has no name.
func (y listing[C]) name(n node) string {
	for _, f := range n.fields {
		if f.key == y.naming && f.value.shape != list && f.value.shape != mapping {
			return f.value.text
		}
	}
	return ""
}

// label writes a name that stands in a path, in quotes unless it is a plain word.
func label(name string) string {
	name = shorten(redact(name))
	if strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz_-0123456789:") == "" && strings.Trim(name, "0123456789") != "" {
		return name
	}
	return strconv.Quote(name)
}

// An element is one mapping of a listing while it is read.
type element struct {
	path  string
	line  int
	given map[string]given
	wrong within
}

func (r *element) add(path string, line int, format string, args ...any) {
	if line == 0 {
		line = r.line
	}
	r.wrong = append(r.wrong, clause{path: r.path + path, line: line, text: fmt.Sprintf(format, args...)})
}

// about adds a mistake about a key, unless what it holds is wrong in itself.
func (r *element) about(key, format string, args ...any) {
	g, ok := r.given[key]
	if !ok || g.value.shape != null {
		r.add("."+key, g.line, format, args...)
	}
}

// sound reports whether what the keys hold is right, or by default.
func (r *element) sound(keys ...string) bool {
	for _, key := range keys {
		if g, ok := r.given[key]; ok && g.value.shape == null {
			return false
		}
	}
	return true
}

// read returns the C that a mapping describes.
func (y listing[C]) read(n node, r *element) C {
	var c C
	seen := map[string]int{} // lines
	for _, f := range n.fields {
		s := lookup(y.settings, f.key)
		first, again := seen[f.key]
		seen[f.key] = f.line
		switch {
		case s == nil:
			r.wrong = append(r.wrong, clause{path: r.path, line: f.line, unknown: f.key, known: keysOf(y.settings)})
		case again && first > 0:
			r.add("."+f.key, f.line, "is given twice, first in line %d: keep one", first)
		case again:
			r.add("."+f.key, f.line, "is given twice: keep one")
		case f.value.shape == null, f.value.shape == text && f.value.text == "" && !s.empty:
			// As good as absent.
		default:
			r.given[f.key] = given{line: f.line, value: f.value}
			y.load(s, &c, r)
		}
	}
	for i := range y.settings {
		s := &y.settings[i]
		if _, ok := r.given[s.Key]; ok {
			continue
		}
		if s.required {
			r.add("."+s.Key, 0, "is missing: write %s", s.value.describe())
			r.given[s.Key] = given{line: r.line, value: node{shape: null}}
		}
		if s.Default != "" {
			_ = s.value.load(&c, node{shape: text, text: s.Default}) // a default is right
		}
	}
	if y.check != nil {
		y.check(&c, r)
	}
	return c
}

// load fills in what r is given for s.
func (y listing[C]) load(s *setting[C], c *C, r *element) {
	g := r.given[s.Key]
	err := s.value.load(c, g.value)
	if err == nil {
		return
	}
	r.given[s.Key] = g.failed()
	inner, ok := errors.AsType[within](err)
	if !ok {
		r.add("."+s.Key, g.line, "%v", err)
	}
	for _, w := range inner {
		w.path = r.path + "." + s.Key + w.path
		if w.line == 0 {
			w.line = g.line
		}
		r.wrong = append(r.wrong, w)
	}
}

// print returns what c holds by key, without what is empty.
func (y listing[C]) print(c *C) ordered {
	var all ordered
	for i := range y.settings {
		s := &y.settings[i]
		switch v := s.value.print(c).(type) {
		case nil:
		case string:
			if v != "" || s.empty {
				all = append(all, property{s.Key, v})
			}
		case []ordered:
			if len(v) > 0 {
				all = append(all, property{s.Key, v})
			}
		default:
			all = append(all, property{s.Key, v})
		}
	}
	return all
}

// schema returns the JSON Schema of such a list.
func (y listing[C]) schema() map[string]any {
	var defaults C
	var required []string
	for i := range y.settings {
		s := &y.settings[i]
		if s.Default != "" {
			_ = s.value.load(&defaults, node{shape: text, text: s.Default}) // a default is right
		}
		if s.required {
			required = append(required, s.Key)
		}
	}
	one := map[string]any{
		"type": "object", "additionalProperties": false, "required": required,
		"properties": properties(y.settings, &defaults),
	}
	return map[string]any{"anyOf": []map[string]any{{"type": "array", "items": one}, {"type": "string"}}}
}
