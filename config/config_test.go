package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/keylift/keylift/config"
)

// load returns the configuration that doc and the overrides make.
func load(t *testing.T, doc string, overrides ...config.Override) *config.Config {
	t.Helper()
	c, err := config.Load([]byte(doc), overrides...)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// file writes text to a new file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_defaults(t *testing.T) {
	c := load(t, "host: localhost")
	checks := []struct {
		name      string
		got, want any
	}{
		{"host", c.Host, "localhost"},
		{"port", c.Port, 6379},
		{"username", c.Username, ""},
		{"password", c.Password.Reveal(), ""},
		{"databases", c.Databases, config.Databases{Numbers: []int{0}}},
		{"tls", c.TLS, config.TLS{}},
		{"key patterns", c.KeyPatterns, []string{"*"}},
		{"exclude patterns", c.ExcludePatterns, []string(nil)},
		{"types", c.Types, []string(nil)},
		{"mode", c.Mode, "auto"},
		{"batch size", c.BatchSize, 100},
		{"fast", c.Fast, false},
		{"big key bytes", c.BigKeyBytes, int64(16777216)},
		{"max value bytes", c.MaxValueBytes, int64(104857600)},
		{"destination", c.Destination, config.Destination{Kind: "duckdb", Path: "warehouse.db"}},
		{"destination schema", c.DestinationSchema, "main"},
		{"table name", c.TableName, "redis_data"},
		{"deletes", c.Deletes, "soft"},
		{"max_delete_share", c.MayDelete(), 0.5},
		{"checkpoint interval", c.CheckpointInterval, 1000},
		{"memory limit", c.MemoryLimit, int64(268435456)},
		{"spool bytes", c.SpoolBytes, int64(1073741824)},
		{"connect timeout", c.ConnectTimeout, 30 * time.Second},
		{"read timeout", c.ReadTimeout, 30 * time.Second},
		{"retry for", c.RetryFor, 5 * time.Minute},
	}
	for _, k := range checks {
		if !reflect.DeepEqual(k.got, k.want) {
			t.Errorf("%s: got %#v, want %#v", k.name, k.got, k.want)
		}
	}
}

func TestLoad_everything(t *testing.T) {
	pem := file(t, "-----BEGIN CERTIFICATE-----\n")
	want := func(t *testing.T, c *config.Config) {
		t.Helper()
		if c.Password.Reveal() != "s3cret" {
			t.Errorf("password: got %q", c.Password.Reveal())
		}
		network, address := c.Address()
		if network != "tcp" || address != "[fd00::1]:6380" {
			t.Errorf("address: got %s %s", network, address)
		}
		got := []any{
			c.Username, c.Databases, c.TLS, c.KeyPatterns, c.ExcludePatterns, c.Types, c.Mode, c.BatchSize, c.Fast, c.BigKeyBytes,
			c.MaxValueBytes, c.Destination, c.DestinationSchema, c.TableName, c.Deletes, c.CheckpointInterval, c.MemoryLimit,
			c.ConnectTimeout, c.ReadTimeout, c.RetryFor,
		}
		want := []any{
			"game",
			config.Databases{Numbers: []int{0, 3}},
			config.TLS{Enabled: true, CA: pem, Cert: pem, Key: pem, ServerName: "redis.internal", Insecure: true},
			[]string{"player:*", "leaderboard:*"},
			[]string{"tmp:*"},
			[]string{"hash", "zset"},
			"scan", 250, true, int64(1500000),
			int64(536870912),
			config.Destination{Kind: "duckdb", Path: "games.duckdb"},
			"raw", "games", "hard", 500, int64(1610612736),
			2500 * time.Millisecond, 90 * time.Second, time.Duration(0),
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("value %d: got %#v, want %#v", i, got[i], want[i])
			}
		}
	}
	t.Run("yaml", func(t *testing.T) {
		want(t, load(t, `---
# a comment
host: fd00::1
port: 6380
username: game
password: s3cret
database: [0, 3]
ssl: true
tls_ca: `+pem+`
tls_cert: `+pem+`
tls_key: `+pem+`
tls_server_name: redis.internal
tls_insecure: true
key_pattern:
  - player:*
  - leaderboard:*
exclude_pattern: "tmp:*"
types: [hash, zset]
mode: scan
batch_size: 250
fast: true
big_key_bytes: 1.5MB
max_value_bytes: 512 mib
destination: games.duckdb
destination_schema: raw
table_name: games
deletes: hard
checkpoint_interval: 500
memory_limit: 1.5GiB
connect_timeout: 2.5
read_timeout: 1m30s
retry_for: 0
`))
	})
	t.Run("json", func(t *testing.T) {
		want(t, load(t, "\ufeff"+`
{
	"host": "[fd00::1]", "port": 6380, "username": "game", "password": "s3cret", "database": "0, 3", "ssl": true,
	"tls_ca": "`+pem+`", "tls_cert": "`+pem+`", "tls_key": "`+pem+`", "tls_server_name": "redis.internal", "tls_insecure": true,
	"key_pattern": ["player:*", "leaderboard:*"], "exclude_pattern": ["tmp:*"], "types": "hash,zset", "mode": "scan", "batch_size": 250, "fast": true,
	"big_key_bytes": 1500000, "max_value_bytes": "512MiB", "destination": "duckdb:games.duckdb", "destination_schema": "raw", "table_name": "games",
	"deletes": "hard", "checkpoint_interval": 500, "memory_limit": "1536MiB", "connect_timeout": "2500ms", "read_timeout": 90, "retry_for": "0s"
}
`))
	})
	t.Run("flags", func(t *testing.T) {
		want(t, load(t, "", []config.Override{
			{"host", "fd00::1"},
			{"port", "6380"},
			{"username", "game"},
			{"password", "s3cret"},
			{"database", "0"},
			{"database", "3"},
			{"ssl", "true"},
			{"tls_ca", pem},
			{"tls_cert", pem},
			{"tls_key", pem},
			{"tls_server_name", "redis.internal"},
			{"tls_insecure", "true"},
			{"key_pattern", "player:*"},
			{"key_pattern", "leaderboard:*"},
			{"exclude_pattern", "tmp:*"},
			{"types", "hash"},
			{"types", "zset"},
			{"mode", "scan"},
			{"batch_size", "250"},
			{"fast", "true"},
			{"big_key_bytes", "1500KB"},
			{"max_value_bytes", "0.5GiB"},
			{"destination", "games.duckdb"},
			{"destination_schema", "raw"},
			{"table_name", "games"},
			{"deletes", "hard"},
			{"checkpoint_interval", "500"},
			{"memory_limit", "1.5 GiB"},
			{"connect_timeout", "2.5s"},
			{"read_timeout", "90"},
			{"retry_for", "0"},
		}...))
	})
}

