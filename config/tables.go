package config

import (
	"slices"
	"strings"
)

// A Table is fed by the keys that match a template.
type Table struct {
	Name      string
	Keys      string // the template, as it is written: nothing here knows its grammar
	Layout    string // "value", "columns" or "elements"
	Type      string // of the keys, as typeNames has it; "" with layout value: any
	Columns   []Column
	NewFields string // "extra" or "add" with layout columns; else ""
	History   bool
	Trim      string // "keep" or "mirror" with layout elements of streams and time series; else ""
}

// A Column holds one field of hashes, JSON objects or stream entries.
type Column struct {
	Field   string
	Name    string // "" follows from Field
	Type    string // as columnTypes has it
	Default *string
}

var (
	tableTypes   = []string{"string", "hash", "list", "set", "zset", "stream", "json", "timeseries"}
	columnsTypes = []string{"hash", "json"}
	elementTypes = []string{"hash", "list", "set", "zset", "stream", "timeseries"}
	columnTypes  = []string{"boolean", "int", "double", "decimal", "utc_datetime", "unix_s", "unix_ms", "string", "json"}
)

// template is the text of a key template.
var template = kind[string]{
	allowed: `a key template in quotes, such as "player:{player_id}:profile"`,
	schema:  map[string]any{"type": []string{"string", "number"}},
	parse:   textOf,
}

// preset is the value of a column where a field is missing, as its type is written.
var preset = kind[*string]{
	allowed: "text, a number, true or false",
	schema:  map[string]any{"type": []string{"string", "number", "boolean"}},
	parse: func(n node) (*string, error) {
		if n.shape == boolean {
			return &n.text, nil
		}
		s, err := textOf(n)
		return &s, err
	},
	show: func(s *string) any {
		if s == nil {
			return nil
		}
		return *s
	},
}

var columns = listing[Column]{
	allowed:  "a list of columns such as [{field: level, type: int}]",
	settings: columnSettings,
	naming:   "field",
}

var columnSettings = []setting[Column]{
	{
		Setting:  Setting{Key: "field", Example: "lastLogin", Doc: "The field. Required."},
		required: true,
		value:    bind(plain, func(c *Column) *string { return &c.Field }),
	},
	{
		Setting: Setting{Key: "name", Example: "last_login", Doc: "Name of the column. Without it, the field in lower snake_case."},
		value:   bind(name, func(c *Column) *string { return &c.Name }),
	},
	{
		Setting: Setting{Key: "type", Default: "string", Example: "unix_s", Doc: "What the field holds: `boolean`, `int` (64 bits), `double`, `decimal`, `utc_datetime` (RFC 3339), `unix_s` or `unix_ms` (seconds or milliseconds since 1970, which become a UTC_DATETIME), `string` or `json`. What does not fit becomes NULL and goes into `_extra` as it is."},
		value:   bind(oneOf(columnTypes...), func(c *Column) *string { return &c.Type }),
	},
	{
		Setting: Setting{Key: "default", Example: `"0"`, Doc: "The value where the field is missing, written as the field would hold it; an empty text is a value here. Without it, NULL."},
		empty:   true,
		value:   bind(preset, func(c *Column) **string { return &c.Default }),
	},
}

var tables = listing[Table]{
	allowed:  `a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`,
	settings: tableSettings,
	naming:   "name",
	fold:     true,
	check:    checkTable,
}

