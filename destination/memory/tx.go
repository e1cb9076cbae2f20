package memory

import (
	"context"
	"errors"
	"fmt"
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
}

// Write copies the rows of b.
func (x *tx) Write(ctx context.Context, b *row.Batch) error {
	if err := x.usable(ctx); err != nil {
		return err
	}
	if !x.d.prepared[b.Table.Name] {
		return fmt.Errorf("table %q was not prepared", b.Table.Name)
	}
	x.generation(b.After.Generation)
	for i := range b.Len() {
		cells := cellsAt(b, i)
		x.staged = append(x.staged, change{
			table: b.Table,
			key:   keyOf(b.Table, cells),
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
	counts := x.d.publish(newest(x.d.staged))
	x.d.staged = nil
	return counts, nil
}

// PublishSnapshot commits, shows what is staged and deletes what is not.
func (x *tx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope) (destination.Counts, error) {
	if err := x.usable(ctx); err != nil {
		return destination.Counts{}, err
	}
	x.commit(p, true)
	staged := newest(x.d.staged)
	counts := x.d.publish(staged)
	counts.Add(x.d.deleteMissing(staged, scope))
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

// newest returns the change that counts of each key, by table and key: the last
// one, but a Keep leaves an Upsert before it standing.
func newest(staged []change) map[string]map[string]change {
	tables := map[string]map[string]change{}
	for _, c := range staged {
		keys := tables[c.table.Name]
		if keys == nil {
			keys = map[string]change{}
			tables[c.table.Name] = keys
		}
		if before, ok := keys[c.key]; ok && before.op == row.Upsert && c.op == row.Keep {
			continue
		}
		keys[c.key] = c
	}
	return tables
}

// publish makes the staged changes visible.
func (d *Destination) publish(staged map[string]map[string]change) destination.Counts {
	var n destination.Counts
	for name, changes := range staged {
		rows := d.tables[name].rows
		for key, c := range changes {
			have := rows[key]
			switch {
			case c.op == row.Keep:
				n.Kept++
			case c.op == row.Delete:
				n.Deleted += d.remove(rows, key)
			case have != nil && !have.deleted && unchanged(c, have):
				n.Unchanged++
			default:
				if have == nil || have.deleted {
					n.New++
				} else {
					n.Changed++
				}
				rows[key] = &record{cells: c.cells, hash: c.hash, synced: d.started}
			}
		}
	}
	return n
}

// deleteMissing deletes the rows of the run's tables that are not staged and lie
// within scope.
func (d *Destination) deleteMissing(staged map[string]map[string]change, scope row.Scope) destination.Counts {
	var n destination.Counts
	for name := range d.prepared {
		have := d.tables[name]
		for key, r := range have.rows {
			if _, ok := staged[name][key]; ok {
				continue
			}
			b := row.NewBatch(&row.Table{Name: name, Keys: have.keys, Columns: have.columns})
			appendRow(b, r.cells)
			if scope(b, 0) {
				n.Deleted += d.remove(have.rows, key)
			}
		}
	}
	return n
}

// remove does to the row of key what is to be done with deleted keys, and
// returns how many rows that deleted.
func (d *Destination) remove(rows map[string]*record, key string) int64 {
	r := rows[key]
	if r == nil || r.deleted || d.deletes == destination.IgnoreDeletes {
		return 0
	}
	if d.deletes == destination.HardDeletes {
		delete(rows, key)
	} else {
		r.deleted, r.synced = true, d.started
	}
	return 1
}

// unchanged reports whether c says what r already holds.
func unchanged(c change, r *record) bool {
	if c.hash != r.hash {
		return false
	}
	for _, column := range c.table.Columns {
		if column.Compare == row.ByValue && !equal(column, c.cells[column.Name], r.cells[column.Name]) {
			return false
		}
	}
	return true
}

func equal(c row.Column, a, b any) bool {
	x, xok := a.(int64)
	y, yok := b.(int64)
	if c.Type == row.UTCDateTime && xok && yok {
		return max(x, y)-min(x, y) <= c.Tolerance.Microseconds()
	}
	return a == b
}
