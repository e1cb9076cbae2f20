// Package wire makes what a configuration describes: the one place, beside the
// commands, that knows the implementations of source. It knows no destination,
// so that programs which need none of them link none.
package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

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
		Network: network, Address: address,
		Username: cfg.Username, Password: cfg.Password.Reveal(),
		Databases: cfg.Databases.Numbers, AllDatabases: cfg.Databases.All,
		Patterns: cfg.KeyPatterns, Exclude: cfg.ExcludePatterns, Types: cfg.Types,
		Replica: cfg.Mode == "replica", Auto: cfg.Mode == "auto", Follow: cfg.Follow, PublishInterval: cfg.PublishInterval, RepairInterval: cfg.RepairInterval,
		Table: cfg.TableName, Tables: tables, SkipUnmatched: cfg.Unmatched == "skip", BatchSize: cfg.BatchSize,
		BigKeyBytes: cfg.BigKeyBytes, MaxValueBytes: cfg.MaxValueBytes, MemoryBytes: cfg.MemoryLimit / SourceShare,
		SpoolBytes: cfg.SpoolBytes, SpoolFolder: spoolFolder(cfg),
		ConnectTimeout: cfg.ConnectTimeout, IOTimeout: cfg.ReadTimeout,
		Logger: log, LogKeys: logKeys,
	}
	if cfg.TLS.Enabled {
		t, err := tlsConfig(&cfg.TLS)
		if err != nil {
			return nil, err
		}
		o.TLS = func() *tls.Config { return t }
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

func tlsConfig(t *config.TLS) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // tls_insecure is the user's choice, and warned of
	ca, err := pem("tls_ca", t.CA, t.CAText)
	if err != nil {
		return nil, err
	}
	if len(ca) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, mistake("tls_ca: %s holds no PEM certificate", named(t.CA))
		}
	}
	cert, err := pem("tls_cert", t.Cert, t.CertText)
	if err != nil || len(cert) == 0 {
		return c, err
	}
	key, err := pem("tls_key", t.Key, t.KeyText.Reveal())
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, mistake("read tls_cert and tls_key: %v", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// pem returns a setting's PEM text, from its file if it names one.
func pem(setting, file, text string) ([]byte, error) {
	if file == "" {
		return []byte(text), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, mistake("read %s: %v", setting, err)
	}
	return b, nil
}

// named is what a mistake calls the place of a PEM text.
func named(file string) string {
	if file == "" {
		return "the file"
	}
	return file
}

func mistake(format string, args ...any) error {
	return &config.Error{Mistakes: []string{fmt.Sprintf(format, args...)}}
}
