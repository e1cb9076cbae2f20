package config_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/config"
)

const allLayouts = `host: h
tables:
  - name: players
    keys: "player:{player_id:int}:profile"
    layout: columns
    columns:
      - {field: level, type: int}
      - field: lastLogin
        name: last_login
        type: unix_s
        default: 0
      - {field: guild, default: ''}
      - {field: banned, type: boolean, default: false}
    history: true
  - {name: guilds, keys: 'guild:{id}', layout: columns, type: json, new_fields: add, history: 'True'}
  - name: boards
    keys: 'board:{board}'
    layout: elements
    type: zset
    columns: []
  -
    name: events
    keys: events:{day}
    layout: elements
    type: stream
    columns: [{field: 7, type: json}]
    trim: mirror
  - {name: samples, keys: 42, layout: elements, type: timeseries}
  - {name: sessions, keys: 'session:{id}', type: null, trim: ''}
`

// The same tables.
const allLayoutsJSON = `[
{"name": "players", "keys": "player:{player_id:int}:profile", "layout": "columns", "columns": [
  {"field": "level", "type": "int"}, {"field": "lastLogin", "name": "last_login", "type": "unix_s", "default": "0"},
  {"field": "guild", "default": ""}, {"field": "banned", "type": "boolean", "default": false}], "history": true},
{"name": "guilds", "keys": "guild:{id}", "layout": "columns", "type": "json", "new_fields": "add", "history": "true"},
{"name": "boards", "keys": "board:{board}", "layout": "elements", "type": "zset"},
{"name": "events", "keys": "events:{day}", "layout": "elements", "type": "stream", "columns": "[{\"field\": \"7\", \"type\": \"json\"}]", "trim": "mirror"},
{"name": "samples", "keys": "42", "layout": "elements", "type": "timeseries", "trim": "keep"},
{"name": "sessions", "keys": "session:{id}", "layout": "value"}
]`

func TestLoad_tables(t *testing.T) {
	text := func(s string) *string { return &s }
	want := []config.Table{
		{
			Name: "players", Keys: "player:{player_id:int}:profile", Layout: "columns", Type: "hash", NewFields: "extra", History: true,
			Columns: []config.Column{
				{Field: "level", Type: "int"},
				{Field: "lastLogin", Name: "last_login", Type: "unix_s", Default: text("0")},
				{Field: "guild", Type: "string", Default: text("")},
				{Field: "banned", Type: "boolean", Default: text("false")},
			},
		},
		{Name: "guilds", Keys: "guild:{id}", Layout: "columns", Type: "json", NewFields: "add", History: true},
		{Name: "boards", Keys: "board:{board}", Layout: "elements", Type: "zset"},
		{Name: "events", Keys: "events:{day}", Layout: "elements", Type: "stream", Columns: []config.Column{{Field: "7", Type: "json"}}, Trim: "mirror"},
		{Name: "samples", Keys: "42", Layout: "elements", Type: "timeseries", Trim: "keep"},
		{Name: "sessions", Keys: "session:{id}", Layout: "value"},
	}
	t.Setenv("KEYLIFT_TEST_TABLES", allLayoutsJSON)
	quoted, err := json.Marshal(strings.ReplaceAll(allLayoutsJSON, "$", "$$"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]*config.Config{
		"yaml":     load(t, allLayouts),
		"json":     load(t, `{"host": "h", "tables": `+allLayoutsJSON+`}`),
		"text":     load(t, `{"host": "h", "tables": `+string(quoted)+`}`),
		"variable": load(t, `host: h`+"\n"+`tables: ${KEYLIFT_TEST_TABLES}`),
		"flag":     load(t, "host: h\ntables: [x]", config.Override{Key: "tables", Value: allLayoutsJSON}),
	}
	for name, c := range tests {
		if !reflect.DeepEqual(c.Tables, want) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", name, c.Tables, want)
		}
		if c.Unmatched != "table" || !c.Views {
			t.Errorf("%s: unmatched is %q, views %t", name, c.Unmatched, c.Views)
		}
	}
	if c := load(t, "host: h\ntables: [{name: Redis_Data, keys: k}]\nunmatched: skip\nviews: false"); len(c.Tables) != 1 || c.Unmatched != "skip" || c.Views {
		t.Errorf("got %+v", c)
	}
	if c := load(t, "host: h\ntables: []"); c.Tables != nil {
		t.Errorf("an empty list: got %+v", c.Tables)
	}
	t.Setenv("KEYLIFT_TEST_PREFIX", `a"$$`)
	if c := load(t, "host: h\ntables: [{name: t, keys: '${KEYLIFT_TEST_PREFIX}:{id}$${x}'}]"); c.Tables[0].Keys != `a"$$:{id}${x}` {
		t.Errorf("a variable in a template: got %s", c.Tables[0].Keys)
	}
}

