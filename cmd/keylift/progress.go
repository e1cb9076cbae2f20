package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/internal/report"
	"github.com/keylift/keylift/source"
)

const (
	barEvery = 200 * time.Millisecond
	logEvery = 10 * time.Second
)

// showProgress shows how a run goes until stop is called: by a bar on a
// terminal, else by a log line now and then.
func (c *cli) showProgress(ctx context.Context, p *engine.Progress, keys int64, src source.Source, log *slog.Logger) (stop func()) {
	bar := terminal(c.stderr) && c.logFormat == "text"
	every := logEvery
	var show func(elapsed time.Duration)
	if bar {
		every = barEvery
		b := progressbar.NewOptions64(max(keys, 1),
			progressbar.OptionSetWriter(c.stderr), progressbar.OptionSetItsString("keys"), progressbar.OptionShowIts(),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionFullWidth())
		show = func(elapsed time.Duration) {
			b.Describe(fmt.Sprintf("%5.1f MB/s", megabytes(p.Bytes())/elapsed.Seconds()))
			_ = b.Set64(min(p.Rows(), max(keys, 1)))
		}
		defer func() { inner := stop; stop = func() { inner(); _ = b.Finish() } }()
	} else {
		show = func(elapsed time.Duration) {
			if shown := p.Published(); shown != nil {
				logLag(ctx, p, shown, src, log)
				return
			}
			rate := float64(p.Rows()) / elapsed.Seconds()
			eta := "unknown"
			if rate > 0 && keys > p.Rows() {
				eta = time.Duration(float64(keys-p.Rows()) / rate * float64(time.Second)).Round(time.Second).String()
			}
			log.Info("reading", "keys", p.Rows(), "of_about", keys, "keys_per_second", int64(rate),
				"mb_per_second", fmt.Sprintf("%.1f", megabytes(p.Bytes())/elapsed.Seconds()), "eta", eta, "checkpoints", p.Checkpoints())
		}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				show(time.Since(began))
			}
		}
	}()
	return func() { close(quit); <-done }
}

// logLag says how far what is published lies behind the server.
func logLag(ctx context.Context, p *engine.Progress, shown *engine.Publication, src source.Source, log *slog.Logger) {
	follower, ok := src.(source.Follower)
	if !ok {
		return
	}
	lag, err := follower.Lag(ctx, shown.Position)
	switch {
	case err != nil:
		log.Warn("the lag is not known", "error", err)
	case lag == source.NoLag:
	case lag == 0:
		log.Info("following", "rows", p.Rows(), "lag_bytes", 0, "lag_seconds", 0)
	default:
		log.Info("following", "rows", p.Rows(), "lag_bytes", lag, "lag_seconds", time.Since(shown.ReadAt).Round(10*time.Millisecond).Seconds())
	}
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// printSummary says what a run did: in words on standard output, or as a log
// record where logs are JSON.
func (c *cli) printSummary(s *engine.Summary, cfg *config.Config, log *slog.Logger, err error) {
	rate := float64(s.Rows) / max(s.Elapsed.Seconds(), 1e-3)
	if c.logFormat == "json" {
		log.Info("sync ended", "complete", err == nil || s.Counts.Kept > 0, "generation", s.Position.Generation,
			"new", s.Counts.New, "changed", s.Counts.Changed, "unchanged", s.Counts.Unchanged, "deleted", s.Counts.Deleted, "set_aside", s.Counts.Kept,
			"rows_read", s.Rows, "keys_per_second", int64(rate), "seconds", s.Elapsed.Seconds(), "retries", s.Retries, "started_over", len(s.StartedOver), "slowest", slowest(s))
		return
	}
	if err != nil && s.Counts.Kept == 0 {
		if s.Rows == 0 {
			return // the error says enough
		}
		_, _ = fmt.Fprintf(c.stderr, "read %s keys in %s before the run ended\n", thousands(s.Rows), s.Elapsed.Round(time.Millisecond))
		return
	}
	if s.Resumed {
		_, _ = fmt.Fprintf(c.stdout, "resumed an interrupted snapshot\n")
	}
	for _, reason := range s.StartedOver {
		_, _ = fmt.Fprintf(c.stdout, "started the snapshot over: %s\n", reason)
	}
	n := s.Counts
	_, _ = fmt.Fprintf(c.stdout, "%s: %s new, %s changed, %s unchanged, %s deleted, %s set aside\n", cfg.Destination.String(),
		thousands(n.New), thousands(n.Changed), thousands(n.Unchanged), thousands(n.Deleted), thousands(n.Kept))
	unit := "keys"
	if len(cfg.Tables) > 0 {
		unit = "rows"
	}
	_, _ = fmt.Fprintf(c.stdout, "%s %s, %s in %s: %s %s/s; slowest part: %s\n",
		thousands(s.Rows), unit, bytesText(s.Bytes), s.Elapsed.Round(time.Millisecond), thousands(int64(rate)), unit, slowest(s))
}

// slowest names the part of a run that the others waited for.
func slowest(s *engine.Summary) string {
	switch {
	case s.Publishing > s.Elapsed/2:
		return "publishing in the destination"
	case s.WaitedForDestination > s.WaitedForSource:
		return "writing to the destination"
	}
	return "reading from the server"
}

// bytesText writes a number of bytes in the unit that suits it.
func bytesText(n int64) string {
	const unit = 1000
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f kB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MB", float64(n)/unit/unit)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/unit/unit/unit)
}

// thousands writes n as the report does.
func thousands(n int64) string { return report.Thousands(n) }
