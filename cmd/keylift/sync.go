package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/source"
)

// checkpointEvery is the least time between two checkpoints: each is a
// transaction of the destination.
const checkpointEvery = time.Second

// forever is how long a run that follows asks a server again that does not answer.
const forever = 100 * 365 * 24 * time.Hour

// tablesOfCheckpoint is for how many tables checkpoint_interval is meant; with more,
// checkpoints are rarer.
const tablesOfCheckpoint = 50

func newSync(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Bring the destination up to date with the server",
		Long: `Read every key that the configuration selects and bring the destination's table up
to date: new and changed rows are written, rows of keys that are gone are marked
deleted. A run that was interrupted or killed is resumed.`,
		Example: `  keylift sync --host localhost
  keylift sync --config configuration.json
  keylift sync --url rediss://user@redis.example.com:6380 --password-file secret --destination players.db`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			log, err := c.logger()
			if err != nil {
				return err
			}
			sum, err := c.sync(cmd.Context(), cfg, log)
			if sum != nil {
				c.printSummary(sum, cfg, log, err)
			}
			return err
		},
	}
	c.addConfigFlags(cmd)
	return cmd
}

// sync runs one sync. The summary is nil where it did not begin.
func (c *cli) sync(ctx context.Context, cfg *config.Config, log *slog.Logger) (sum *engine.Summary, err error) {
	src, err := c.openSource(cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	report, err := src.Inspect(ctx)
	switch {
	case err == nil:
		err = failure(report)
	case engine.Retryable(err):
		report, err = &source.Report{}, nil // the run will wait for the server
	}
	if err != nil {
		return nil, err
	}
	log.Debug("reading begins", "mode", report.Mode, "reason", report.Reason)
	outages := &engine.Backoff{RetryFor: forever}
	for {
		sum, err = c.run(ctx, cfg, src, report.Keys, log, outages)
		if !cfg.Follow || err == nil || ctx.Err() != nil {
			return sum, err
		}
		if _, locked := errors.AsType[lockedError](err); !locked && !engine.DestinationFailed(err) {
			return sum, err
		}
		if outages.Sleep(ctx, log, "writing", err) != nil {
			return sum, engine.ErrInterrupted
		}
	}
}

// A lockedError is an error of opening the destination that will pass.
type lockedError struct{ error }

func (e lockedError) Unwrap() error { return e.error }

// run opens the destination and brings it up to date. The summary is nil where that
// did not begin.
func (c *cli) run(ctx context.Context, cfg *config.Config, src source.Source, keys int64, log *slog.Logger, outages *engine.Backoff) (sum *engine.Summary, err error) {
	dst, err := openDestination(ctx, cfg, log)
	if engine.Retryable(err) {
		return nil, lockedError{err}
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := dst.Close(); !engine.DestinationFailed(err) {
			err = errors.Join(err, closed) // otherwise it has said already what is wrong
		}
	}()

	retryFor := cfg.RetryFor
	if cfg.Follow {
		retryFor = forever
	}
	progress := &engine.Progress{}
	defer tell(ctx, cfg, dst, progress, keys)()
	stop := c.showProgress(ctx, progress, keys, src, log)
	sum, err = engine.Run(ctx, engine.Options{
		Sync: syncName(cfg), Source: src, Destination: dst,
		QueueBytes:     cfg.MemoryLimit / queueShare,
		CheckpointRows: int64(cfg.CheckpointInterval * (1 + len(cfg.Tables)/tablesOfCheckpoint)), CheckpointEvery: c.checkpointEvery,
		MayDelete: cfg.MayDelete(), RetryFor: retryFor, Logger: log, Progress: progress,
	})
	stop()
	if progress.Published() != nil {
		outages.Reset()
	}
	if err == nil && sum.Counts.Kept > 0 {
		err = errSetAside
	}
	return sum, err
}