func TestConfig_Print_tables(t *testing.T) {
	const want = `tables:                                    # tables in line 2
  - name: "players"
    keys: "player:{player_id:int}:profile"
    layout: "columns"
    type: "hash"
    columns:
      - {field: "level", type: "int"}
      - {field: "lastLogin", name: "last_login", type: "unix_s", default: "0"}
      - {field: "guild", type: "string", default: ""}
      - {field: "banned", type: "boolean", default: "false"}
    new_fields: "extra"
    history: true
  - name: "guilds"
    keys: "guild:{id}"
    layout: "columns"
    type: "json"
    new_fields: "add"
    history: true
  - name: "boards"
    keys: "board:{board}"
    layout: "elements"
    type: "zset"
    history: false
  - name: "events"
    keys: "events:{day}"
    layout: "elements"
    type: "stream"
    columns:
      - {field: "7", type: "json"}
    history: false
    trim: "mirror"
  - name: "samples"
    keys: "42"
    layout: "elements"
    type: "timeseries"
    history: false
    trim: "keep"
  - name: "sessions"
    keys: "session:{id}"
    layout: "value"
    history: false
unmatched: "table"                         # default
`
	if got := printed(t, load(t, allLayouts)); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it\n%s", got, want)
	}
}

// A document of half a megabyte loads whole.
func TestLoad_manyTables(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(`{"host": "h", "tables": [`)
	const count = 5000
	for i := range count {
		if i > 0 {
			doc.WriteString(",\n")
		}
		name := string(rune('a'+i%26)) + strings.Repeat("x", i/26%50) + strings.Repeat("y", i/1300)
		doc.WriteString(`{"name": "` + name + `", "keys": "` + name + `:{id}", "layout": "columns", "columns": [{"field": "a"}]}`)
	}
	doc.WriteString("]}")
	if c := load(t, doc.String()); len(c.Tables) != count {
		t.Errorf("got %d tables", len(c.Tables))
	}
}

