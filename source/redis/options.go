package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/keylift/keylift/table"
)

// Options say what to read and how. Zero values mean the defaults.
type Options struct {
	Network string // "tcp" (default) or "unix"
	Address string // host:port, or the path of a socket
	// Nodes are further host:port of a cluster, for when Address does not answer.
	Nodes []string
	// TLS returns the configuration of a new connection; nil: no TLS. Where its
	// ServerName is empty, the host of Address takes its place.
	TLS func() *tls.Config

	Username, Password string
	// Credentials returns, in place of Username and Password, what a new connection
	// logs in with, and one that lives on when its own have come of age. refused is what
	// the server did not accept just now, zero if nothing. Goroutines call it at once.
	Credentials func(ctx context.Context, refused Credentials) (Credentials, error)

	Sentinel    Sentinel // names the server in place of Network and Address; without a Name, none does
	ReadReplica bool     // read a replica of the server, if there is one that can be read

	Databases    []int // default: 0 alone
	AllDatabases bool  // every database that holds keys when a snapshot starts; Databases is not used

	Patterns []string // glob patterns: a key is read if one matches; none: every key
	Exclude  []string // glob patterns: a key is not read if one matches
	Types    []string // names of types as the data_type column writes them; none: all
	Table    string   // name of the table of keys that match no template; default redis_data
	// Tables are fed by the keys that match their templates, the first that matches;
	// with SkipUnmatched no other keys are read.
	Tables        []table.Spec
	SkipUnmatched bool

	// Replica: read as a replica does, by PSYNC, and not by SCAN.
	Replica bool
	// Auto: without Replica, read as a replica where a run follows, or goes on behind
	// one that did, and the server permits it.
	Auto bool
	// Follow: go on reading changes until the reader is closed, and hand them on
	// every PublishInterval (default 1 s). Without Replica they are known from keyspace
	// notifications, which may be lost: all keys are read every RepairInterval (default
	// an hour), too.
	Follow          bool
	PublishInterval time.Duration
	RepairInterval  time.Duration

	BatchSize     int   // keys in flight near the server; default 100
	BigKeyBytes   int64 // keys that take more memory in the server are read in chunks; default 16 MiB
	MaxValueBytes int64 // longer values become NULL; default 100 MiB
	MemoryBytes   int64 // aimed at for rows on their way; default 64 MiB

	// KeysPerSecond and BytesPerSecond are the most that is read of the deployment, as
	// it comes; 0: no limit. The changes that a replica receives are not slowed.
	KeysPerSecond, BytesPerSecond int64
	// SourceLatency: reading slows down while a server takes longer to answer a probe;
	// 0: it does not.
	SourceLatency time.Duration
	// MaxCommand is how long a single command may keep a server busy (default 20 ms):
	// larger values are read in chunks.
	MaxCommand time.Duration

	// What a server sends to its replica while the destination is behind waits in a
	// file of up to SpoolBytes (default 1 GiB) in SpoolFolder (default: that for
	// temporary files).
	SpoolBytes  int64
	SpoolFolder string

	ConnectTimeout time.Duration // default 30 s
	IOTimeout      time.Duration // of one round trip; default 30 s

	Logger  *slog.Logger // default: none
	LogKeys bool         // write key names into logs and messages; otherwise a hash stands for them

	plan     string        // fingerprint of Tables
	pacer    *pacer        // nil: nothing is limited
	changing bool          // what Credentials returns may change
	silence  time.Duration // of a link that counts as dead; 0: as package replication has it
}

// Defaults of Options.
const (
	DefaultTable         = "redis_data"
	DefaultBatchSize     = 100
	DefaultBigKeyBytes   = 16 << 20
	DefaultMaxValueBytes = 100 << 20
	DefaultMemoryBytes   = 64 << 20
	DefaultSpoolBytes    = 1 << 30
	DefaultMaxCommand    = 20 * time.Millisecond
	DefaultTimeout       = 30 * time.Second

	DefaultPublishInterval = time.Second
	DefaultRepairInterval  = time.Hour
)

func (o Options) withDefaults() (Options, error) {
	if o.Address == "" && o.Sentinel.Name == "" {
		return o, errors.New("no address to read from; set host and port, or url")
	}
	o.Network = cmp.Or(o.Network, "tcp")
	o.Table = cmp.Or(o.Table, DefaultTable)
	o.BatchSize = cmp.Or(o.BatchSize, DefaultBatchSize)
	o.MaxCommand = cmp.Or(o.MaxCommand, DefaultMaxCommand)
	o.BigKeyBytes = min(cmp.Or(o.BigKeyBytes, DefaultBigKeyBytes), o.wholeBytes())
	o.MaxValueBytes = cmp.Or(o.MaxValueBytes, DefaultMaxValueBytes)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, DefaultMemoryBytes)
	o.SpoolBytes = cmp.Or(o.SpoolBytes, DefaultSpoolBytes)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, DefaultTimeout)
	o.IOTimeout = cmp.Or(o.IOTimeout, DefaultTimeout)
	o.PublishInterval = cmp.Or(o.PublishInterval, DefaultPublishInterval)
	o.RepairInterval = cmp.Or(o.RepairInterval, DefaultRepairInterval)
	o.changing = o.Credentials != nil
	if !o.changing {
		o.Credentials = fixed(o.Username, o.Password)
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if len(o.Databases) == 0 {
		o.Databases = []int{0}
	}
	o.Databases = slices.Compact(slices.Sorted(slices.Values(o.Databases)))
	if o.Databases[0] < 0 {
		return o, fmt.Errorf("database %d does not exist; databases are numbered from 0", o.Databases[0])
	}
	if o.BatchSize < 1 {
		return o, fmt.Errorf("batch size is %d; use 1 or more", o.BatchSize)
	}
	return o, nil
}

// bytesPerMillisecond is about the least, of a value by the server's count, that a
// server serialises in a millisecond: text that does not compress takes it longest.
const bytesPerMillisecond = 128 << 10

// wholeBytes returns how large a value may be that one command reads.
func (o *Options) wholeBytes() int64 {
	return max(1, o.MaxCommand.Milliseconds()) * bytesPerMillisecond
}

// manyDatabases reports whether the database is part of a row's key.
func (o *Options) manyDatabases() bool { return o.AllDatabases || len(o.Databases) > 1 }
