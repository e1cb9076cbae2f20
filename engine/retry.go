package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/keylift/keylift/destination"
)

// Retryable reports whether what failed may succeed when it is tried again: the
// error itself says so.
func Retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

// A destinationError is an error of the destination.
type destinationError struct{ error }

func (e destinationError) Unwrap() error { return e.error }

// DestinationFailed reports whether it was the destination that made Run fail, and
// not by what its tables are like or what would be deleted: opened again it may take
// what it refused.
func DestinationFailed(err error) bool {
	_, failed := errors.AsType[destinationError](err)
	_, schema := errors.AsType[*destination.SchemaError](err)
	_, deletes := errors.AsType[*destination.DeleteShareError](err)
	return failed && !schema && !deletes
}

const (
	firstWait = 100 * time.Millisecond
	longest   = 5 * time.Second
)

// A Backoff waits longer and longer between attempts, until they have failed for
// RetryFor without a Reset in between.
type Backoff struct {
	RetryFor time.Duration

	began time.Time // of the failing, or of what counts of it; zero: with the next failure
	wait  time.Duration
}

// Reset says that an attempt succeeded.
func (b *Backoff) Reset() { b.began, b.wait = time.Time{}, 0 }

// Extend gives the attempts that follow the whole time once more. The waits between
// them go on growing.
func (b *Backoff) Extend() { b.began = time.Time{} }

// Sleep waits before the next attempt at doing what failed. It returns cause, wrapped, when time is
// up, and the context's error when that ends first.
func (b *Backoff) Sleep(ctx context.Context, log *slog.Logger, doing string, cause error) error {
	if b.began.IsZero() {
		b.began, b.wait = time.Now(), max(b.wait, firstWait)
	}
	failing := time.Since(b.began)
	if failing >= b.RetryFor {
		return fmt.Errorf("no success for %s (retry_for): %w", failing.Round(time.Second), cause)
	}
	wait := min(b.wait/2+rand.N(b.wait), b.RetryFor-failing)
	b.wait = min(2*b.wait, longest)
	log.Warn(doing+" failed, trying again", "in", wait.Round(time.Millisecond).String(), "error", cause)
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
