package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A given is what one place says about one setting.
type given struct {
	name  string // what the user called it: "port", "--port", "password_file", "url"
	part  string // of a url: the key of the setting that it holds; else ""
	line  int    // in the document; 0 for a flag
	at    int    // for the order of mistakes
	file  string // that the value was read from; "": from none
	value node
}

// label is the name that mistakes begin with.
func (g given) label() string {
	if g.part != "" {
		return g.part + " in " + g.name
	}
	return g.name
}

// failed is g without its value, which is wrong.
func (g given) failed() given {
	g.value = node{shape: null}
	return g
}

// origin says where the value comes from, for Print.
func (g given) origin() string {
	if g.line > 0 {
		return fmt.Sprintf("%s in line %d", g.name, g.line)
	}
	return g.name
}

// A layer holds what the document, or the flags, say, by key. Files are read, and
// a url is taken apart into the settings it stands for; what is left under "url"
// is the path of a unix socket. A setting whose value is wrong is there with null.
type layer map[string]given

// document makes a layer of the document's fields.
func (l *loader) document(fields []field) layer {
	doc, seen := layer{}, map[string]given{}
	l.tables = slices.ContainsFunc(fields, func(f field) bool { return f.key == "tables" })
	for i, f := range fields {
		g := given{name: f.key, line: f.line, at: i, value: f.value}
		if first, ok := seen[f.key]; ok {
			l.wrong(g, "is given twice, first in line %d: keep one", first.line)
			continue
		}
		seen[f.key] = g
		s := lookup(settings, f.key)
		if s == nil {
			l.unknown(g)
			continue
		}
		value, err := expand(f.value)
		if err != nil {
			l.wrong(g, "%v", err)
			doc[s.Key] = g.failed()
			continue
		}
		g.value = value
		doc.put(s, g)
	}
	l.resolve(doc)
	return doc
}

// overrides makes a layer of the flags.
func (l *loader) overrides(all []Override) layer {
	flags := layer{}
	for i, o := range all {
		name := flagName(o.Key)
		if l.form {
			name = o.Key
		}
		g := given{name: name, at: flagsAt + i, value: node{shape: text, text: o.Value}}
		s := lookup(settings, o.Key)
		if s == nil {
			l.unknown(g)
			continue
		}
		if first, ok := flags[o.Key]; ok {
			if !s.List {
				l.wrong(g, "is given twice: keep one")
				continue
			}
			if first.value.shape != list {
				first.value = node{shape: list, items: []node{first.value}}
			}
			first.value.items = append(first.value.items, g.value)
			g = first
		}
		flags.put(s, g)
	}
	l.resolve(flags)
	return flags
}

// put keeps g unless it is empty, which is as good as absent.
func (y layer) put(s *setting[Config], g given) {
	if g.value.shape == null || g.value.shape == text && g.value.text == "" {
		return
	}
	y[s.Key] = g
}

func (l *loader) unknown(g given) {
	name := strings.TrimLeft(g.name, "-")
	what := "see keylift config schema for those there are"
	near := nearest(name, keysOf(settings))
	switch {
	case g.line > 0 && (l.tables && lookup(columnSettings, name) != nil || lookup(tableSettings, name) != nil && (l.tables || near != "username")):
		what = "it is a key of a table: indent it under tables"
	case near != "":
		what = "did you mean " + near + "?"
		l.named = l.named || near == "host" || near == "url"
	}
	g.name = "unknown key " + holds(node{shape: text, text: name}) + ":"
	l.wrong(g, "%s", what)
}

// inside adds what is wrong inside of what g holds.
func (l *loader) inside(g given, wrong within) {
	for _, w := range wrong {
		at := g
		at.name += w.path
		if w.line > 0 {
			at.line = w.line
		}
		if w.unknown == "" {
			l.wrong(at, "%s", w.text)
			continue
		}
		what := "write " + alternatives(w.known)
		near := nearest(w.unknown, w.known)
		switch {
		case lookup(tableSettings, w.unknown) != nil:
			what = "it is a key of the table itself"
		case lookup(columnSettings, w.unknown) != nil:
			what = "it is a key of a column, in columns"
		case near != "":
			what = "did you mean " + near + "?"
		case lookup(settings, w.unknown) != nil:
			what = "it is a key of the configuration itself, beside tables"
		}
		path := at.name
		at.name = "unknown key " + holds(node{shape: text, text: w.unknown}) + " in " + path + ":"
		l.wrong(at, "%s", what)
	}
}

