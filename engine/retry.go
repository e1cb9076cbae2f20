package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Retryable reports whether what failed may succeed when it is tried again: the
// error itself says so.
func Retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

const (
	firstWait = 100 * time.Millisecond
	longest   = 5 * time.Second
)

// A backoff waits longer and longer between attempts, until they have failed for
// retryFor without a batch in between.
type backoff struct {
	retryFor time.Duration
	began    time.Time // of the failing; zero: the last attempt succeeded
	wait     time.Duration
}

func (b *backoff) reset() { b.began, b.wait = time.Time{}, 0 }

// sleep waits before the next attempt. It returns cause, wrapped, when time is
// up, and the context's error when that ends first.
func (b *backoff) sleep(ctx context.Context, log *slog.Logger, cause error) error {
	if b.began.IsZero() {
		b.began, b.wait = time.Now(), firstWait
	}
	failing := time.Since(b.began)
	if failing >= b.retryFor {
		return fmt.Errorf("no success for %s (retry_for): %w", failing.Round(time.Second), cause)
	}
	wait := min(b.wait/2+rand.N(b.wait), b.retryFor-failing)
	b.wait = min(2*b.wait, longest)
	log.Warn("reading failed, trying again", "in", wait.Round(time.Millisecond).String(), "error", cause)
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