var tableSettings = []setting[Table]{
	{
		Setting:  Setting{Key: "name", Example: "players", Doc: "Name of the table. Required; no two tables have the same, the case of letters aside."},
		required: true,
		value:    bind(name, func(t *Table) *string { return &t.Name }),
	},
	{
		Setting:  Setting{Key: "keys", Example: `"player:{player_id:int}:profile"`, Doc: "Template of the keys that feed the table. Required. Each `{name}` captures a part of the key into a column; `{name:int}` gives it a type, one of those of columns."},
		required: true,
		value:    bind(template, func(t *Table) *string { return &t.Keys }),
	},
	{
		Setting: Setting{Key: "layout", Default: "value", Example: "columns", Doc: "What a row is: `value`, a key with its whole value; `columns`, a hash or JSON object with a column per field; `elements`, one field, element, member, entry or sample of a key."},
		value:   bind(oneOf("value", "columns", "elements"), func(t *Table) *string { return &t.Layout }),
	},
	{
		Setting: Setting{Key: "type", Example: "zset", Doc: "Type of the keys that feed the table: `string`, `hash`, `list`, `set`, `zset`, `stream`, `json` or `timeseries`. Layout `elements` needs it, and takes no `string` or `json`; layout `columns` takes `hash`, which it is without it, or `json`; with layout `value`, all types without it."},
		value:   bind(oneOf(tableTypes...), func(t *Table) *string { return &t.Type }),
	},
	{
		Setting: Setting{Key: "columns", Example: "[{field: level, type: int}]", Keys: described(columnSettings), Doc: "Fields with a column of their own, in a list: with layout `columns`, and with layout `elements` of type `stream`."},
		value:   bind(columns.kind(), func(t *Table) *[]Column { return &t.Columns }),
	},
	{
		Setting: Setting{Key: "new_fields", Default: "extra", Example: "add", Doc: "With layout `columns`, what becomes of fields that are not in `columns`: `extra` puts them into `_extra`, `add` makes each a column of type STRING."},
		value:   bind(oneOf("extra", "add"), func(t *Table) *string { return &t.NewFields }),
	},
	{
		Setting: Setting{Key: "history", Default: "false", Example: "true", Bool: true, Doc: "Keep every version of a row, not the last alone."},
		value:   bind(truth, func(t *Table) *bool { return &t.History }),
	},
	{
		Setting: Setting{Key: "trim", Default: "keep", Example: "mirror", Doc: "With layout `elements` of type `stream` or `timeseries`, what becomes of entries and samples that the server has trimmed: `keep` keeps them, `mirror` deletes them too."},
		value:   bind(oneOf("keep", "mirror"), func(t *Table) *string { return &t.Trim }),
	},
}

// checkTable checks what the keys of a table have to do with each other.
func checkTable(t *Table, r *element) {
	if !r.sound("layout", "type") {
		return
	}
	ofColumns, ofElements := t.Layout == "columns", t.Layout == "elements"
	switch {
	case ofColumns && t.Type == "":
		t.Type = "hash"
	case ofColumns && !slices.Contains(columnsTypes, t.Type):
		r.about("type", "is %s, but layout columns is for %s: choose another layout", t.Type, alternatives(columnsTypes))
		return
	case ofElements && t.Type == "":
		r.about("type", "is missing, and layout elements needs it: write %s", alternatives(elementTypes))
		return
	case ofElements && !slices.Contains(elementTypes, t.Type):
		r.about("type", "is %s, but layout elements is for %s: choose another layout", t.Type, alternatives(elementTypes))
		return
	}
	if len(t.Columns) > 0 && !ofColumns && (!ofElements || t.Type != "stream") {
		r.about("columns", "is for layout columns, and for layout elements with type stream: remove it")
	}
	if !ofColumns {
		t.NewFields = ""
		if _, ok := r.given["new_fields"]; ok {
			r.about("new_fields", "is for layout columns: remove it")
		}
	}
	if !ofElements || t.Type != "stream" && t.Type != "timeseries" {
		t.Trim = ""
		if _, ok := r.given["trim"]; ok {
			r.about("trim", "is for layout elements with type stream or timeseries: remove it")
		}
	}
}

// validateTables checks what tables have to do with other settings.
func (l *loader) validateTables(c *Config, all layer) {
	if skip, ok := all["unmatched"]; ok && c.Unmatched == "skip" && len(c.Tables) == 0 && all["tables"].value.shape != null {
		l.wrong(skip, "is skip, but there are no tables, so that no key is read: remove it, or write tables")
	}
	if c.Unmatched != "table" {
		return
	}
	for i := range c.Tables {
		if name := c.Tables[i].Name; strings.EqualFold(name, c.TableName) {
			g := all["tables"]
			if g.value.shape == list {
				g.line = max(g.line, g.value.items[i].line)
			}
			g.name += "[" + label(name) + "].name"
			l.wrong(g, "is the same as table_name, the table of keys that match no template: rename one, or set unmatched to skip")
		}
	}
}
