package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
)

// tablesYAML returns the part of a configuration that makes tables of a sample's
// templates.
func tablesYAML(s *source.Sample, o source.SampleOptions) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("# Suggested by keylift discover: %s (seed %d).", extent(s), o.Seed)
	line("# The first template that a key matches takes it.")
	tables := 0
	for _, g := range s.Tables.InOrder() {
		if !worthTable(g) {
			continue
		}
		if tables++; tables == 1 {
			line("tables:")
		}
		line("  - name: %s", g.Name)
		line("    keys: %s", yamlText(g.Keys))
		line("    layout: %s", g.Layout)
		if known(g.Type) && (g.Layout != table.Values || g.Typed) {
			line("    type: %s", g.Type)
		}
		if len(g.Fields) > 0 {
			line("    columns:")
		}
		for _, f := range g.Fields {
			name := ""
			if f.Column != f.Name {
				name = ", name: " + f.Column
			}
			line("      - {field: %s%s, type: %s}", yamlText(f.Name), name, f.Format)
		}
		for _, u := range g.Unsure {
			line("    # unsure: %s", visible(u))
		}
	}
	line("unmatched: table")
	return b.String()
}

// yamlText writes s as a configuration does, in which $$ is a dollar sign.
func yamlText(s string) string { return strconv.Quote(strings.ReplaceAll(s, "$", "$$")) }

// known reports whether a table can be restricted to a type.
func known(kind string) bool {
	switch kind {
	case "string", "hash", "list", "set", "zset", "stream", "json", "timeseries":
		return true
	}
	return false
}
