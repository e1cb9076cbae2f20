package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis"
)

// How memory_limit is shared out: most of it to the destination, whose buffers
// and index need it; the rest to batches on their way.
const (
	sourceShare = 8 // of memory_limit, as a divisor
	queueShare  = 8
)

// openSource makes the source that cfg describes. It does not connect yet.
func (c *cli) openSource(cfg *config.Config, log *slog.Logger) (source.Source, error) {
	network, address := cfg.Address()
	o := redis.Options{
		Network: network, Address: address,
		Username: cfg.Username, Password: cfg.Password.Reveal(),
		Databases: cfg.Databases.Numbers, AllDatabases: cfg.Databases.All,
		Patterns: cfg.KeyPatterns, Exclude: cfg.ExcludePatterns, Types: cfg.Types,
		Table: cfg.TableName, BatchSize: cfg.BatchSize,
		BigKeyBytes: cfg.BigKeyBytes, MaxValueBytes: cfg.MaxValueBytes, MemoryBytes: cfg.MemoryLimit / sourceShare,
		ConnectTimeout: cfg.ConnectTimeout, IOTimeout: cfg.ReadTimeout,
		Logger: log, LogKeys: c.logKeys,
	}
	if cfg.TLS.Enabled {
		t, err := tlsConfig(cfg.TLS)
		if err != nil {
			return nil, err
		}
		o.TLS = t
		if cfg.TLS.Insecure {
			log.Warn("tls_insecure is true: the server's certificate is not verified")
		}
	}
	return redis.Open(o)
}

func tlsConfig(t config.TLS) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // tls_insecure is the user's choice, and warned of
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, usageError{fmt.Errorf("read tls_ca: %w", err)}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usageError{fmt.Errorf("tls_ca: %s holds no PEM certificate", t.CA)}
		}
	}
	if t.Cert != "" {
		cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, usageError{fmt.Errorf("read tls_cert and tls_key: %w", err)}
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// openDestination opens the destination that cfg describes.
func openDestination(ctx context.Context, cfg *config.Config, readOnly bool) (destination.Store, error) {
	deletes := destination.Deletes(cfg.Deletes)
	if cfg.Destination.Kind == "memory" {
		return memory.New(memory.Options{Deletes: deletes}), nil
	}
	return duckdb.Open(ctx, duckdb.Options{
		Path: cfg.Destination.Path, Schema: cfg.DestinationSchema, Deletes: deletes,
		MemoryBytes: cfg.MemoryLimit - cfg.MemoryLimit/sourceShare - cfg.MemoryLimit/queueShare, ReadOnly: readOnly,
	})
}

// syncName names the sync in the destination: a schema holds one.
func syncName(cfg *config.Config) string { return cfg.DestinationSchema }
