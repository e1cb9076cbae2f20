// Package engine moves the rows of a source into a destination: it resumes,
// checkpoints, publishes and retries. It knows the contracts of source and
// destination and no implementation of either.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// Options say what to move and how carefully.
type Options struct {
	Sync        string // name of the sync, under which the destination keeps the position
	Source      source.Source
	Destination destination.Destination
	// QueueBytes bounds the batches that were read and not yet written.
	QueueBytes int64
	// A checkpoint is due once CheckpointRows rows were written and
	// CheckpointEvery has passed since the last one.
	CheckpointRows  int64
	CheckpointEvery time.Duration
	// CheckpointWithin makes one due after that time, however few the rows; 0: none.
	CheckpointWithin time.Duration
	// MayDelete is the share of the rows in the destination, from 0 to 1, that a
	// snapshot may delete. One that follows upon deletes which were seen is not bound by it.
	MayDelete float64
	// RetryFor is how long a source is asked again that does not answer, or that breaks
	// off each time before anything can be kept of what it delivers.
	RetryFor time.Duration
	Logger   *slog.Logger
	Progress *Progress
}

// A Summary says what a run did.
type Summary struct {
	Counts      destination.Counts
	Position    row.Position // the last committed one
	Resumed     bool         // the run went on from a checkpoint within a snapshot
	StartedOver []string     // why snapshots were started over, in order
	Retries     int
	Checkpoints int
	Rows        int64 // read
	Bytes       int64 // of text read
	Elapsed     time.Duration
	Publishing  time.Duration
	// How long the writing waited for the reading, and the reading for the writing.
	WaitedForSource, WaitedForDestination time.Duration
}

// ErrInterrupted is returned when the context of Run was cancelled. What was
// read is committed, and the next run resumes.
var ErrInterrupted = errors.New("interrupted; the next run resumes from the last checkpoint")

// Run brings the destination up to date with the source. The summary is valid
// whatever the error. Rows and position are committed as far as they go, so that
// the next run resumes there.
func Run(ctx context.Context, o Options) (*Summary, error) {
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	r := &run{o: o, began: time.Now(), wait: Backoff{RetryFor: o.RetryFor}}
	r.lastCommit = r.began
	err := r.run(ctx)
	if ctx.Err() != nil && err != nil {
		err = ErrInterrupted
	}
	r.sum.Elapsed = time.Since(r.began)
	r.sum.Rows, r.sum.Bytes = o.Progress.rows.Load(), o.Progress.bytes.Load()
	return &r.sum, err
}

// A run is one call of Run.
type run struct {
	o     Options
	sum   Summary
	began time.Time

	tx   destination.Tx // open, or nil
	next row.Position   // where to open the source
	safe row.Position   // the last legal checkpoint among what is written

	startsOver int   // snapshots started over since something was published
	emptied    bool  // the source was seen to be, since a snapshot was published
	earlier    int64 // generation of the checkpoint that the run began with
	generation int64 // of the last batch written; 0 before the first
	published  bool  // something was, by this run
	complete   bool  // the last batch written was published

	wait    Backoff
	written bool // the present attempt has written batches
	breaks  int  // attempts in a row that had, and that left nothing to go on from

	rowsSince  int64 // rows written since the last commit
	lastCommit time.Time
}

func (r *run) run(ctx context.Context) (err error) {
	tables, err := r.tables(ctx)
	if err != nil {
		return err
	}
	if err := r.o.Destination.Prepare(ctx, tables); err != nil {
		return destinationError{err}
	}
	if r.next, err = r.o.Destination.Checkpoint(ctx, r.o.Sync); err != nil {
		return destinationError{err}
	}
	r.safe, r.sum.Position, r.earlier = r.next, r.next, r.next.Generation
	defer func() { err = errors.Join(err, r.leave()) }()

	for {
		err := r.attempt(ctx)
		var lost *source.PositionLostError
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.As(err, &lost):
			if err := r.startOver(lost); err != nil {
				return err
			}
		case Retryable(err):
			r.sum.Retries++
			if err := r.dropRest(); err != nil {
				return err
			}
			if err := r.wait.Sleep(ctx, r.o.Logger, "reading", r.broken(err)); err != nil {
				return err
			}
			r.next = r.resume()
		default:
			return err
		}
	}
}

