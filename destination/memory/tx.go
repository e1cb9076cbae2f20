package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

var errOver = errors.New("the transaction is over: begin another")

// A tx is the open transaction: what will be staged when it commits.
type tx struct {
	d    *Destination
	sync string
	// staged begins with what d has staged. One tx is open at a time, so that
	// appending to it never overwrites anything that is committed.
	staged  []change
	staging int64
	wider   []*row.Table // than the tables of the destination
}

// Write copies the rows of b.
func (x *tx) Write(ctx context.Context, b *row.Batch) error {
	if err := x.usable(ctx); err != nil {
		return err
	}
	if !x.d.prepared[b.Table.Name] {
		return fmt.Errorf("table %q was not prepared", b.Table.Name)
	}
	if err := x.d.tables[b.Table.Name].fits(b.Table); err != nil {
		return err
	}
	if !slices.Contains(x.wider, b.Table) {
		x.wider = append(x.wider, b.Table)
	}
	x.generation(b.After.Generation)
	for i := range b.Len() {
		cells := cellsAt(b, i)
		x.staged = append(x.staged, change{
			table: b.Table,
			key:   encode(b.Table.Columns[:b.Table.Keys], cells),
			owner: encode(b.Table.Columns[:b.Table.Owner()], cells),
			op:    b.Ops[i],
			cells: cells,
			hash:  b.Hash[i],
		})
	}
	return nil
}

// Stage commits without showing anything.
func (x *tx) Stage(ctx context.Context, p row.Position) error {
	if err := x.usable(ctx); err != nil {
		return err
	}
	x.commit(p, false)
	return nil
}

// PublishChanges commits and shows what is staged.
func (x *tx) PublishChanges(ctx context.Context, p row.Position) (destination.Counts, error) {
	if err := x.usable(ctx); err != nil {
		return destination.Counts{}, err
	}
	x.commit(p, true)
	counts := x.d.publish(pendingOf(x.d.staged), nil)
	x.d.staged = nil
	return counts, nil
}

// PublishSnapshot commits, shows what is staged and deletes what is not, unless that
// is too much.
func (x *tx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (destination.Counts, error) {
	if err := x.usable(ctx); err != nil {
		return destination.Counts{}, err
	}
	x.generation(p.Generation)
	if err := x.d.guard(pendingOf(x.staged), scope, mayDelete); err != nil {
		return destination.Counts{}, err
	}
	x.commit(p, true)
	counts := x.d.publish(pendingOf(x.d.staged), scope)
	x.d.staged = nil
	return counts, nil
}

// Rollback forgets what was written since Begin.
func (x *tx) Rollback() error {
	if x.d.tx == x {
		x.d.tx = nil
	}
	return nil
}

func (x *tx) usable(ctx context.Context) error {
	if x.d.tx != x {
		return errOver
	}
	return ctx.Err()
}

// generation drops what was staged under another generation than g.
func (x *tx) generation(g int64) {
	if x.staging != g {
		x.staged, x.staging = nil, g
	}
}

func (x *tx) commit(p row.Position, published bool) {
	x.generation(p.Generation)
	for _, t := range x.wider {
		x.d.widen(t)
	}
	x.d.staged, x.d.staging = x.staged, x.staging
	s := x.d.syncs[x.sync]
	s.Position, s.Published = p, published
	s.StartedAt, s.CheckpointAt = x.d.started, time.Now()
	if published {
		s.PublishedAt = s.CheckpointAt
	}
	x.d.syncs[x.sync] = s
	x.d.tx = nil
}
