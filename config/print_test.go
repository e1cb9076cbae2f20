package config_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/keylift/keylift/config"
)

func printed(t *testing.T, c *config.Config) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestConfig_Print(t *testing.T) {
	c := load(t, "url: rediss://game:pw@h/3\nkey_pattern: ['a$$b', 'c:*']\nretry_for: 90m\nmemory_limit: 200000001\nbatch_size: '7'",
		config.Override{"deletes", "hard"}, config.Override{"fast", "true"})
	const want = `host: "h"                                  # url in line 1
port: 6379                                 # url in line 1
nodes: ""                                  # default
username: "game"                           # url in line 1
password: "******"                         # url in line 1
password_command: ""                       # default
database: 3                                # url in line 1
ssl: true                                  # url in line 1
tls_ca: ""                                 # default
tls_cert: ""                               # default
tls_key: ""                                # default
tls_server_name: ""                        # default
tls_insecure: false                        # default
key_pattern: ["a$$b","c:*"]                # key_pattern in line 2
exclude_pattern: ""                        # default
types: ""                                  # default
mode: "auto"                               # default
read_from: "primary"                       # default
rdb_file: ""                               # default
follow: false                              # default
repair_interval: "1h"                      # default
batch_size: 7                              # batch_size in line 5
fast: true                                 # --fast
big_key_bytes: "64MiB"                     # fast
max_value_bytes: "100MiB"                  # default
max_command_ms: 500                        # fast
max_source_latency: "0s"                   # default
max_keys_per_second: 0                     # default
max_bytes_per_second: "0"                  # default
destination: "duckdb:warehouse.db"         # default
destination_schema: "main"                 # default
table_name: "redis_data"                   # default
deletes: "hard"                            # --deletes
max_delete_share: "50%"                    # default
allow_empty: false                         # default
checkpoint_interval: 1000                  # default
publish_interval: "1s"                     # default
tables: []                                 # default
unmatched: "table"                         # default
views: true                                # default
memory_limit: "200000001"                  # memory_limit in line 4
spool_bytes: "1GiB"                        # default
connect_timeout: "30s"                     # default
read_timeout: "30s"                        # default
retry_for: "1h30m"                         # retry_for in line 3
`
	if got := printed(t, c); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What Print writes loads to the same configuration, but for the password.
func TestConfig_Print_again(t *testing.T) {
	for _, doc := range []string{
		"host: localhost",
		"host: ::1\ndatabase: [0, 3]\nkey_pattern: ['$$${HOME:-x}', \"tab\\t\\\"\\\\ é😀 # : {\"]\ntypes: hash\nretry_for: 1.5\nbig_key_bytes: 1000",
		"host: h\nusername: game\npassword_command: token\npassword_refresh: 1h",
		"url: unix://u:p@/tmp/my%20redis%23.sock?db=2\nfast: true",
		allLayouts + "unmatched: skip\nviews: false",
		"host: h\ntables: '" + allLayoutsJSON + "'",
		"host: h\ntables: []",
		"host: h\ntables:\n- {name: \"a b: é\", keys: '$${x}# {\"', layout: columns, columns: [{field: \"\\t'\\\\ #, }\", default: '$$'}]}",
		"host: h\ndatabase: all\nssl: true\ntls_insecure: true\ndestination: 'memory:'\nretry_for: 0\nread_timeout: 26s\nconnect_timeout: 1h0m30s",
	} {
		c := load(t, doc)
		first := printed(t, c)
		again := load(t, first)
		if a, b := values(t, c), values(t, again); !reflect.DeepEqual(a, b) {
			t.Errorf("%q: got\n%v\nwant\n%v\nprinted:\n%s", doc, b, a, first)
		}
	}
}

// values returns the exported fields of c.
func values(t *testing.T, c *config.Config) map[string]any {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
