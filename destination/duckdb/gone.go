package duckdb

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// findGone lists the row IDs of published rows whose keys are gone: in a snapshot,
// those that it did not meet, and those with a staged delete. It reports whether
// there is such a list.
func (p *publication) findGone(ctx context.Context) (bool, error) {
	d, t := p.d, p.t
	if d.o.Deletes == destination.IgnoreDeletes {
		return false, nil
	}
	sure, unmet := true, false
	if p.scope != nil {
		var err error
		if sure, err = p.sure(ctx); err != nil {
			return false, err
		}
		unmet = !sure || p.known.unmet > 0
	}
	if !unmet && !t.deletes && p.cut == 0 {
		return false, nil
	}
	if unmet {
		if err := p.findUnmet(ctx, sure); err != nil {
			return false, err
		}
	} else if err := d.conn.exec(ctx, "CREATE OR REPLACE TEMP TABLE _keylift_gone (id BIGINT)"); err != nil {
		return false, err
	}
	staged := "SELECT t.rowid FROM " + p.table() + " t JOIN " + p.stage() + " s ON " + joins(t.Table)
	if !sure && t.staged {
		if err := d.conn.exec(ctx, "DELETE FROM temp._keylift_gone WHERE id IN ("+staged+")"); err != nil {
			return false, err
		}
	}
	if p.cut > 0 {
		return true, p.findCut(ctx)
	}
	if t.deletes {
		return true, d.conn.exec(ctx, "INSERT INTO temp._keylift_gone "+staged+" WHERE s."+deletedColumn+" AND "+live(t.Table, "t."))
	}
	return true, nil
}

// sure reports whether the index knows all published keys that are staged, and
// takes no other key for one of them: it knows as many as there are.
func (p *publication) sure(ctx context.Context) (_ bool, err error) {
	t := p.t
	if t.index.full || t.index.twins {
		return false, nil
	}
	if t.staged && (t.deletes || t.kept) {
		p.matched, err = p.d.count(ctx, "SELECT count(*) FROM "+p.stage()+" s JOIN "+p.table()+" t ON "+joins(t.Table)+" WHERE "+live(t.Table, "t."))
	}
	return p.matched == p.known.staged, err
}

// findUnmet lists the rows within scope whose keys were not seen and, if the index
// is sure of those, not staged.
func (p *publication) findUnmet(ctx context.Context, sure bool) error {
	met := isSeen
	if sure {
		met |= isStaged | isKept
	}
	r := newRowReader(p.t.Table, func(c int) bool { return c < p.t.Keys || p.t.Columns[c].InScope }, "rowid")
	where := live(p.t.Table, "")
	if p.t.marked {
		where += " AND NOT EXISTS (SELECT 1 FROM temp._keylift_marks m WHERE " + sameRedisKey(p.t.Table, "m", quote(p.t.Name)) + ")"
	}
	return p.d.listRows(ctx, "_keylift_gone", p.t.Name, where, r, func(b *row.Batch, i int) bool {
		return !p.t.index.find(b.HashKey(i)).is(met) && p.scope(b, i)
	})
}

// deleteGone marks or removes the rows whose keys are gone.
func (p *publication) deleteGone(ctx context.Context) (err error) {
	const gone = " WHERE rowid IN (SELECT id FROM temp._keylift_gone)"
	if p.counts.Deleted, err = p.d.count(ctx, "SELECT count(*) FROM temp._keylift_gone"); err != nil || p.counts.Deleted == 0 {
		return err
	}
	if p.guarded {
		if err := p.noteLost(ctx, gone+p.unexpired()); err != nil {
			return err
		}
	}
	if p.t.History {
		return p.end(ctx, deletedColumn+" = true, ", gone)
	}
	if p.d.o.Deletes == destination.HardDeletes {
		p.replaced += p.counts.Deleted
		return p.d.conn.exec(ctx, "DELETE FROM "+p.table()+gone)
	}
	return p.d.conn.exec(ctx, "UPDATE "+p.table()+" SET "+deletedColumn+" = true, "+syncedColumn+" = ?"+gone, p.d.started)
}

// unexpired returns the further condition that the source has not deleted row t by
// itself by now.
func (p *publication) unexpired() (where string) {
	for _, c := range p.t.Columns {
		stored := slices.ContainsFunc(p.t.columns, func(have column) bool { return have.name == c.Name && have.sqlType == timestampType })
		if c.Expiry && stored {
			at := "t." + quote(c.Name)
			where += " AND (" + at + " IS NULL OR epoch_us(" + at + ") > " + strconv.FormatInt(time.Now().UnixMicro(), 10) + ")"
		}
	}
	return where
}