func TestSchema_tables(t *testing.T) {
	type object struct {
		Required   []string `json:"required"`
		Additional bool     `json:"additionalProperties"`
		Properties map[string]struct {
			Description string `json:"description"`
			Default     any    `json:"default"`
			AnyOf       []struct {
				Enum []string `json:"enum"`
			} `json:"anyOf"`
		} `json:"properties"`
	}
	type listing struct {
		AnyOf []struct {
			Type  string          `json:"type"`
			Items json.RawMessage `json:"items"`
		} `json:"anyOf"`
	}
	var schema struct {
		Properties struct {
			Tables listing `json:"tables"`
		} `json:"properties"`
	}
	var table, column object
	var inTable struct {
		Properties struct {
			Columns listing `json:"columns"`
		} `json:"properties"`
	}
	parse := func(text []byte, into any) {
		t.Helper()
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	parse(config.Schema(), &schema)
	parse(schema.Properties.Tables.AnyOf[0].Items, &table)
	parse(schema.Properties.Tables.AnyOf[0].Items, &inTable)
	parse(inTable.Properties.Columns.AnyOf[0].Items, &column)
	if !slices.Equal(table.Required, []string{"name", "keys"}) || !slices.Equal(column.Required, []string{"field"}) || table.Additional || column.Additional {
		t.Errorf("required: got %v of a table, %v of a column; more is allowed: %t, %t", table.Required, column.Required, table.Additional, column.Additional)
	}
	for _, o := range []struct {
		object
		want map[string]any
	}{
		{table, map[string]any{"name": nil, "keys": nil, "layout": "value", "type": nil, "columns": nil, "new_fields": "extra", "history": false, "trim": "keep"}},
		{column, map[string]any{"field": nil, "name": nil, "type": "string", "default": nil}},
	} {
		got := map[string]any{}
		for key, p := range o.Properties {
			got[key] = p.Default
			if p.Description == "" {
				t.Errorf("%s has no description", key)
			}
		}
		if !reflect.DeepEqual(got, o.want) {
			t.Errorf("properties with defaults: got %v, want %v", got, o.want)
		}
	}
	if got := strings.Join(column.Properties["type"].AnyOf[0].Enum, " "); got != "boolean int double decimal utc_datetime unix_s unix_ms string json" {
		t.Errorf("column types: got %s", got)
	}
}

func TestLoad_tableMistakes(t *testing.T) {
	const (
		wantTables  = `write a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`
		wantColumns = `write a list of columns such as [{field: level, type: int}]`
		wantKeys    = `write a key template in quotes, such as "player:{player_id}:profile"`
		wantTypes   = `write string, hash, list, set, zset, stream, json or timeseries`
		wantFormats = `write boolean, int, double, decimal, utc_datetime, unix_s, unix_ms, string or json`
	)
	type flags = []config.Override
	one := func(rest string) string { return "host: h\ntables:\n- name: a\n  keys: 'a:{id}'\n" + rest }
	tests := []struct {
		doc   string
		flags flags
		want  string
	}{
		// What is no list of tables.
		{doc: "host: h\ntables: players", want: `line 2: tables holds "players": ` + wantTables},
		{doc: "host: h\ntables: {players: {keys: k}}", want: `line 2: tables holds a mapping: ` + wantTables},
		{doc: "host: h\ntables: true", want: `line 2: tables holds true: ` + wantTables},
		{doc: "host: h\ntables:\n- 'player:{id}'", want: `line 2: tables[0] holds "player:{id}": ` + wantTables},
		{doc: "host: h\ntables: !x []", want: `line 2: tables holds a YAML tag, anchor or alias (put text that begins with !, & or * in quotes): ` + wantTables},
		{doc: "host: h\ntables: '[{name: a}]'", want: `line 2: tables is no list in JSON: invalid character 'n': ` + wantTables},
		{doc: "host: h\ntables: '[{\"name\": \"a\"}'", want: `line 2: tables is no list in JSON: it ends too early: ` + wantTables},
		{doc: "host: h\ntables: '[] []'", want: `line 2: tables is no list in JSON: something follows its end: ` + wantTables},
		{doc: "host: h", flags: flags{{"tables", strings.Repeat("[", 1001)}}, want: `--tables is no list in JSON: it nests too deep: ` + wantTables},
		{doc: "host: h", flags: flags{{"tables", `{"name": "a", "keys": "b"}`}}, want: `--tables holds "{\"name\": \"a\", \"keys\": \"b\"}": ` + wantTables},
		{doc: "host: h\ntables: ${KEYLIFT_TEST_NONE}", want: "line 2: tables needs the environment variable KEYLIFT_TEST_NONE, which is not set: set it, or write ${KEYLIFT_TEST_NONE:-default}"},
		{doc: one("  columns: [{field: '${KEYLIFT_TEST_NONE}'}]"), want: "line 2: tables needs the environment variable KEYLIFT_TEST_NONE, which is not set: set it, or write ${KEYLIFT_TEST_NONE:-default}"},

		// A table.
		{doc: "host: h\ntables:\n- {}", want: "line 3: tables[0].name is missing: " + wantName + "\nline 3: tables[0].keys is missing: " + wantKeys},
		{doc: "host: h\ntables:\n- keys: k\n  name:", want: "line 3: tables[0].name is missing: " + wantName},
		{doc: "host: h\ntables:\n- name: a\n  keys: ''", want: "line 3: tables[a].keys is missing: " + wantKeys},
		{doc: "host: h\ntables:\n- name: a\n  keys: {region}", want: "line 4: tables[a].keys holds a mapping: " + wantKeys},
		{doc: "host: h\ntables:\n- name: _keylift_x\n  keys: k", want: `line 3: tables[_keylift_x].name holds "_keylift_x": ` + wantName},
		{doc: "host: h\ntables:\n- name: [a]\n  keys: k", want: `line 3: tables[0].name holds a list: ` + wantName},
		{doc: "host: h\ntables:\n- name: 7\n  keys: [k]", want: `line 4: tables["7"].keys holds a list: ` + wantKeys},
		{doc: one("  layout: rows"), want: `line 5: tables[a].layout holds "rows": write value, columns or elements`},
		{doc: one("  type: vectorset"), want: `line 5: tables[a].type holds "vectorset": ` + wantTypes},
		{doc: one("  history: yes"), want: `line 5: tables[a].history holds "yes": write true or false`},
		{doc: one("  new_fields: drop\n  layout: columns"), want: `line 5: tables[a].new_fields holds "drop": write extra or add`},
		{doc: one("  keys: b"), want: "line 5: tables[a].keys is given twice, first in line 4: keep one"},
		{doc: "host: h", flags: flags{{"tables", `[{"name": "a", "keys": "k", "keys": "l"}]`}}, want: "--tables[a].keys is given twice: keep one"},

		// Keys that are not known, or stand at the wrong place.
		{doc: one("  colums: []"), want: `line 5: unknown key "colums" in tables[a]: did you mean columns?`},
		{doc: one("  History: true"), want: `line 5: unknown key "History" in tables[a]: did you mean history?`},
		{doc: one("  types: hash"), want: `line 5: unknown key "types" in tables[a]: did you mean type?`},
		{doc: one("  frobnicate: 1"), want: `line 5: unknown key "frobnicate" in tables[a]: write name, keys, layout, type, columns, new_fields, history or trim`},
		{doc: one("  batch_size: 1"), want: `line 5: unknown key "batch_size" in tables[a]: it is a key of the configuration itself, beside tables`},
		{doc: one("  field: f"), want: `line 5: unknown key "field" in tables[a]: it is a key of a column, in columns`},
		{doc: one("  layout: columns\n  columns: [{field: f, history: true}]"), want: `line 6: unknown key "history" in tables[a].columns[f]: it is a key of the table itself`},
		{doc: one("  layout: columns\n  columns:\n  - field: f\n    tpye: int"), want: `line 8: unknown key "tpye" in tables[a].columns[f]: did you mean type?`},
		{doc: one("columns: [{field: f}]"), want: `line 5: unknown key "columns": it is a key of a table: indent it under tables`},

		// Columns.
		{doc: one("  layout: columns\n  columns: {level: int}"), want: `line 6: tables[a].columns holds a mapping: ` + wantColumns},
		{doc: one("  layout: columns\n  columns: [level]"), want: `line 6: tables[a].columns[0] holds "level": ` + wantColumns},
		{doc: one("  layout: columns\n  columns:\n  - type: int"), want: `line 7: tables[a].columns[0].field is missing: ` + wantText},
		{doc: one("  layout: columns\n  columns:\n  - field: last login\n    type: date"), want: `line 8: tables[a].columns["last login"].type holds "date": ` + wantFormats},
		{doc: one("  layout: columns\n  columns:\n  - {field: f, name: 'a\"b'}"), want: `line 7: tables[a].columns[f].name holds "a\"b": ` + wantName},
		{doc: one("  layout: columns\n  columns:\n  - {field: f, default: [1]}"), want: `line 7: tables[a].columns[f].default holds a list: write text, a number, true or false`},
		{doc: one("  layout: columns\n  columns:\n  - field: f\n  - field: F\n  - field: f"), want: `line 9: tables[a].columns[f].field is that of another before it: give each its own`},

		// What does not go together.
		{doc: one("- name: A\n  keys: k"), want: "line 5: tables[A].name is that of another before it: give each its own"},
		{doc: one("- name: Redis_Data\n  keys: k"), want: "line 5: tables[Redis_Data].name is the same as table_name, the table of keys that match no template: rename one, or set unmatched to skip"},
		{doc: one("table_name: a"), want: "line 3: tables[a].name is the same as table_name, the table of keys that match no template: rename one, or set unmatched to skip"},
		{doc: "host: h\nunmatched: skip", want: "line 2: unmatched is skip, but there are no tables, so that no key is read: remove it, or write tables"},
		{doc: "host: h\nunmatched: drop", want: `line 2: unmatched holds "drop": write table or skip`},
		{doc: "host: h\nviews: some", want: `line 2: views holds "some": write true or false`},
		{doc: one("  layout: elements"), want: "line 3: tables[a].type is missing, and layout elements needs it: write hash, list, set, zset, stream or timeseries"},
		{doc: one("  layout: elements\n  type: json"), want: "line 6: tables[a].type is json, but layout elements is for hash, list, set, zset, stream or timeseries: choose another layout"},
		{doc: one("  layout: columns\n  type: zset"), want: "line 6: tables[a].type is zset, but layout columns is for hash or json: choose another layout"},
		{doc: one("  columns: [{field: f}]"), want: "line 5: tables[a].columns is for layout columns, and for layout elements with type stream: remove it"},
		{doc: one("  layout: elements\n  type: hash\n  columns: [{field: f}]"), want: "line 7: tables[a].columns is for layout columns, and for layout elements with type stream: remove it"},
		{doc: one("  new_fields: extra"), want: "line 5: tables[a].new_fields is for layout columns: remove it"},
		{doc: one("  trim: keep"), want: "line 5: tables[a].trim is for layout elements with type stream or timeseries: remove it"},
		{doc: one("  layout: elements\n  type: list\n  trim: mirror"), want: "line 7: tables[a].trim is for layout elements with type stream or timeseries: remove it"},

		// Several, each once, in the order of the document.
		{
			doc:   "host: h\nport: x\ntables:\n- keys: [1]\n  name: a\n  layout: column\n  columns:\n  - {field: f, type: x}\n  - {fild: g}\n- {name: b, keys: k, trim: mirror, type: x}\nretry_for: x",
			flags: flags{{"deletes", "x"}},
			want: `line 2: port holds "x": write a whole number from 1 to 65535
line 4: tables[a].keys holds a list: ` + wantKeys + `
line 6: tables[a].layout holds "column": write value, columns or elements
line 8: tables[a].columns[f].type holds "x": ` + wantFormats + `
line 9: unknown key "fild" in tables[a].columns[1]: did you mean field?
line 9: tables[a].columns[1].field is missing: ` + wantText + `
line 10: tables[b].type holds "x": ` + wantTypes + `
line 11: retry_for holds "x": ` + wantDuration + `0s to 168h
--deletes holds "x": write soft, hard or ignore`,
		},
	}
	if _, set := os.LookupEnv("KEYLIFT_TEST_NONE"); set {
		t.Fatal("KEYLIFT_TEST_NONE is set")
	}
	for _, tt := range tests {
		c, err := config.Load([]byte(tt.doc), tt.flags...)
		switch {
		case err == nil:
			t.Errorf("%.80q %.80v: got %+v", tt.doc, tt.flags, c.Tables)
		case err.Error() != tt.want:
			t.Errorf("%q %.80v:\n got %s\nwant %s", tt.doc, tt.flags, err, tt.want)
		}
	}
	_, err := config.LoadForm(config.Override{Key: "host", Value: "h"}, config.Override{Key: "tables", Value: `[{"name": "a"}]`})
	if want := "tables[a].keys is missing: " + wantKeys; err == nil || err.Error() != want {
		t.Errorf("a form: got %v, want %s", err, want)
	}
}
