// Package memory is a destination that keeps rows in maps, for as long as the
// process lives. It says in the fewest words what a destination does: other
// implementations are compared with it. It is not meant for much data.
package memory

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// Options are the choices of a destination in memory.
type Options struct {
	Deletes destination.Deletes // zero: SoftDeletes
}

// A Destination keeps the rows of a sync in memory.
type Destination struct {
	deletes  destination.Deletes
	syncs    map[string]destination.Status // by sync, without Tables
	tables   map[string]*table             // by name
	prepared map[string]bool               // names of the tables of this run
	started  time.Time                     // of this run
	moment   time.Time                     // of the last publication
	staged   []change                      // committed, not visible, in the order written
	staging  int64                         // generation of staged
	tx       *tx                           // the open one, or nil
}

// A table is what readers see.
type table struct {
	keys, owner int // of the columns
	history     bool
	columns     []row.Column
	rows        map[string]*record
	ended       []version
}

// A record is one row; cells holds its values by column name, none for NULL.
type record struct {
	cells   map[string]any
	hash    uint64
	deleted bool
	synced  time.Time
	start   time.Time
}

// A version is what a row was.
type version struct {
	cells      map[string]any
	start, end time.Time
	deleted    bool
}

// A change is one row of a batch.
type change struct {
	table      *row.Table
	key, owner string
	op         row.Op
	cells      map[string]any
	hash       uint64
}

// New returns an empty destination.
func New(o Options) *Destination {
	return &Destination{
		deletes:  o.Deletes,
		syncs:    map[string]destination.Status{},
		tables:   map[string]*table{},
		prepared: map[string]bool{},
	}
}

// Close drops what is not committed. The rows stay: using d again is the next run.
func (d *Destination) Close() error {
	d.tx = nil
	return nil
}

// Checkpoint returns the last committed position of the sync.
func (d *Destination) Checkpoint(ctx context.Context, sync string) (row.Position, error) {
	return d.syncs[sync].Position, ctx.Err()
}

// Begin starts a transaction.
func (d *Destination) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.tx = &tx{d: d, sync: sync, staged: d.staged, staging: d.staging}
	return d.tx, nil
}

const rowsPerBatch = 1000

// Rows yields the published rows of t, in order of their keys' encoding.
func (d *Destination) Rows(ctx context.Context, t *row.Table) iter.Seq2[*row.Batch, error] {
	return func(yield func(*row.Batch, error) bool) {
		if !d.prepared[t.Name] {
			yield(nil, fmt.Errorf("table %q was not prepared", t.Name))
			return
		}
		have := d.tables[t.Name]
		keys := slices.Sorted(maps.Keys(have.rows))
		for chunk := range slices.Chunk(keys, rowsPerBatch) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			b := row.NewBatch(t)
			for _, key := range chunk {
				if r := have.rows[key]; !r.deleted {
					appendRow(b, r.cells)
				}
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// Status tells how far a sync has come.
func (d *Destination) Status(ctx context.Context, sync string) (*destination.Status, error) {
	s, ok := d.syncs[sync]
	if !ok || ctx.Err() != nil {
		return &destination.Status{}, ctx.Err()
	}
	staged := pendingOf(d.staged)
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		t := destination.TableStatus{Name: name, Staged: staged[name].len()}
		for _, r := range d.tables[name].rows {
			if r.deleted {
				t.Deleted++
			} else {
				t.Rows++
			}
		}
		for _, v := range d.tables[name].ended {
			if v.deleted {
				t.Deleted++
			}
		}
		s.Tables = append(s.Tables, t)
	}
	return &s, nil
}

// Reset forgets the position of a sync and what is staged.
func (d *Destination) Reset(ctx context.Context, sync string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	delete(d.syncs, sync)
	d.staged = nil
	return nil
}

// appendRow adds a row of b's table to b.
func appendRow(b *row.Batch, cells map[string]any) {
	for c := range b.Table.Columns {
		switch v := cells[b.Table.Columns[c].Name].(type) {
		case int64:
			b.AppendInt(c, v)
		case float64:
			b.AppendFloat(c, v)
		case string:
			b.AppendText(c, v)
		default:
			b.AppendNull(c)
		}
	}
	b.EndRow(row.Upsert)
}

// cellsAt copies row i of b.
func cellsAt(b *row.Batch, i int) map[string]any {
	cells := map[string]any{}
	for c, column := range b.Table.Columns {
		if b.Vectors[c].Null[i] {
			continue
		}
		switch column.Type {
		case row.Boolean, row.Int, row.UTCDateTime:
			cells[column.Name] = b.Vectors[c].Ints[i]
		case row.Double:
			cells[column.Name] = b.Vectors[c].Floats[i]
		default:
			cells[column.Name] = string(b.TextAt(c, i))
		}
	}
	return cells
}

// encode encodes the cells of some columns, different ones differently.
func encode(columns []row.Column, cells map[string]any) string {
	var key []byte
	for _, c := range columns {
		key = fmt.Appendf(key, "%#v,", cells[c.Name])
	}
	return string(key)
}
