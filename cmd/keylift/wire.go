package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/wire"
)

// queueShare is the part of memory_limit that batches take between source and
// destination, as a divisor. With wire.SourceShare for the source, most is left to
// the destination, whose buffers and index need it.
const queueShare = 8

// openSource makes the source that cfg describes. It does not connect yet.
func (c *cli) openSource(cfg *config.Config, log *slog.Logger) (source.Source, error) {
	return wire.Source(cfg, log, c.logKeys)
}

// withSource runs f with the source that the configuration describes.
func (c *cli) withSource(f func(*config.Config, source.Source) error) (err error) {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	log, err := c.logger()
	if err != nil {
		return err
	}
	src, err := c.openSource(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return f(cfg, src)
}

// openDestination opens the destination that cfg describes, to be written.
func openDestination(ctx context.Context, cfg *config.Config, log *slog.Logger) (destination.Store, error) {
	return destinationOf(ctx, cfg, duckdb.Options{Views: cfg.Views, Log: log})
}

// lookIntoDestination opens the destination that cfg describes, to be read.
func lookIntoDestination(ctx context.Context, cfg *config.Config) (destination.Store, error) {
	return destinationOf(ctx, cfg, duckdb.Options{ReadOnly: true})
}

func destinationOf(ctx context.Context, cfg *config.Config, o duckdb.Options) (destination.Store, error) {
	deletes := destination.Deletes(cfg.Deletes)
	if cfg.Destination.Kind == "memory" {
		return memory.New(memory.Options{Deletes: deletes}), nil
	}
	o.Path, o.Schema, o.Deletes = cfg.Destination.Path, cfg.DestinationSchema, deletes
	o.MemoryBytes = cfg.MemoryLimit - cfg.MemoryLimit/wire.SourceShare - cfg.MemoryLimit/queueShare
	return duckdb.Open(ctx, o)
}

// syncName names the sync in the destination: a schema holds one.
func syncName(cfg *config.Config) string { return cfg.DestinationSchema }
