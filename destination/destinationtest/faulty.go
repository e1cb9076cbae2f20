package destinationtest

import (
	"context"
	"errors"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// ErrFault is what a Faulty returns at the call that it fails.
var ErrFault = errors.New("injected fault")

// A Moment says when a call fails.
type Moment int

// Before: nothing happened. After: the call took effect, but its caller is told
// that it failed, as when a connection breaks before the answer to a commit.
const (
	Before Moment = iota
	After
)

// A Faulty is a destination that fails at one call. It counts the calls of
// Write, Stage and the two Publish methods of its transactions, from 1.
type Faulty struct {
	destination.Destination
	At    int // the call that fails; 0: none
	When  Moment
	Calls int // so far
}

// Begin starts a transaction that may fail.
func (f *Faulty) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	tx, err := f.Destination.Begin(ctx, sync)
	if err != nil {
		return nil, err
	}
	return &faultyTx{Tx: tx, f: f}, nil
}

type faultyTx struct {
	destination.Tx
	f *Faulty
}

// call makes one call, or fails before or after it.
func (x *faultyTx) call(do func() error) error {
	x.f.Calls++
	if x.f.Calls != x.f.At {
		return do()
	}
	if x.f.When == Before {
		return ErrFault
	}
	return errors.Join(ErrFault, do())
}

func (x *faultyTx) Write(ctx context.Context, b *row.Batch) error {
	return x.call(func() error { return x.Tx.Write(ctx, b) })
}

func (x *faultyTx) Stage(ctx context.Context, p row.Position) error {
	return x.call(func() error { return x.Tx.Stage(ctx, p) })
}

func (x *faultyTx) PublishChanges(ctx context.Context, p row.Position) (n destination.Counts, err error) {
	err = x.call(func() error {
		n, err = x.Tx.PublishChanges(ctx, p)
		return err
	})
	return n, err
}

func (x *faultyTx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (n destination.Counts, err error) {
	err = x.call(func() error {
		n, err = x.Tx.PublishSnapshot(ctx, p, scope, mayDelete)
		return err
	})
	return n, err
}
