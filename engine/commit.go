package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// write writes one batch and commits or publishes where that is due. Its ctx is
// never cancelled: what has come so far is worth the wait.
func (r *run) write(ctx context.Context, b queued) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.tx.Write(ctx, b.Batch); err != nil {
		return r.fail(err)
	}
	if r.generation == 0 {
		r.sum.Resumed = b.After.Generation == r.safe.Generation
	}
	r.generation = b.After.Generation
	r.rowsSince += int64(b.Len())
	r.o.Progress.add(b.Batch)
	r.complete, r.written = false, true
	if b.Closes == row.None {
		return nil
	}
	r.safe = b.After
	switch b.Closes {
	case row.Changes, row.Snapshot:
		return r.publish(ctx, b)
	default:
		if r.due(time.Since(r.lastCommit)) {
			return r.stage(ctx)
		}
	}
	return nil
}

// due reports whether a checkpoint is due when the last one is so long ago.
func (r *run) due(since time.Duration) bool {
	enough := r.rowsSince >= r.o.CheckpointRows && since >= r.o.CheckpointEvery
	return enough || r.o.CheckpointWithin > 0 && since >= r.o.CheckpointWithin
}

func (r *run) begin(ctx context.Context) (err error) {
	if r.tx == nil {
		if r.tx, err = r.o.Destination.Begin(ctx, r.o.Sync); err != nil {
			r.tx = nil
			return destinationError{err}
		}
	}
	return nil
}

// stage commits what was written with the last legal checkpoint. Rows beyond it
// may be among them: they will be read again.
func (r *run) stage(ctx context.Context) error {
	if err := r.tx.Stage(ctx, r.safe); err != nil {
		return r.fail(err)
	}
	r.committed()
	r.sum.Checkpoints++
	r.o.Progress.checkpoints.Add(1)
	r.o.Logger.Debug("checkpoint", "sync", r.o.Sync, "generation", r.safe.Generation, "rows", r.o.Progress.rows.Load())
	return nil
}

// publish commits what was written and makes it visible.
func (r *run) publish(ctx context.Context, b queued) (err error) {
	r.o.Logger.Debug("publishing", "sync", r.o.Sync, "generation", b.After.Generation, "rows", r.o.Progress.rows.Load())
	began := time.Now()
	var counts destination.Counts
	if b.Closes == row.Snapshot {
		counts, err = r.tx.PublishSnapshot(ctx, b.After, b.Scope, r.mayDelete())
	} else {
		counts, err = r.tx.PublishChanges(ctx, b.After)
	}
	if err != nil {
		return r.fail(r.doubted(b, err))
	}
	if b.Closes == row.Snapshot {
		r.emptied = false
	}
	r.sum.Publishing += time.Since(began)
	if b.Closes == row.Changes && !r.published {
		r.sum.Resumed = false // it went on behind a snapshot, not within one
	}
	r.published = true
	r.sum.Counts.Add(counts)
	r.committed()
	r.o.Progress.published.Store(&Publication{Position: b.After, ReadAt: b.at})
	r.complete, r.startsOver = true, 0
	return nil
}

// mayDelete returns the share of the rows that a snapshot may delete.
func (r *run) mayDelete() float64 {
	if r.emptied {
		return destination.AnyShare
	}
	return r.o.MayDelete
}

// doubted turns the refusal of a snapshot that an earlier run began into its being
// started over: what that run found missing may be back.
func (r *run) doubted(b queued, err error) error {
	refused, ok := errors.AsType[*destination.DeleteShareError](err)
	if !ok || b.After.Generation != r.earlier {
		return err
	}
	return &source.PositionLostError{Reason: fmt.Sprintf("it was begun by an earlier run and would delete %d of %d rows, so all is read once more", refused.Deleted, refused.Held)}
}

func (r *run) committed() {
	r.tx = nil
	r.sum.Position = r.safe
	r.rowsSince, r.lastCommit = 0, time.Now()
}

// leave commits what a run that ends early has written, as far as there is a
// legal checkpoint, or drops it.
func (r *run) leave() error {
	if r.tx == nil {
		return nil
	}
	if r.safe != r.sum.Position && r.safe.Token != "" {
		return r.stage(context.Background())
	}
	return r.rollback()
}

// dropRest drops what was written behind the last checkpoint, if that is where the
// reading goes on: a server that has taken over meanwhile may never have held it.
func (r *run) dropRest() error {
	if r.tx == nil || r.safe != r.sum.Position {
		return nil
	}
	return r.rollback()
}

// fail drops the transaction after a call of it has failed with err. The position
// may not move beyond what was committed before.
func (r *run) fail(err error) error {
	r.safe = r.sum.Position
	return destinationError{errors.Join(err, r.rollback())}
}

func (r *run) rollback() error {
	tx := r.tx
	r.tx, r.rowsSince = nil, 0
	if err := tx.Rollback(); err != nil {
		return fmt.Errorf("drop what was not committed: %w", err)
	}
	return nil
}
