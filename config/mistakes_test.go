package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/keylift/keylift/config"
)

// Files that the documents below name; the tests run in a folder that has them.
var files = map[string]string{
	"empty":    "",
	"newline":  "\n",
	"password": "s3cret\n",
	"badurl":   "redis://:s3cret@h:x\n",
	"big":      strings.Repeat("x", 70_000),
	"ca.pem":   "-----BEGIN CERTIFICATE-----\n",
}

const (
	wantSize      = `write a number of bytes or a size such as 16MiB or 100MB, from `
	wantDuration  = `write a duration such as 30s or 5m, or seconds, from `
	wantText      = `write text (true, false and the like in quotes)`
	wantName      = `write a name of at most 63 bytes without quotes or control characters, that does not begin with _keylift`
	wantHost      = `write a host name or an IP address alone (the port goes in port, a whole address in url)`
	wantDatabase  = `write a database number, a list of them such as [0, 3], or all`
	wantTypes     = `write one or more of string, hash, list, set, zset, stream, json, timeseries, vectorset`
	wantPattern   = `write a pattern such as "player:*", or a list of them`
	wantDuckDB    = `write duckdb:PATH, a path that ends in .db or .duckdb, or memory:`
	wantURL       = `write redis://user:password@host:port/database, rediss:// for TLS, or unix://user:password@/path?db=database`
	wantSentinel  = `is given without sentinel_name: add the name that the sentinels monitor the primary by, or remove it`
	wantAddresses = `write addresses of sentinels such as sentinel-1.example.com:26379, one or a list of them`
	wantRefresh   = `is given, but the password never changes: take it from password_command or password_file, or remove password_refresh`
	wantEscapes   = `is no url that can be read: ` + wantURL + `, with %40 for @, %23 for # and the like in user and password`
)

