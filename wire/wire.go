// Package wire makes what a configuration describes: the one place, beside the
// commands, that knows the implementations of source. It knows no destination,
// so that programs which need none of them link none.
package wire

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/selection"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/rdbfile"
	"github.com/keylift/keylift/source/redis"
)

// SourceShare is the part of memory_limit that a source aims at, as a divisor:
// batches on their way.
const SourceShare = 8

// Source makes the source that cfg describes, and gives way to it. It does not
// connect yet. logKeys lets logs name keys. The error is a *config.Error where a file is wrong.
func Source(cfg *config.Config, log *slog.Logger, logKeys bool) (source.Source, error) {
	GiveWay()
	tables, err := tableSpecs(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Mode == "rdb" {
		return rdbfile.Open(rdbfile.Options{
			Path: cfg.RDBFile, Input: os.Stdin,
			Databases: cfg.Databases.Numbers, AllDatabases: cfg.Databases.All,
			Filter: selection.Filter{Patterns: cfg.KeyPatterns, Exclude: cfg.ExcludePatterns, Types: cfg.Types},
			Table:  cfg.TableName, Tables: tables, SkipUnmatched: cfg.Unmatched == "skip", MaxValueBytes: cfg.MaxValueBytes, MemoryBytes: cfg.MemoryLimit / SourceShare,
			Logger: log, LogKeys: logKeys,
		})
	}
	network, address := cfg.Address()
	o := redis.Options{
		Network: network, Address: address, Nodes: cfg.Nodes,
		Username: cfg.Username, Password: cfg.Password.Reveal(),
		Sentinel: redis.Sentinel{
			Name: cfg.Sentinel.Name, Addresses: cfg.Sentinel.Addresses,
			Username: cfg.Sentinel.Username, Password: cfg.Sentinel.Password.Reveal(),
		},
		ReadReplica: cfg.ReadFrom == "replica",
		Databases:   cfg.Databases.Numbers, AllDatabases: cfg.Databases.All,
		Patterns: cfg.KeyPatterns, Exclude: cfg.ExcludePatterns, Types: cfg.Types,
		Replica: cfg.Mode == "replica", Auto: cfg.Mode == "auto", Follow: cfg.Follow, PublishInterval: cfg.PublishInterval, RepairInterval: cfg.RepairInterval,
		Table: cfg.TableName, Tables: tables, SkipUnmatched: cfg.Unmatched == "skip", BatchSize: cfg.BatchSize,
		MaxCommand:    time.Duration(cfg.MaxCommandMillis) * time.Millisecond,
		SourceLatency: cfg.MaxSourceLatency, KeysPerSecond: int64(cfg.MaxKeysPerSecond), BytesPerSecond: cfg.MaxBytesPerSecond,
		BigKeyBytes: cfg.BigKeyBytes, MaxValueBytes: cfg.MaxValueBytes, MemoryBytes: cfg.MemoryLimit / SourceShare,
		SpoolBytes: cfg.SpoolBytes, SpoolFolder: spoolFolder(cfg),
		ConnectTimeout: cfg.ConnectTimeout, IOTimeout: cfg.ReadTimeout,
		Logger: log, LogKeys: logKeys,
	}
	if cfg.ChangingLogin() {
		o.Credentials = (&login{cfg: cfg, log: log}).credentials
	}
	if cfg.TLS.Enabled || cfg.Sentinel.TLS {
		files := &tlsFiles{settings: &cfg.TLS, log: log}
		if err := files.read(); err != nil {
			return nil, err
		}
		if cfg.TLS.Enabled {
			o.TLS = files.current
		}
		if cfg.Sentinel.TLS {
			o.Sentinel.TLS = files.current
		}
		if cfg.TLS.Insecure {
			log.Warn("tls_insecure is true: the server's certificate is not verified")
		}
	}
	return redis.Open(o)
}

// spoolFolder is where the destination is: there disk was meant to be used. Empty: the
// folder for temporary files.
func spoolFolder(cfg *config.Config) string {
	if cfg.Destination.Kind != "duckdb" {
		return ""
	}
	return filepath.Dir(cfg.Destination.Path)
}

func mistake(format string, args ...any) error {
	return &config.Error{Mistakes: []string{fmt.Sprintf(format, args...)}}
}
