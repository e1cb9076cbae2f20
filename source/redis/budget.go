package redis

import (
	"context"
	"sync"
)

// A budget bounds the bytes of the batches that wait for Next. The page that Next
// has come to may exceed it: nothing else could free any.
type budget struct {
	mu    sync.Mutex
	left  int64         // below zero when exceeded
	freed chan struct{} // closed, and replaced, when there is more left
}

func newBudget(bytes int64) *budget { return &budget{left: bytes, freed: make(chan struct{})} }

// take takes n bytes as soon as any are left, or turn is closed.
func (b *budget) take(ctx context.Context, n int64, turn <-chan struct{}) error {
	for {
		b.mu.Lock()
		if b.left > 0 || closed(turn) {
			b.left -= n
			b.mu.Unlock()
			return nil
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// give gives n bytes back.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left += n; b.left > 0 {
		close(b.freed)
		b.freed = make(chan struct{})
	}
}