// tables asks the source for its tables until it answers.
func (r *run) tables(ctx context.Context) ([]*row.Table, error) {
	for {
		tables, err := r.o.Source.Tables(ctx)
		switch {
		case err == nil:
			r.wait.Reset()
			return tables, nil
		case ctx.Err() != nil || !Retryable(err):
			return nil, fmt.Errorf("list tables: %w", err)
		}
		r.sum.Retries++
		if err := r.wait.Sleep(ctx, r.o.Logger, "reading", err); err != nil {
			return nil, err
		}
	}
}

// maxStartsOver bounds how often a snapshot is started over before one is published:
// a server that restarts more often than it can be read is an error.
const maxStartsOver = 10

func (r *run) startOver(lost *source.PositionLostError) error {
	if r.startsOver == maxStartsOver {
		return fmt.Errorf("the snapshot had to start over %d times: %w", maxStartsOver, lost)
	}
	r.startsOver++
	r.emptied = r.emptied || lost.Emptied
	r.sum.StartedOver = append(r.sum.StartedOver, lost.Reason)
	r.o.Logger.Warn("the snapshot starts over", "sync", r.o.Sync, "reason", lost.Reason)
	r.next = row.Position{Generation: max(r.safe.Generation, r.generation)}
	r.safe = r.next
	return nil
}

// leastBreaks is how often reading breaks off at the least before a run ends for it,
// however long each attempt takes.
const leastBreaks = 3

// broken notes that an attempt failed with err, and returns err or, where the attempts
// before were as much in vain, one that says so.
func (r *run) broken(err error) error {
	if !r.written {
		return err
	}
	if r.breaks++; r.breaks < leastBreaks {
		r.wait.Extend()
	}
	if r.breaks == 1 {
		return err
	}
	return fmt.Errorf("reading broke off %d times, each time before anything could be kept: %w", r.breaks, err)
}

// resume returns where to read on after a failure. Rows of a snapshot that has
// no checkpoint yet are bound to no server process: that snapshot is given up.
func (r *run) resume() row.Position {
	if r.generation > r.safe.Generation {
		return row.Position{Generation: r.generation}
	}
	return r.safe
}

// attempt reads from r.next to the end of the source, or to an error.
func (r *run) attempt(ctx context.Context) (err error) {
	r.written = false
	reader, err := r.o.Source.Open(ctx, r.next)
	if err != nil {
		return err
	}
	q := newQueue(r.o.QueueBytes)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return pump(gctx, reader, q, &r.sum.WaitedForDestination) })
	g.Go(func() error {
		for {
			b, err := q.pop(gctx, &r.sum.WaitedForSource)
			if errors.Is(err, io.EOF) {
				return r.end()
			}
			if err != nil {
				return err
			}
			closes := b.Closes
			err = r.write(context.WithoutCancel(ctx), b)
			q.written(b.Batch)
			b.Release()
			if err != nil {
				return err
			}
			if closes != row.None {
				r.breaks = 0
				r.wait.Reset()
			}
		}
	})
	return errors.Join(g.Wait(), reader.Close())
}

// errIncomplete is a source's fault: the end of its batches without the end of
// what they belong to. Nothing may be taken for gone.
var errIncomplete = errors.New("the source ended in the middle of a snapshot; nothing of it is published")

func (r *run) end() error {
	if !r.complete {
		return errIncomplete
	}
	return nil
}

// pump moves batches from the reader to the queue. What ends the reading reaches
// the writer behind the last batch.
func pump(ctx context.Context, reader source.Reader, q *queue, waited *time.Duration) error {
	for {
		b, err := reader.Next(ctx)
		if err != nil {
			q.close(err)
			return nil
		}
		if err := q.push(ctx, b, waited); err != nil {
			return err
		}
	}
}