// resolve reads the files that hold secrets and takes a url apart.
func (l *loader) resolve(y layer) {
	for i := range settings {
		s := &settings[i]
		g, ok := y[s.Key]
		if s.fileOf == "" || !ok {
			continue
		}
		delete(y, s.Key)
		if direct, ok := y[s.fileOf]; ok {
			l.wrong(g, "cannot be given beside %s: keep one of them", direct.name)
			continue
		}
		y[s.fileOf] = l.readFile(g)
	}
	if g, ok := y["url"]; ok && g.value.shape != null {
		delete(y, "url")
		l.resolveURL(y, g)
	}
}

// readFile returns g with the text of the file that it names.
func (l *loader) readFile(g given) given {
	if g.value.shape == null {
		return g
	}
	if g.value.shape != text {
		l.wrong(g, "holds %s: write the path of a file", holds(g.value))
		return g.failed()
	}
	secret, err := readSecret(g.value.text)
	if err != nil {
		l.wrong(g, "holds %s: %v", holds(g.value), err)
		return g.failed()
	}
	g.file, g.value = g.value.text, node{shape: text, text: secret}
	return g
}

// resolveURL puts the parts of a url where the settings are that it stands for.
func (l *loader) resolveURL(y layer, g given) {
	if g.value.shape != text {
		l.wrong(g, "holds %s: write %s", holdsSecret(g.value), urlForms)
		y["url"] = g.failed()
		return
	}
	parts, err := parseURL(g.value.text)
	if err != nil {
		l.wrong(g, "%v", err)
		y["url"] = g.failed()
		return
	}
	for _, p := range parts {
		if beside, ok := y[p.key]; ok {
			l.wrong(beside, "cannot be given beside %s, which decides it: keep one of them", g.name)
			continue
		}
		held := g
		held.part, held.value = p.key, node{shape: text, text: p.text, masked: p.key == "database"}
		y.put(lookup(settings, p.key), held)
	}
}

// merge lets flags take the place of what the document says. A url on the command
// line is another server: nothing of how to reach the document's is left.
func merge(doc, flags layer) layer {
	all := maps.Clone(doc)
	without := func(keys ...string) {
		for _, key := range keys {
			delete(all, key)
		}
	}
	if _, ok := flags["host"]; ok {
		without("url", "sentinel_name")
		without(ofSentinels...)
	}
	if _, ok := flags["sentinel_name"]; ok {
		without("url", "host", "port", "nodes")
	}
	if flags["host"].part != "" || flags["url"].part != "" {
		without("url", "host", "port", "ssl", "username", "password", "password_command", "password_refresh", "sentinel_name")
		without(ofSentinels...)
	}
	if g, ok := flags["password"]; ok && g.file == "" && all["username"].file == "" {
		without("password_refresh") // of what the flag replaces
	}
	for key, other := range map[string]string{"password": "password_command", "password_command": "password"} {
		if _, ok := flags[key]; ok {
			delete(all, other)
		}
	}
	maps.Copy(all, flags)
	return all
}

// settle parses every setting into a Config, by default where it is not given.
func (l *loader) settle(all layer) *Config {
	c := &Config{origins: map[string]string{}, files: map[string]secretFile{}}
	for i := range settings {
		s := &settings[i]
		if s.value == nil {
			continue
		}
		g, ok := all[s.Key]
		switch {
		case ok && g.value.shape == null, !ok && s.Default == "":
			continue
		case ok:
			c.origins[s.Key] = g.origin()
			if g.file != "" {
				c.files[s.Key] = secretFile{setting: g.name, file: g.file, part: g.part}
			}
		default:
			g.value = node{shape: text, text: s.Default}
		}
		if err := s.value.load(c, g.value); err != nil {
			if wrong, ok := errors.AsType[within](err); ok {
				l.inside(g, wrong)
			} else {
				l.wrong(g, "%v", err)
			}
			all[s.Key] = g.failed()
		}
	}
	return c
}
