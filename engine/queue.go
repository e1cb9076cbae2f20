package engine

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/keylift/keylift/row"
)

// A queue holds batches on their way from the reader to the writer, within a
// number of bytes. One goroutine pushes, another pops.
type queue struct {
	room    *semaphore.Weighted
	bytes   int64
	batches chan queued
	err     error // why no more batches come; set before batches is closed
}

// A queued batch knows when it came.
type queued struct {
	*row.Batch
	at time.Time
}

// maxQueued bounds the number of batches, for batches without rows take no room.
const maxQueued = 1024

func newQueue(bytes int64) *queue {
	return &queue{room: semaphore.NewWeighted(bytes), bytes: bytes, batches: make(chan queued, maxQueued)}
}

// weight is what a batch counts: one larger than the queue has it to itself.
func (q *queue) weight(b *row.Batch) int64 { return min(b.Bytes(), q.bytes) }

// push adds b once there is room and adds the time it waited for that.
func (q *queue) push(ctx context.Context, b *row.Batch, waited *time.Duration) error {
	if w := q.weight(b); !q.room.TryAcquire(w) {
		began := time.Now()
		err := q.room.Acquire(ctx, w)
		*waited += time.Since(began)
		if err != nil {
			return err
		}
	}
	select {
	case q.batches <- queued{b, time.Now()}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close says that no more batches come, and why.
func (q *queue) close(err error) {
	q.err = err
	close(q.batches)
}

// pop returns the next batch and adds the time it waited for it. After the last
// it returns the error that close was given.
func (q *queue) pop(ctx context.Context, waited *time.Duration) (queued, error) {
	began := time.Now()
	defer func() { *waited += time.Since(began) }()
	select {
	case b, ok := <-q.batches:
		if !ok {
			return queued{}, q.err
		}
		return b, nil
	case <-ctx.Done():
		return queued{}, ctx.Err()
	}
}

// written gives back the room that b took.
func (q *queue) written(b *row.Batch) { q.room.Release(q.weight(b)) }