// The forms of configuration.json that users of the Connector SDK's example have.
func TestLoad_configurationJSON(t *testing.T) {
	tests := []struct {
		name, doc string
		address   string
		username  string
		password  string
		databases []int
		tls       bool
		table     string
		patterns  []string
		batch     int
	}{
		{
			"every value a string",
			`{
    "host": "localhost",
    "port": "6379",
    "username": "default",
    "password": "secret",
    "database": "2",
    "ssl": "true",
    "table_name": "leaderboards",
    "key_pattern": "leaderboard:*",
    "batch_size": "500"
}`,
			"localhost:6379", "default", "secret",
			[]int{2},
			true, "leaderboards",
			[]string{"leaderboard:*"},
			500,
		},
		{
			"empty strings are absent",
			`{"host": "10.0.0.7", "port": "6380", "username": "", "password": "", "database": "", "ssl": "", "table_name": "", "key_pattern": "", "batch_size": ""}`,
			"10.0.0.7:6380", "", "",
			[]int{0},
			false, "redis_data",
			[]string{"*"},
			100,
		},
		{
			"no password",
			`{"host": "localhost", "port": "6379", "password": ""}`,
			"localhost:6379", "", "",
			[]int{0},
			false, "redis_data",
			[]string{"*"},
			100,
		},
		{
			"a password, no username",
			`{"host": "localhost", "port": "6379", "password": "p\"\\\/\u00e9\ud83d\ude00"}`,
			"localhost:6379", "", `p"\/é😀`,
			[]int{0},
			false, "redis_data",
			[]string{"*"},
			100,
		},
		{
			"booleans as Python writes them",
			`{"host": "localhost", "port": "6379", "ssl": "True"}`,
			"localhost:6379", "", "",
			[]int{0},
			true, "redis_data",
			[]string{"*"},
			100,
		},
		{
			"numbers and booleans of JSON, null, no port",
			`{"host": "localhost", "database": 15, "ssl": false, "password": null, "batch_size": 1000}`,
			"localhost:6379", "", "",
			[]int{15},
			false, "redis_data",
			[]string{"*"},
			1000,
		},
		{
			"indented by tabs",
			"{\n\t\"host\": \"localhost\",\n\t\"key_pattern\": \"player:*:stats\"\n}\n",
			"localhost:6379", "", "",
			[]int{0},
			false, "redis_data",
			[]string{"player:*:stats"},
			100,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.doc)
			_, address := c.Address()
			got := []any{address, c.Username, c.Password.Reveal(), c.Databases.Numbers, c.TLS.Enabled, c.TableName, c.KeyPatterns, c.BatchSize}
			want := []any{tt.address, tt.username, tt.password, tt.databases, tt.tls, tt.table, tt.patterns, tt.batch}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// Text settings take numbers as they are written.
func TestLoad_numbersAsText(t *testing.T) {
	c := load(t, "host: 10.1\nusername: 0x1F\npassword: 007\ntable_name: 2024\nkey_pattern: [1, 2.50]")
	got := []any{c.Host, c.Username, c.Password.Reveal(), c.TableName, c.KeyPatterns}
	want := []any{"10.1", "0x1F", "007", "2024", []string{"1", "2.50"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLoad_blockText(t *testing.T) {
	if c := load(t, "host: h\npassword: |-\n  two\n  lines\n"); c.Password.Reveal() != "two\nlines" {
		t.Errorf("got %q", c.Password.Reveal())
	}
}

func TestLoad_databases(t *testing.T) {
	tests := []struct {
		text string
		want config.Databases
	}{
		{"7", config.Databases{Numbers: []int{7}}},
		{`"7"`, config.Databases{Numbers: []int{7}}},
		{"0,3", config.Databases{Numbers: []int{0, 3}}},
		{"[3, 0]", config.Databases{Numbers: []int{3, 0}}},
		{`"[3, 0]"`, config.Databases{Numbers: []int{3, 0}}},
		{`["3", 0]`, config.Databases{Numbers: []int{3, 0}}},
		{"all", config.Databases{All: true}},
	}
	for _, tt := range tests {
		if c := load(t, "host: h\ndatabase: "+tt.text); !reflect.DeepEqual(c.Databases, tt.want) {
			t.Errorf("database: %s: got %v, want %v", tt.text, c.Databases, tt.want)
		}
	}
}

func TestLoad_destination(t *testing.T) {
	tests := []struct{ text, kind, path string }{
		{"duckdb:a", "duckdb", "a"},
		{"duckdb:/var/lib/w.db", "duckdb", "/var/lib/w.db"},
		{"w.db", "duckdb", "w.db"},
		{"dir/w.duckdb", "duckdb", "dir/w.duckdb"},
		{`C:\data\w.db`, "duckdb", `C:\data\w.db`},
		{"memory:", "memory", ""},
	}
	for _, tt := range tests {
		c := load(t, "host: h\ndestination: '"+tt.text+"'")
		if c.Destination.Kind != tt.kind || c.Destination.Path != tt.path {
			t.Errorf("destination: %s: got %+v, want %s, %s", tt.text, c.Destination, tt.kind, tt.path)
		}
	}
}

func TestLoad_pace(t *testing.T) {
	pace := func(c *config.Config) [4]any {
		return [4]any{c.MaxCommandMillis, c.MaxSourceLatency, c.MaxKeysPerSecond, c.MaxBytesPerSecond}
	}
	for doc, want := range map[string][4]any{
		"host: h": {20, time.Duration(0), 0, int64(0)},
		"host: h\nmax_command_ms: 5\nmax_source_latency: 1.5ms\nmax_keys_per_second: 20000\nmax_bytes_per_second: 20MB": {5, 1500 * time.Microsecond, 20000, int64(20_000_000)},
		"host: h\nfast: true":                     {500, time.Duration(0), 0, int64(0)},
		"host: h\nfast: true\nmax_command_ms: 20": {20, time.Duration(0), 0, int64(0)},
	} {
		if got := pace(load(t, doc)); got != want {
			t.Errorf("%q: got %v, want %v", doc, got, want)
		}
	}
}

func TestLoad_fast(t *testing.T) {
	if c := load(t, "host: h\nfast: true"); c.BatchSize != 1000 {
		t.Errorf("fast: batch size is %d, want 1000", c.BatchSize)
	}
	if c := load(t, "host: h\nbatch_size: 50", config.Override{"fast", "true"}); c.BatchSize != 50 {
		t.Errorf("fast with a batch size of 50: it is %d", c.BatchSize)
	}
}

func TestLoadWithoutServer(t *testing.T) {
	c, err := config.LoadWithoutServer(nil, config.Override{Key: "destination", Value: "game.db"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "" || c.Destination.Path != "game.db" {
		t.Errorf("got host %q and destination %q", c.Host, c.Destination.Path)
	}
	if _, err := config.LoadWithoutServer([]byte("prt: 1")); err == nil || err.Error() != `line 1: unknown key "prt": did you mean port?` {
		t.Errorf("a mistake of another kind: got %v", err)
	}
}

func TestLoadForm(t *testing.T) {
	c, err := config.LoadForm(
		config.Override{Key: "host", Value: "redis.example.com"},
		config.Override{Key: "password", Value: "${NOT_EXPANDED}$$"},
		config.Override{Key: "port", Value: ""},
		config.Override{Key: "key_pattern", Value: "a:*"},
		config.Override{Key: "key_pattern", Value: "b:*"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "redis.example.com" || c.Password.Reveal() != "${NOT_EXPANDED}$$" || c.Port != 6379 || !slices.Equal(c.KeyPatterns, []string{"a:*", "b:*"}) {
		t.Errorf("got %+v", c)
	}
	_, err = config.LoadForm(config.Override{Key: "host", Value: "h"}, config.Override{Key: "batch_size", Value: "many"})
	if want := `batch_size holds "many": write a whole number from 1 to 100000`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
