package duckdb

import (
	"context"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// findGone lists the row IDs of published rows whose keys are gone: in a snapshot,
// those that it did not meet, and those with a staged delete. It reports whether
// there is such a list.
func (p *publication) findGone(ctx context.Context) (bool, error) {
	d, t := p.d, p.t
	unmet := p.scope != nil && p.unmet
	if d.o.Deletes == destination.IgnoreDeletes || !unmet && !t.deletes {
		return false, nil
	}
	if err := d.conn.exec(ctx, "CREATE OR REPLACE TEMP TABLE _keylift_gone (id BIGINT)"); err != nil {
		return false, err
	}
	if unmet {
		if err := p.findUnmet(ctx); err != nil {
			return false, err
		}
	}
	staged := "SELECT t.rowid FROM " + p.table() + " t JOIN " + p.stage() + " s ON " + sameKey(t.Table, "s", "t")
	if unmet && t.staged && t.index.full {
		if err := d.conn.exec(ctx, "DELETE FROM temp._keylift_gone WHERE id IN ("+staged+")"); err != nil {
			return false, err
		}
	}
	if t.deletes {
		return true, d.conn.exec(ctx, "INSERT INTO temp._keylift_gone "+staged+" WHERE s."+deletedColumn+" AND NOT t."+deletedColumn)
	}
	return true, nil
}

// findUnmet lists the rows within scope whose keys were neither seen nor staged, as
// far as the index knows.
func (p *publication) findUnmet(ctx context.Context) error {
	d, t := p.d, p.t
	r := newRowReader(t.Table, func(c int) bool { return c < t.Keys || t.Columns[c].InScope }, "rowid")
	b := row.NewBatch(t.Table)
	defer b.Release()
	a, err := d.conn.newAppender("temp", "main", "_keylift_gone")
	if err != nil {
		return err
	}
	var unmet []int64
	err = d.scan(ctx, t.Name, "NOT "+deletedColumn, r, func(c *chunk) error {
		r.appendTo(b, c)
		ids := values[int64](&c.columns[len(r.read)], c.rows)
		unmet = unmet[:0]
		for i, id := range ids {
			if !t.index.find(b.HashKey(i)).is(isSeen|isStaged|isKept) && p.scope(b, i) {
				unmet = append(unmet, id)
			}
		}
		b.DropRow(0)
		if len(unmet) == 0 {
			return nil
		}
		return a.append(len(unmet), func(to *chunk) { copy(values[int64](&to.columns[0], len(unmet)), unmet) })
	})
	if err != nil {
		a.clear()
		a.destroy()
		return err
	}
	return a.close(ctx)
}

// deleteGone marks or removes the rows whose keys are gone.
func (p *publication) deleteGone(ctx context.Context) (err error) {
	const gone = " WHERE rowid IN (SELECT id FROM temp._keylift_gone)"
	if p.counts.Deleted, err = p.d.count(ctx, "SELECT count(*) FROM temp._keylift_gone"); err != nil || p.counts.Deleted == 0 {
		return err
	}
	if p.d.o.Deletes == destination.HardDeletes {
		p.replaced += p.counts.Deleted
		return p.d.conn.exec(ctx, "DELETE FROM "+p.table()+gone)
	}
	return p.d.conn.exec(ctx, "UPDATE "+p.table()+" SET "+deletedColumn+" = true, "+syncedColumn+" = ?"+gone, p.d.started)
}