func TestLoad_mistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KEYLIFT_TEST_SECRET", "s3cret")

	type flags = []config.Override
	tests := []struct {
		doc   string
		flags flags
		want  string // one mistake a line
	}{
		// The document as such.
		{doc: "", want: "host is missing: name the server in host, or give its whole address in url"},
		{doc: "# nothing\n", want: "host is missing: name the server in host, or give its whole address in url"},
		{doc: "host: ''", want: "host is missing: name the server in host, or give its whole address in url"},
		{doc: "port: 7000", want: "host is missing: name the server in host, or give its whole address in url"},
		{doc: "- host: h", want: "line 1: the document is not a mapping: write lines such as host: localhost"},
		{doc: "localhost", want: "line 1: the document is not a mapping: write lines such as host: localhost"},
		{doc: `["host"]`, want: "line 1: the document is not a mapping: write lines such as host: localhost"},
		{doc: "host: h\n---\nhost: i", want: "line 3: a second document begins: keep one"},
		{doc: "host: h\npassword: \"s3cret", want: "line 2: not valid YAML: could not find end character of double-quoted text; check indentation and quotes"},
		{doc: "host: h\n  password: s3cret: x", want: "line 1: not valid YAML: mapping value is not allowed in this context; check indentation and quotes"},
		{doc: "host: [h", want: "line 1: not valid YAML: sequence end token ']' not found; check indentation and quotes"},
		{doc: "{\"host\": \"h\",\n\"password\": \"s3cret\"\n\"port\": 1}", want: "line 3: not valid JSON: invalid character '\"' after object key:value pair; check quotes, commas and brackets"},
		{doc: `{"host": "h", "password": s3cret}`, want: "line 1: not valid JSON: invalid character 's' looking for beginning of value; check quotes, commas and brackets"},
		{doc: `{"host": "h"`, want: "line 1: not valid JSON: it ends too early; check quotes, commas and brackets"},
		{doc: "{\"host\": \"h\"}\n{}", want: "line 2: something follows the end of the JSON object: remove it"},
		{doc: "host: \xff", want: "the document is not text in UTF-8: save it as UTF-8"},
		{doc: "host: " + strings.Repeat("h", 1<<20), want: "the document has 1048582 bytes: 1048576 is the most a configuration may have"},
		{doc: "host: " + strings.Repeat("[", 1001), want: "the document nests too deep: a [, a { or a - is without its end"},
		{doc: "host:\n  " + strings.Repeat("- ", 1001), want: "the document nests too deep: a [, a { or a - is without its end"},
		{doc: `{"host": ` + strings.Repeat(`{"a":`, 1001), want: "the document nests too deep: a [, a { or a - is without its end"},

		// Keys.
		{doc: "hots: h", want: `line 1: unknown key "hots": did you mean host?`},
		{doc: "host: h\nprot: 1", want: `line 2: unknown key "prot": did you mean port?`},
		{doc: "host: h\nBatch-Size: 1", want: `line 2: unknown key "Batch-Size": did you mean batch_size?`},
		{doc: "host: h\npattern: 1", want: `line 2: unknown key "pattern": did you mean key_pattern?`},
		{doc: "host: h\npasswrd: s3cret", want: `line 2: unknown key "passwrd": did you mean password?`},
		{doc: `{"host": "h", "ssl_enabled": true}`, want: `line 1: unknown key "ssl_enabled": did you mean ssl?`},
		{doc: "host: h\nfrobnicate: 1", want: `line 2: unknown key "frobnicate": see keylift config schema for those there are`},
		{doc: "host: h\n7: 1", want: `line 2: unknown key "7": see keylift config schema for those there are`},
		{doc: "host: h\n<<: {port: 1}", want: `line 2: unknown key "<<": see keylift config schema for those there are`},
		{doc: "host: h\nport: 1\nhost: i", want: "line 3: host is given twice, first in line 1: keep one"},
		{doc: "{\"host\": \"h\",\n \"host\": \"h\"}", want: "line 2: host is given twice, first in line 1: keep one"},

		// The server.
		{doc: "host: h:6379", want: `line 1: host holds "h:6379": ` + wantHost},
		{doc: "host: redis://game:s3cret@h/0", want: `line 1: host holds "redis://******@h/0": ` + wantHost},
		{doc: "host: game:s3cret@h", want: `line 1: host holds "******@h": ` + wantHost},
		{doc: "host: a b", want: `line 1: host holds "a b": ` + wantHost},
		{doc: "host: <YOUR_REDIS_HOST>", want: `line 1: host holds "<YOUR_REDIS_HOST>": ` + wantHost},
		{doc: "host: true", want: `line 1: host holds true: ` + wantHost},
		{doc: "host: h\nport: 0", want: "line 2: port holds 0: write a whole number from 1 to 65535"},
		{doc: "host: h\nport: 65536", want: "line 2: port holds 65536: write a whole number from 1 to 65535"},
		{doc: "host: h\nport: 6379.5", want: "line 2: port holds 6379.5: write a whole number from 1 to 65535"},
		{doc: `{"host": "h", "port": "six"}`, want: `line 1: port holds "six": write a whole number from 1 to 65535`},
		{doc: `{"host": "h", "port": [6379]}`, want: `line 1: port holds a list: write a whole number from 1 to 65535`},
		{doc: `{"host": "h", "port": {"a": {"b": []}}}`, want: `line 1: port holds a mapping: write a whole number from 1 to 65535`},
		{doc: "host: h\nport: 99999999999999999999", want: "line 2: port holds \"99999999999999999999\": write a whole number from 1 to 65535"},
		{doc: "host: h\npassword: [s3cret]", want: "line 2: password holds a list: " + wantText},
		{doc: "host: h\npassword: true", want: "line 2: password holds a boolean: " + wantText},
		{doc: "host: h\npassword: {s3cret: 1}", want: "line 2: password holds a mapping: " + wantText},
		{doc: "host: h\npassword: !s3cret x", want: "line 2: password holds a YAML tag, anchor or alias (put text that begins with !, & or * in quotes): " + wantText},
		{doc: "host: h\npassword: \"a\\0\"", want: "line 2: password holds text: " + wantText},
		{doc: "host: h\nusername: true", want: "line 2: username holds true: " + wantText},
		{doc: "host: h\ndatabase: -1", want: "line 2: database holds -1: " + wantDatabase},
		{doc: "host: h\ndatabase: zero", want: `line 2: database holds "zero": ` + wantDatabase},
		{doc: "host: h\ndatabase: 0,", want: `line 2: database holds "0,": ` + wantDatabase},
		{doc: "host: h\ndatabase: []", want: "line 2: database holds an empty list: " + wantDatabase},
		{doc: "host: h\ndatabase: [0, all]", want: "line 2: database holds a list: " + wantDatabase},
		{doc: "host: h\ndatabase: [1, '1']", want: "line 2: database names database 1 twice: keep one"},
		{doc: "host: h\nssl: yes", want: `line 2: ssl holds "yes": write true or false`},
		{doc: "host: h\nssl: 1", want: `line 2: ssl holds 1: write true or false`},
		{doc: `{"host": "h", "ssl": "<ENABLE_OR_DISABLE_SSL>"}`, want: `line 1: ssl holds "<ENABLE_OR_DISABLE_SSL>": write true or false`},
		{doc: "host: h\ntls_ca: ca.pem", want: "line 2: tls_ca is given, but ssl is false: set ssl to true, use a rediss:// url, or remove it"},
		{doc: "url: redis://h\ntls_insecure: true", want: "line 2: tls_insecure is given, but ssl is false: set ssl to true, use a rediss:// url, or remove it"},
		{doc: "host: h\nssl: maybe\ntls_ca: ca.pem", want: `line 2: ssl holds "maybe": write true or false`},
		{doc: "host: h\nssl: true\ntls_ca: none.pem", want: `line 3: tls_ca holds "none.pem": no such file or directory; write the path of a PEM file`},
		{doc: "host: h\nssl: true\ntls_ca: .", want: `line 3: tls_ca holds ".", which is not a file: write the path of a PEM file`},
		{doc: "host: h\nssl: true\ntls_ca: [ca.pem]", want: `line 3: tls_ca holds a list: write the path of a PEM file`},
		{doc: "host: h\nssl: true\ntls_cert: ca.pem", want: `line 3: tls_cert is given without tls_key: give both or neither`},
		{doc: "host: h\nssl: true\ntls_key: ca.pem", want: `line 3: tls_key is given without tls_cert: give both or neither`},
		{doc: "host: h\nssl: true\ntls_server_name: h:1", want: `line 3: tls_server_name holds "h:1": ` + wantHost},

		// Urls.
		{doc: "url: h:6379", want: "line 1: url " + wantEscapes},
		{doc: "url: redis://:s3#cret@h", want: "line 1: url " + wantEscapes},
		{doc: "url: redis://:s3/cret@h", want: "line 1: url " + wantEscapes},
		{doc: "url: redis://:s3cret%@h", want: "line 1: url " + wantEscapes},
		{doc: "url: redis://:s3cret@h:port", want: "line 1: url " + wantEscapes},
		{doc: "url: s3cret", want: "line 1: url is of no kind that is known: " + wantURL},
		{doc: "url: http://h", want: "line 1: url is of no kind that is known: " + wantURL},
		{doc: "url: redis://", want: "line 1: url names no host: " + wantURL},
		{doc: "url: redis://:s3cret@:6379", want: "line 1: url names no host: " + wantURL},
		{doc: "url: unix://run/redis.sock", want: "line 1: url names no absolute path: write unix:///path or unix://user:password@/path"},
		{doc: "url: redis://:s3cret@h/x", want: `line 1: database in url holds text: ` + wantDatabase},
		{doc: "url: redis://:s3cret@h:99999", want: `line 1: port in url holds "99999": write a whole number from 1 to 65535`},
		{doc: "url: redis://:s3cret@a%20b", want: `line 1: url ` + wantEscapes},
		{doc: "url: redis://:s3cret@h?timeout=5", want: "line 1: url has more in its query than one ?db=database: TLS and the rest are settings of their own"},
		{doc: "url: redis://:s3cret@h/1?db=2", want: "line 1: url has more in its query than one ?db=database: TLS and the rest are settings of their own"},
		{doc: "url: redis://h?db=%zz", want: "line 1: url has a query that cannot be read: write ?db=database"},
		{doc: "url: [redis://h]", want: "line 1: url holds a list: " + wantURL},
		{doc: "url: redis://s3cret@h", want: "line 1: username in url has no password beside it: write redis://user:password@host, redis://:password@host, or give password as well"},
		{doc: "url: redis://h\nhost: h", want: "line 2: host cannot be given beside url, which decides it: keep one of them"},
		{
			doc:  "host: h\nport: 1\nssl: true\ndatabase: 1\nusername: u\npassword: s3cret\nurl: redis://u:s3cret@h/1",
			want: "line 1: host cannot be given beside url, which decides it: keep one of them\nline 2: port cannot be given beside url, which decides it: keep one of them\nline 3: ssl cannot be given beside url, which decides it: keep one of them\nline 4: database cannot be given beside url, which decides it: keep one of them\nline 5: username cannot be given beside url, which decides it: keep one of them\nline 6: password cannot be given beside url, which decides it: keep one of them",
		},
		{doc: "url: unix:///s\nport: 1", want: "line 2: port cannot be given beside url, which decides it: keep one of them"},
		{doc: "url: unix:///s", flags: flags{{"ssl", "true"}}, want: "--ssl is true, but a unix socket has no TLS: remove it"},

		// Sentinels.
		{doc: "sentinel_name: game", want: "line 1: sentinel_name is given without sentinel_addresses: add the addresses of the sentinels"},
		{doc: "host: h\nsentinel_addresses: s", want: "line 2: sentinel_addresses " + wantSentinel},
		{doc: "host: h\nsentinel_password: s3cret\nsentinel_tls: true", want: "line 2: sentinel_password " + wantSentinel + "\nline 3: sentinel_tls " + wantSentinel},
		{doc: "host: h\nport: 1\nsentinel_name: game\nsentinel_addresses: s", want: "line 1: host cannot be given beside sentinel_name, which decides it: keep one of them\nline 2: port cannot be given beside sentinel_name, which decides it: keep one of them"},
		{doc: "url: unix:///s\nsentinel_name: game\nsentinel_addresses: s", want: "line 1: url cannot be given beside sentinel_name, which decides it: keep one of them"},
		{doc: "url: redis://h:1\nsentinel_name: game\nsentinel_addresses: s", want: "line 1: host in url cannot be given beside sentinel_name, which decides it: keep one of them\nline 1: port in url cannot be given beside sentinel_name, which decides it: keep one of them"},
		{doc: "sentinel_name: game\nsentinel_addresses: [s:26379, s]", want: `line 2: sentinel_addresses holds "s" twice: keep one`},
		{doc: "sentinel_name: game\nsentinel_addresses: s:port", want: `line 2: sentinel_addresses holds "s:port": ` + wantAddresses},
		{doc: "sentinel_name: game\nsentinel_addresses: [redis://u:s3cret@h]", want: `line 2: sentinel_addresses holds "redis://******@h": ` + wantAddresses},
		{doc: "sentinel_name: game\nsentinel_addresses: []", want: `line 2: sentinel_addresses holds an empty list: ` + wantAddresses},
		{doc: "sentinel_name: game\nsentinel_addresses: s\nsentinel_password: [s3cret]", want: "line 3: sentinel_password holds a list: " + wantText},
		{doc: "host: h\nread_from: replicas", want: `line 2: read_from holds "replicas": write primary or replica`},

		// What is read.
		{doc: "host: h\nkey_pattern: []", want: "line 2: key_pattern holds an empty list: " + wantPattern},
		{doc: "host: h\nkey_pattern: {a: b}", want: "line 2: key_pattern holds a mapping: " + wantPattern},
		{doc: "host: h\nkey_pattern: [a, '']", want: `line 2: key_pattern holds "": ` + wantPattern},
		{doc: "host: h\nkey_pattern: [a, b, a]", want: `line 2: key_pattern holds "a" twice: keep one`},
		{doc: "host: h\nexclude_pattern: [[a]]", want: `line 2: exclude_pattern holds a list: ` + wantPattern},
		{doc: "host: h\ntypes: [hash, hsh]", want: `line 2: types holds "hsh": ` + wantTypes},
		{doc: "host: h\ntypes: hash,hash", want: `line 2: types holds "hash" twice: keep one`},
		{doc: "host: h\ntypes: Hash", want: `line 2: types holds "Hash": ` + wantTypes},
		{doc: "rdb_file: \"-\"\nfollow: true", want: `line 2: follow is true, but a file does not change: remove it, or read a server`},
		{doc: "host: h\nmode: replica\npublish_interval: 1ms", want: `line 3: publish_interval holds "1ms": write a duration such as 30s or 5m, or seconds, from 10ms to 24h`},
		{doc: "mode: rdb", want: `line 1: mode is rdb, but rdb_file is missing: name the file in rdb_file, or - for standard input`},
		{doc: "host: h\nmode: scan\nrdb_file: dump.rdb", want: `line 3: rdb_file is given, but mode is scan: set mode to rdb, or remove it`},
		{doc: "rdb_file: [a, b]", want: `line 1: rdb_file holds a list: write the path of a file, or - for standard input`},
		{doc: "host: h\nmode: fast", want: `line 2: mode holds "fast": write auto, scan, replica or rdb`},
		{doc: "host: h\nbatch_size: 0", want: "line 2: batch_size holds 0: write a whole number from 1 to 100000"},
		{doc: "host: h\nbatch_size: 1e3", want: "line 2: batch_size holds \"1e3\": write a whole number from 1 to 100000"},
		{doc: "host: h\nbig_key_bytes: 16MBit", want: `line 2: big_key_bytes holds "16MBit": ` + wantSize + "1 to 1TiB"},
		{doc: "host: h\nbig_key_bytes: 0.5", want: `line 2: big_key_bytes holds 0.5: ` + wantSize + "1 to 1TiB"},
		{doc: "host: h\nmax_value_bytes: 3GiB", want: `line 2: max_value_bytes holds "3GiB": ` + wantSize + "1 to 2GiB"},
		{doc: "host: h\nmax_value_bytes: -1", want: `line 2: max_value_bytes holds -1: ` + wantSize + "1 to 2GiB"},

		// Where it goes.
		{doc: "host: h\ndestination: warehouse", want: `line 2: destination holds "warehouse": ` + wantDuckDB},
		{doc: "host: h\ndestination: 'duckdb:'", want: `line 2: destination holds "duckdb:": ` + wantDuckDB},
		{doc: "host: h\ndestination: 'duckdb::memory:'", want: `line 2: destination holds "duckdb::memory:": ` + wantDuckDB},
		{doc: "host: h\ndestination: 'duckdb:md:games'", want: `line 2: destination holds "duckdb:md:games": ` + wantDuckDB},
		{doc: "host: h\ndestination: 'memory:x.db'", want: `line 2: destination holds "memory:x.db": ` + wantDuckDB},
		{doc: "host: h\ndestination: postgres://u:s3cret@h/x.db", want: `line 2: destination holds "postgres://******@h/x.db": ` + wantDuckDB},
		{doc: "host: h\ndestination: postgres://h/x?password=s3cret", want: `line 2: destination holds "postgres://h/x?******": ` + wantDuckDB},
		{doc: "host: h\ntable_name: _keylift_state", want: `line 2: table_name holds "_keylift_state": ` + wantName},
		{doc: "host: h\ntable_name: \"a\\nb\"", want: `line 2: table_name holds "a\nb": ` + wantName},
		{doc: "host: h\ntable_name: 'a\"b'", want: `line 2: table_name holds "a\"b": ` + wantName},
		{doc: "host: h\ntable_name: " + strings.Repeat("x", 64), want: `line 2: table_name holds "` + strings.Repeat("x", 60) + `…": ` + wantName},
		{doc: "host: h\ndestination_schema: ' '", want: `line 2: destination_schema holds " ": ` + wantName},
		{doc: "host: h\ndeletes: no", want: `line 2: deletes holds "no": write soft, hard or ignore`},
		{doc: "host: h\nmax_delete_share: 0.5", want: `line 2: max_delete_share holds 0.5: write a percentage from 0% to 100%`},
		{doc: "host: h\nmax_delete_share: 101%", want: `line 2: max_delete_share holds "101%": write a percentage from 0% to 100%`},
		{doc: "host: h\nmax_delete_share: half", want: `line 2: max_delete_share holds "half": write a percentage from 0% to 100%`},
		{doc: "host: h\nallow_empty: once", want: `line 2: allow_empty holds "once": write true or false`},
		{doc: "host: h\ndeletes: [soft]", want: `line 2: deletes holds a list: write soft, hard or ignore`},
		{doc: "host: h\ncheckpoint_interval: 0", want: "line 2: checkpoint_interval holds 0: write a whole number from 1 to 1000000000"},

		// Limits.
		{doc: "host: h\nmemory_limit: 1MiB", want: `line 2: memory_limit holds "1MiB": ` + wantSize + "128MiB to 1TiB"},
		{doc: "host: h\nspool_bytes: 0", want: `line 2: spool_bytes holds 0: ` + wantSize + "1MiB to 1TiB"},
		{doc: "host: h\nmemory_limit: lots", want: `line 2: memory_limit holds "lots": ` + wantSize + "128MiB to 1TiB"},
		{doc: "host: h\nmemory_limit: 1.2.3GiB", want: `line 2: memory_limit holds "1.2.3GiB": ` + wantSize + "128MiB to 1TiB"},
		{doc: "host: h\nconnect_timeout: 0", want: "line 2: connect_timeout holds 0: " + wantDuration + "1ms to 24h"},
		{doc: "host: h\nread_timeout: 30 seconds", want: `line 2: read_timeout holds "30 seconds": ` + wantDuration + "1ms to 24h"},
		{doc: "host: h\nread_timeout: 25h", want: `line 2: read_timeout holds "25h": ` + wantDuration + "1ms to 24h"},
		{doc: "host: h\nretry_for: -1s", want: `line 2: retry_for holds "-1s": ` + wantDuration + "0s to 168h"},
		{doc: "host: h\nretry_for: 1e99", want: `line 2: retry_for holds "1e99": ` + wantDuration + "0s to 168h"},

		// The environment and files.
		{doc: "host: h\npassword: ${KEYLIFT_TEST_NONE}", want: "line 2: password needs the environment variable KEYLIFT_TEST_NONE, which is not set: set it, or write ${KEYLIFT_TEST_NONE:-default}"},
		{doc: "host: ${KEYLIFT_TEST_NONE}", want: "line 1: host needs the environment variable KEYLIFT_TEST_NONE, which is not set: set it, or write ${KEYLIFT_TEST_NONE:-default}"},
		{doc: "host: h\nkey_pattern: ['${KEYLIFT_TEST_NONE}']", want: "line 2: key_pattern needs the environment variable KEYLIFT_TEST_NONE, which is not set: set it, or write ${KEYLIFT_TEST_NONE:-default}"},
		{doc: "host: h\npassword: 's3cret${'", want: "line 2: password holds a ${ that is no variable: write ${NAME}, ${NAME:-default}, or $${ for the text itself"},
		{doc: "host: h\npassword: 's3cret${1}'", want: "line 2: password holds a ${ that is no variable: write ${NAME}, ${NAME:-default}, or $${ for the text itself"},
		{doc: "host: h\npassword: '${s3cret-x}'", want: "line 2: password holds a ${ that is no variable: write ${NAME}, ${NAME:-default}, or $${ for the text itself"},
		{doc: "url: '${KEYLIFT_TEST_SECRET}'", want: "line 1: url is of no kind that is known: " + wantURL},
		{doc: "host: h\npassword: s3cret\npassword_file: password", want: "line 3: password_file cannot be given beside password: keep one of them"},
		{doc: "host: h\npassword_command: cat s3cret\npassword: s3cret", want: "line 2: password_command cannot be given beside password: keep one of them"},
		{doc: "url: redis://u:s3cret@h\npassword_command: cat s3cret", want: "line 2: password_command cannot be given beside url: keep one of them"},
		{doc: "host: h\npassword: s3cret\npassword_refresh: 5m", want: "line 3: password_refresh " + wantRefresh},
		{doc: "url: redis://:s3cret@h\npassword_refresh: 5m", want: "line 2: password_refresh " + wantRefresh},
		{doc: "host: h\npassword_file: none\npassword_refresh: 5m", want: `line 2: password_file holds "none": no such file or directory; name a file that is there and may be read`},
		{doc: "host: h\npassword_command: [s3cret]", want: "line 2: password_command holds a list: write text (true, false and the like in quotes)"},
		{doc: "host: h\npassword_file: none", want: `line 2: password_file holds "none": no such file or directory; name a file that is there and may be read`},
		{doc: "host: h\npassword_file: .", want: `line 2: password_file holds ".": is a directory; name a file that is there and may be read`},
		{doc: "host: h\npassword_file: empty", want: `line 2: password_file holds "empty": the file is empty; write the text into it, or name another`},
		{doc: "host: h\npassword_file: newline", want: `line 2: password_file holds "newline": the file is empty; write the text into it, or name another`},
		{doc: "host: h\npassword_file: big", want: `line 2: password_file holds "big": the file is larger than 65536 bytes; name a file that holds the text alone`},
		{doc: "host: h\npassword_file: [password]", want: `line 2: password_file holds a list: write the path of a file`},
		{doc: "url_file: badurl", want: "line 1: url_file " + wantEscapes},
		{doc: "url_file: none", want: `line 1: url_file holds "none": no such file or directory; name a file that is there and may be read`},

		// Flags.
		{doc: "host: h", flags: flags{{"sentinel_name", "game"}}, want: `--sentinel-name is given without sentinel_addresses: add the addresses of the sentinels`},
		{doc: "host: h", flags: flags{{"port", "x"}}, want: `--port holds "x": write a whole number from 1 to 65535`},
		{doc: "host: h", flags: flags{{"batch_size", "0"}}, want: `--batch-size holds "0": write a whole number from 1 to 100000`},
		{doc: "host: h", flags: flags{{"port", "1"}, {"port", "2"}}, want: `--port is given twice: keep one`},
		{doc: "host: h", flags: flags{{"prot", "1"}}, want: `unknown key "prot": did you mean port?`},
		{doc: "host: h", flags: flags{{"types", "hash"}, {"types", "hsh"}}, want: `--types holds "hsh": ` + wantTypes},
		{doc: "host: h", flags: flags{{"url", "redis://h"}, {"host", "h"}}, want: `--host cannot be given beside --url, which decides it: keep one of them`},
		{doc: "host: h", flags: flags{{"url", "redis://:s3cret@h:0"}}, want: `port in --url holds "0": write a whole number from 1 to 65535`},
		{doc: "host: h", flags: flags{{"password", "s3cret"}, {"password_file", "password"}}, want: `--password-file cannot be given beside --password: keep one of them`},
		{doc: "", flags: flags{{"port", "1"}}, want: "host is missing: name the server in host, or give its whole address in url"},

		// Several, in the order of the document, then of the flags.
		{
			doc:   "ssl: maybe\nprot: 1\nbatch_size: x\ndatabase: -1",
			flags: flags{{"retry_for", "x"}, {"deletes", "x"}},
			want: `line 1: ssl holds "maybe": write true or false
line 2: unknown key "prot": did you mean port?
line 3: batch_size holds "x": write a whole number from 1 to 100000
line 4: database holds -1: ` + wantDatabase + `
--retry-for holds "x": ` + wantDuration + `0s to 168h
--deletes holds "x": write soft, hard or ignore
host is missing: name the server in host, or give its whole address in url`,
		},
	}
	for _, tt := range tests {
		c, err := config.Load([]byte(tt.doc), tt.flags...)
		var mistakes *config.Error
		switch {
		case !errors.As(err, &mistakes):
			t.Errorf("%.80q %v: got %+v and error %v", tt.doc, tt.flags, c, err)
		case err.Error() != tt.want:
			t.Errorf("%.80q %v:\n got %s\nwant %s", tt.doc, tt.flags, err, tt.want)
		case len(mistakes.Mistakes) != 1+strings.Count(tt.want, "\n"):
			t.Errorf("%.80q: got %d mistakes", tt.doc, len(mistakes.Mistakes))
		case strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%.80q: the secret is shown: %s", tt.doc, err)
		}
	}
}
