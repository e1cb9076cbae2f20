package duckdb

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/keylift/keylift/row"
)

const (
	batchRows  = 1000
	batchBytes = 4 << 20
)

var errStopped = errors.New("the caller stopped")

// Rows yields the published rows of t that are not deleted.
func (d *Destination) Rows(ctx context.Context, t *row.Table) iter.Seq2[*row.Batch, error] {
	return func(yield func(*row.Batch, error) bool) {
		b := row.NewBatch(t)
		r := newRowReader(t, func(int) bool { return true })
		err := d.scan(ctx, t.Name, "NOT "+deletedColumn, r, func() error {
			r.appendTo(b)
			b.EndRow(row.Upsert)
			if b.Len() < batchRows && len(b.Text) < batchBytes {
				return nil
			}
			full := b
			b = row.NewBatch(t)
			if !yield(full, nil) {
				return errStopped
			}
			return nil
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(nil, fmt.Errorf("read table %q: %w", t.Name, err))
		case b.Len() > 0:
			yield(b, nil)
		}
	}
}
