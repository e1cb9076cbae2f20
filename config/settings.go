package config

import (
	"strings"
	"time"
)

// A Setting describes one key of a configuration.
type Setting struct {
	Key     string
	Default string // as a document writes it; "" where there is none
	Doc     string // what it means, in sentences
	Example string // a value to show; "" where Default shows enough
	Group   string // the heading it stands under
	Secret  bool   // its value is never shown
	List    bool   // several values may be given
	Bool    bool   // its value is true or false
	// Keys describe the mappings that it lists; nil: it lists none.
	Keys []Setting
}

// Flag returns the name of the flag that overrides the setting: "--batch-size".
func (s Setting) Flag() string { return flagName(s.Key) }

func flagName(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") }

// Settings lists every key there is, in the order of the documentation.
func Settings() []Setting {
	return described(settings)
}

// A setting is a Setting with the field of a C that it fills. Without one it is
// the path of a file that holds another setting.
type setting[C any] struct {
	Setting
	value    binding[C]
	fileOf   string
	required bool // of an element of a list
	empty    bool // an empty text is a value, and not as if the key were absent
}

func described[C any](settings []setting[C]) []Setting {
	all := make([]Setting, len(settings))
	for i := range settings {
		all[i] = settings[i].Setting
	}
	return all
}

func keysOf[C any](settings []setting[C]) []string {
	keys := make([]string, len(settings))
	for i := range settings {
		keys[i] = settings[i].Key
	}
	return keys
}

func lookup[C any](settings []setting[C], key string) *setting[C] {
	for i := range settings {
		if settings[i].Key == key {
			return &settings[i]
		}
	}
	return nil
}

const (
	server  = "Server"
	reading = "What is read, and how"
	sparing = "Sparing the server"
	writing = "Where it goes"
	shaping = "Tables from key templates"
	limits  = "Limits"

	fastBatch  = 1000 // keys
	fastBigKey = 64 << 20
	fastMillis = 500 // of a command
)

// settings is what parsing, the schema, the printed configuration and the
// documentation are made from.
var settings = []setting[Config]{
	{
		Setting: Setting{Key: "host", Group: server, Example: "redis.example.com", Doc: "Name or IP address of the server. Required, unless `url` or `sentinel_name` is given."},
		value:   bind(host, func(c *Config) *string { return &c.Host }),
	},
	{
		Setting: Setting{Key: "port", Group: server, Default: "6379", Doc: "Port of the server."},
		value:   bind(whole(1, 65535), func(c *Config) *int { return &c.Port }),
	},
	{
		Setting: Setting{Key: "nodes", Group: server, Example: "[redis-2:6379, redis-3:6379]", List: true, Doc: "Further nodes of a cluster, as `host:port`, to start from when `host` does not answer. The others the cluster tells."},
		value:   bind(addresses, func(c *Config) *[]string { return &c.Nodes }),
	},
	{
		Setting: Setting{Key: "username", Group: server, Example: "keylift", Doc: "ACL user to authenticate as. Without it, the server's default user."},
		value:   bind(plain, func(c *Config) *string { return &c.Username }),
	},
	{
		Setting: Setting{Key: "username_file", Group: server, Example: "/run/secrets/redis-user", Doc: "A file that holds `username`. It is read again for each connection."},
		fileOf:  "username",
	},
	{
		Setting: Setting{Key: "password", Group: server, Secret: true, Example: "${REDIS_PASSWORD}", Doc: "Password to authenticate with. Without it, no authentication."},
		value:   bind(secret, func(c *Config) *Secret { return &c.Password }),
	},
	{
		Setting: Setting{Key: "password_file", Group: server, Example: "/run/secrets/redis-password", Doc: "A file that holds `password`. It is read again for each connection, so that the secret may change."},
		fileOf:  "password",
	},
	{
		Setting: Setting{Key: "password_command", Group: server, Secret: true, Example: "gcloud auth print-access-token", Doc: "A command whose standard output is the password: a token of the provider. `/bin/sh` runs it, within `connect_timeout`, before the first connection, again for connections that are made once `password_refresh` has passed, and whenever the server refuses what it printed."},
		value:   bind(secret, func(c *Config) *Secret { return &c.PasswordCommand }),
	},
	{
		Setting: Setting{Key: "password_refresh", Group: server, Default: "10m", Doc: "Time for which a password of `password_command`, or one from a file, counts as current: connections that live longer log in again with what is current then. Less than the provider's tokens live."},
		value:   bind(duration(time.Second, 7*24*time.Hour), func(c *Config) *time.Duration { return &c.PasswordRefresh }),
	},
	{
		Setting: Setting{Key: "url", Group: server, Secret: true, Example: "rediss://keylift:${REDIS_PASSWORD}@redis.example.com:6380/0", Doc: "The server's whole address in place of `host`, `port`, `ssl` and, where it names them, `username`, `password` and `database`: `redis://user:password@host:port/database`, `rediss://…` for TLS, or `unix://user:password@/path?db=database` for a socket. Special characters in user and password are percent-escaped."},
		value:   bind(plain, func(c *Config) *string { return &c.Socket }),
	},
	{
		Setting: Setting{Key: "url_file", Group: server, Example: "/run/secrets/redis-url", Doc: "A file that holds `url`. It is read again for each connection, for user and password alone."},
		fileOf:  "url",
	},
	{
		Setting: Setting{Key: "sentinel_name", Group: server, Example: "mymaster", Doc: "In place of `host`: the name that sentinels monitor the primary by. They are asked for its address each time keylift connects."},
		value:   bind(plain, func(c *Config) *string { return &c.Sentinel.Name }),
	},
	{
		Setting: Setting{Key: "sentinel_addresses", Group: server, Example: `["sentinel-1:26379", "sentinel-2:26379"]`, List: true, Doc: "Addresses of the sentinels, which are asked in turn. The port is 26379 unless it is given."},
		value:   bind(sentinelAddresses, func(c *Config) *[]string { return &c.Sentinel.Addresses }),
	},
	{
		Setting: Setting{Key: "sentinel_username", Group: server, Example: "keylift", Doc: "ACL user to authenticate to the sentinels as. Without it, their default user."},
		value:   bind(plain, func(c *Config) *string { return &c.Sentinel.Username }),
	},
	{
		Setting: Setting{Key: "sentinel_password", Group: server, Secret: true, Example: "${SENTINEL_PASSWORD}", Doc: "Password to authenticate to the sentinels with; `password` is for the servers alone. Without it, no authentication."},
		value:   bind(secret, func(c *Config) *Secret { return &c.Sentinel.Password }),
	},
	{
		Setting: Setting{Key: "sentinel_password_file", Group: server, Example: "/run/secrets/sentinel-password", Doc: "A file that holds `sentinel_password`."},
		fileOf:  "sentinel_password",
	},
	{
		Setting: Setting{Key: "sentinel_tls", Group: server, Example: "false", Bool: true, Doc: "Connect to the sentinels by TLS, with the same `tls_…` settings as to the servers. Without it, as `ssl` says."},
		value:   bind(truth, func(c *Config) *bool { return &c.Sentinel.TLS }),
	},
	{
		Setting: Setting{Key: "database", Group: server, Default: "0", Example: "[0, 3]", List: true, Doc: "Database to read: a number, a list such as `[0, 3]` or `\"0,3\"`, or `all` for every database that holds keys. With more than one, the table's key is `database` and `key`."},
		value:   bind(databases, func(c *Config) *Databases { return &c.Databases }),
	},
	{
		Setting: Setting{Key: "ssl", Group: server, Default: "false", Bool: true, Doc: "Connect by TLS. The server's certificate is verified."},
		value:   bind(truth, func(c *Config) *bool { return &c.TLS.Enabled }),
	},
	{
		Setting: Setting{Key: "tls_ca", Group: server, Example: "/etc/keylift/ca.pem", Doc: "PEM file of the certificates to trust in place of the system's. This and the other files of TLS are read again for each connection, so that they may be renewed."},
		value:   bind(pemFile, func(c *Config) *string { return &c.TLS.CA }),
	},
	{
		Setting: Setting{Key: "tls_cert", Group: server, Example: "/etc/keylift/client.pem", Doc: "PEM file of the client's certificate, for servers that ask for one. Goes with `tls_key`."},
		value:   bind(pemFile, func(c *Config) *string { return &c.TLS.Cert }),
	},
	{
		Setting: Setting{Key: "tls_key", Group: server, Example: "/etc/keylift/client.key", Doc: "PEM file of the key of `tls_cert`."},
		value:   bind(pemFile, func(c *Config) *string { return &c.TLS.Key }),
	},
	{
		Setting: Setting{Key: "tls_server_name", Group: server, Example: "redis.internal", Doc: "Name that the server's certificate must hold, where it is not `host`."},
		value:   bind(host, func(c *Config) *string { return &c.TLS.ServerName }),
	},
	{
		Setting: Setting{Key: "tls_insecure", Group: server, Default: "false", Bool: true, Doc: "Accept any certificate. Whoever sits between can then read everything: for trying out only."},
		value:   bind(truth, func(c *Config) *bool { return &c.TLS.Insecure }),
	},

	{
		Setting: Setting{Key: "key_pattern", Group: reading, Default: "*", Example: `["player:*", "leaderboard:*"]`, List: true, Doc: "Redis pattern of the keys to read, or a list of them: a key that matches any is read."},
		value:   bind(patterns, func(c *Config) *[]string { return &c.KeyPatterns }),
	},
	{
		Setting: Setting{Key: "exclude_pattern", Group: reading, Example: `"tmp:*"`, List: true, Doc: "Redis pattern of keys to leave out, or a list of them. It wins over `key_pattern`."},
		value:   bind(patterns, func(c *Config) *[]string { return &c.ExcludePatterns }),
	},
	{
		Setting: Setting{Key: "types", Group: reading, Example: "[hash, zset]", List: true, Doc: "Types of keys to read, of `string`, `hash`, `list`, `set`, `zset`, `stream`, `json`, `timeseries` and `vectorset`. Without it, all."},
		value:   bind(types, func(c *Config) *[]string { return &c.Types }),
	},
	{
		Setting: Setting{Key: "mode", Group: reading, Default: "auto", Doc: "How keys are read: `scan` by SCAN, which any server allows; `replica` as a replica does, where PSYNC is permitted: all keys at one moment, and from then on what changed; `rdb` from `rdb_file`; `auto` is `rdb` where a file is given; `replica` where the server permits it and the sync follows or goes on behind a run that read that way; else `scan`."},
		value:   bind(modes, func(c *Config) *string { return &c.Mode }),
	},
	{
		Setting: Setting{Key: "read_from", Group: reading, Default: "primary", Doc: "Who is read: the `primary`, or a `replica` of it, which spares the primary; of a cluster a replica of each. A replica is read once it holds what the primary held when the run began; where there is none to be read, the primary is, with a warning. With `mode: replica` the primaries of a cluster are followed themselves."},
		value:   bind(oneOf("primary", "replica"), func(c *Config) *string { return &c.ReadFrom }),
	},
	{
		Setting: Setting{Key: "rdb_file", Group: reading, Example: "/var/backups/dump.rdb", Doc: "An RDB file to read in place of a server, or `-` for standard input. Rows of keys that an earlier file held and this one does not are deleted."},
		value:   bind(input, func(c *Config) *string { return &c.RDBFile }),
	},
	{
		Setting: Setting{Key: "follow", Group: reading, Default: "false", Bool: true, Doc: "Go on with what changes until interrupted, through restarts and outages. As a replica, which `mode: auto` takes where the server permits it, every change arrives, in order; with `mode: scan` the server must notify of changes (`notify-keyspace-events`), and what it fails to tell of arrives within `repair_interval`."},
		value:   bind(truth, func(c *Config) *bool { return &c.Follow }),
	},
	{
		Setting: Setting{Key: "repair_interval", Group: reading, Default: "1h", Doc: "With `follow` and `mode: scan`, the time after which all keys are read once more, because notifications may be lost."},
		value:   bind(duration(time.Second, 30*24*time.Hour), func(c *Config) *time.Duration { return &c.RepairInterval }),
	},
	{
		Setting: Setting{Key: "batch_size", Group: reading, Default: "100", Doc: "Keys that are asked for at once. More is faster and holds up the server's other clients for longer."},
		value:   bind(whole(1, 100_000), func(c *Config) *int { return &c.BatchSize }),
	},
	{
		Setting: Setting{Key: "fast", Group: reading, Default: "false", Bool: true, Doc: "Read as fast as the server can, for those who own it: `batch_size` is 1000, `big_key_bytes` 64 MiB and `max_command_ms` 500 unless they are given."},
		value:   bind(truth, func(c *Config) *bool { return &c.Fast }),
	},
	{
		Setting: Setting{Key: "big_key_bytes", Group: reading, Default: "16MiB", Doc: "A value larger than this, by the server's count, is read in chunks, so that the server never stalls on it. `max_command_ms` may bound it more tightly."},
		value:   bind(size(1, 1<<40), func(c *Config) *int64 { return &c.BigKeyBytes }),
	},
	{
		Setting: Setting{Key: "max_value_bytes", Group: reading, Default: "100MiB", Doc: "A value whose text is larger than this becomes NULL, with its true size and a warning."},
		value:   bind(size(1, 2<<30), func(c *Config) *int64 { return &c.MaxValueBytes }),
	},

	{
		Setting: Setting{Key: "max_command_ms", Group: sparing, Default: "20", Doc: "Milliseconds that a single command may keep the server busy: values that would take it longer, at 128 KiB a millisecond, are read in chunks, and chunks get smaller where they take it longer."},
		value:   bind(whole(1, 60_000), func(c *Config) *int { return &c.MaxCommandMillis }),
	},
	{
		Setting: Setting{Key: "max_source_latency", Group: sparing, Default: "0s", Example: "2ms", Doc: "Reading by SCAN, and of changed keys, slows down while a server takes longer than this to answer a probe, and speeds up again when it does not; `0s`: it does not matter. See [pacing](pacing.md)."},
		value:   bind(duration(0, time.Minute), func(c *Config) *time.Duration { return &c.MaxSourceLatency }),
	},
	{
		Setting: Setting{Key: "max_keys_per_second", Group: sparing, Default: "0", Example: "20000", Doc: "The most keys that are read in a second, of all nodes together, by SCAN or because they changed; names that are passed over count, too. `0`: no limit."},
		value:   bind(whole(0, 1_000_000_000), func(c *Config) *int { return &c.MaxKeysPerSecond }),
	},
	{
		Setting: Setting{Key: "max_bytes_per_second", Group: sparing, Default: "0", Example: "20MB", Doc: "The most bytes that are received in a second, of all nodes together; a replica's snapshot counts, the changes behind it do not. `0`: no limit."},
		value:   bind(size(0, 1<<40), func(c *Config) *int64 { return &c.MaxBytesPerSecond }),
	},

	{
		Setting: Setting{Key: "destination", Group: writing, Default: "duckdb:warehouse.db", Doc: "`duckdb:PATH`, or a path that ends in `.db` or `.duckdb`, is a DuckDB file; `memory:` keeps the rows for the run only, for trying out."},
		value:   bind(destination, func(c *Config) *Destination { return &c.Destination }),
	},
	{
		Setting: Setting{Key: "destination_schema", Group: writing, Default: "main", Doc: "Schema of the destination that the tables are created in."},
		value:   bind(name, func(c *Config) *string { return &c.DestinationSchema }),
	},
	{
		Setting: Setting{Key: "table_name", Group: writing, Default: "redis_data", Doc: "Name of the table of keys that match no template of `tables`: without `tables`, of all."},
		value:   bind(name, func(c *Config) *string { return &c.TableName }),
	},
	{
		Setting: Setting{Key: "deletes", Group: writing, Default: "soft", Doc: "What becomes of the row of a key that is gone: `soft` marks it `_keylift_deleted`, `hard` removes it, `ignore` leaves it as it was."},
		value:   bind(oneOf("soft", "hard", "ignore"), func(c *Config) *string { return &c.Deletes }),
	},
	{
		Setting: Setting{Key: "max_delete_share", Group: writing, Default: "50%", Doc: "Share of the rows in the destination that a snapshot may delete. One that would delete more stops the sync and publishes nothing: most often it read another server, one that was emptied, or by other patterns."},
		value:   bind(share, func(c *Config) *float64 { return &c.MaxDeleteShare }),
	},
	{
		Setting: Setting{Key: "allow_empty", Group: writing, Default: "false", Bool: true, Doc: "Let snapshots delete any share of the rows. Meant for one run, by `--allow-empty`."},
		value:   bind(truth, func(c *Config) *bool { return &c.AllowEmpty }),
	},
	{
		Setting: Setting{Key: "checkpoint_interval", Group: writing, Default: "1000", Doc: "Keys after which the place to resume from is committed with the rows, though not more than once a second. With many `tables` it takes as many more keys for every 50 of them."},
		value:   bind(whole(1, 1_000_000_000), func(c *Config) *int { return &c.CheckpointInterval }),
	},
	{
		Setting: Setting{Key: "publish_interval", Group: writing, Default: "1s", Doc: "With `follow`, the time between two publications of what changed."},
		value:   bind(duration(10*time.Millisecond, 24*time.Hour), func(c *Config) *time.Duration { return &c.PublishInterval }),
	},

	{
		Setting: Setting{Key: "tables", Group: shaping, Example: `[{name: players, keys: "player:{player_id}"}]`, Keys: described(tableSettings), Doc: "Tables of keys that match a template, in a list: a key goes to the first that it matches, and to `table_name` if there is none. In place of the list, a text that holds it in JSON."},
		value:   bind(tables.kind(), func(c *Config) *[]Table { return &c.Tables }),
	},
	{
		Setting: Setting{Key: "unmatched", Group: shaping, Default: "table", Doc: "What becomes of keys that match no template: `table` puts them into `table_name`, `skip` does not read them."},
		value:   bind(oneOf("table", "skip"), func(c *Config) *string { return &c.Unmatched }),
	},
	{
		Setting: Setting{Key: "views", Group: shaping, Default: "true", Bool: true, Doc: "Create the ready-made views beside the tables."},
		value:   bind(truth, func(c *Config) *bool { return &c.Views }),
	},

	{
		Setting: Setting{Key: "memory_limit", Group: limits, Default: "256MiB", Doc: "Memory for what can be bounded: batches on their way and DuckDB's buffers. The program itself, and one value of up to `max_value_bytes`, come on top."},
		value:   bind(size(128<<20, 1<<40), func(c *Config) *int64 { return &c.MemoryLimit }),
	},
	{
		Setting: Setting{Key: "spool_bytes", Group: limits, Default: "1GiB", Doc: "Disk for changes that a replica has received and the destination has not taken yet, in the folder of the DuckDB file. It is used while the destination is behind, so that the server does not drop the link."},
		value:   bind(size(1<<20, 1<<40), func(c *Config) *int64 { return &c.SpoolBytes }),
	},
	{
		Setting: Setting{Key: "connect_timeout", Group: limits, Default: "30s", Doc: "Time for a connection to be made."},
		value:   bind(duration(time.Millisecond, 24*time.Hour), func(c *Config) *time.Duration { return &c.ConnectTimeout }),
	},
	{
		Setting: Setting{Key: "read_timeout", Group: limits, Default: "30s", Doc: "Time for the server to answer, or to take what is sent."},
		value:   bind(duration(time.Millisecond, 24*time.Hour), func(c *Config) *time.Duration { return &c.ReadTimeout }),
	},
	{
		Setting: Setting{Key: "retry_for", Group: limits, Default: "5m", Doc: "Time that faults which may pass are retried for before the sync fails; `0s` fails at the first."},
		value:   bind(duration(0, 7*24*time.Hour), func(c *Config) *time.Duration { return &c.RetryFor }),
	},
}
