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
	if unmet {
		if err := p.findUnmet(ctx); err != nil {
			return false, err
		}
	} else if err := d.conn.exec(ctx, "CREATE OR REPLACE TEMP TABLE _keylift_gone (id BIGINT)"); err != nil {
		return false, err
	}
	staged := "SELECT t.rowid FROM " + p.table() + " t JOIN " + p.stage() + " s ON " + sameKey(t.Table, "s", "t")
	if unmet && t.staged && t.index.full() {
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
	r := newRowReader(p.t.Table, func(c int) bool { return c < p.t.Keys || p.t.Columns[c].InScope }, "rowid")
	return p.d.listRows(ctx, "_keylift_gone", p.t.Name, "NOT "+deletedColumn, r, func(b *row.Batch, i int) bool {
		return !p.t.index.find(b.HashKey(i)).is(isSeen|isStaged|isKept) && p.scope(b, i)
	})
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
