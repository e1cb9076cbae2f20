package config_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/keylift/keylift/config"
)

// FuzzLoad checks that no document makes Load panic, that an error says
// something, that a password is never shown, and that what loads prints to
// something that loads.
func FuzzLoad(f *testing.F) {
	for _, doc := range []string{
		"",
		"host: localhost\nport: 6379\n",
		`{"host": "localhost", "port": "6379", "ssl": "true", "database": [0, "3"], "password": null}`,
		"url: rediss://u:p%40@[::1]:7000/3?db=1\n",
		"host: ${HOME:-x}$$\nkey_pattern:\n  - a*\n  - \"b\\u00e9\"\ntypes: [hash, zset]\n",
		"host: h\npassword: !tag &a *b |\n  text\n",
		"host: h\nmemory_limit: 1.5GiB\nretry_for: 1h\ndestination: 'duckdb:x.db'\n<<: {a: b}\n---\n",
		"? [a]\n: b\n",
		allLayouts,
		"host: h\ntables: '" + allLayoutsJSON + "'",
		"tables:\n- a\n- [{name: b}]\n- {name: c, columns: [{field: d}, {field: d}], nme: 1, name: C}\n- name: C\n  keys:\n",
		`{"host": "h", "tables": "[{\"name\": \"${HOME}\", \"keys\": 1, \"columns\": \"[{}]\"}]"}`,
		`{"a": {"b": [{}, []]}, "host": "\ud83d"`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if bytes.Contains(doc, []byte("_file")) || len(doc) > 4096 {
			t.Skip("reads files, or takes long")
		}
		const secret = "a7f3c9e1d5"
		c, err := config.Load(doc, config.Override{Key: "password", Value: secret})
		if err != nil {
			if err.Error() == "" || strings.Contains(err.Error(), secret) {
				t.Errorf("error %q", err)
			}
			return
		}
		var out bytes.Buffer
		if err := c.Print(&out); err != nil || strings.Contains(out.String(), secret) {
			t.Fatalf("print: %v\n%s", err, &out)
		}
		again, err := config.Load(out.Bytes())
		if err != nil {
			t.Fatalf("what is printed does not load: %v\n%s", err, &out)
		}
		if utf8.Valid(doc) && !reflect.DeepEqual(again.Tables, c.Tables) {
			t.Errorf("tables: got %+v, want %+v\n%s", again.Tables, c.Tables, &out)
		}
	})
}
