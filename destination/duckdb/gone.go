package duckdb

import (
	"context"
	"database/sql/driver"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// findGone lists the row IDs of published rows whose keys are gone: those with a
// staged delete and, in a snapshot, those that it did not meet.
func (p *publication) findGone(ctx context.Context) error {
	d, t := p.d, p.t
	if err := d.exec(ctx, "CREATE OR REPLACE TEMP TABLE _keylift_gone (id BIGINT)"); err != nil {
		return err
	}
	if d.o.Deletes == destination.IgnoreDeletes {
		return nil
	}
	if t.deletes {
		err := d.exec(ctx, "INSERT INTO temp._keylift_gone SELECT t.rowid FROM "+p.table()+" t JOIN "+p.stage()+" s ON "+sameKey(t.Table, "s", "t")+
			" WHERE s."+deletedColumn+" AND NOT t."+deletedColumn)
		if err != nil {
			return err
		}
	}
	if p.scope == nil || !t.kept && t.index.allMet() {
		return nil
	}
	return p.findUnmet(ctx)
}

// findUnmet adds the rows within scope that the snapshot did not deliver.
func (p *publication) findUnmet(ctx context.Context) error {
	d, t := p.d, p.t
	const unmet = "_keylift_unmet"
	err := d.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+unmet+" AS SELECT t.rowid AS id FROM "+p.table()+" t WHERE NOT t."+deletedColumn+
		" AND NOT EXISTS (SELECT 1 FROM "+p.stage()+" s WHERE "+sameKey(t.Table, "s", "t")+")"+
		" AND NOT EXISTS (SELECT 1 FROM "+p.seen()+" n WHERE "+sameKey(t.Table, "n", "t")+")")
	if err != nil {
		return err
	}
	n, err := d.count(ctx, "SELECT count(*) FROM temp."+unmet)
	if err != nil || n == 0 {
		return err
	}
	r := newRowReader(t.Table, func(c int) bool { return c < t.Keys || t.Columns[c].InScope })
	var id int64
	r.columns += ", rowid"
	r.into = append(r.into, &id)
	b := row.NewBatch(t.Table)
	defer b.Release()
	var gone []int64
	err = d.scan(ctx, t.Name, "rowid IN (SELECT id FROM temp."+unmet+")", r, func() error {
		r.appendTo(b)
		if p.scope(b, 0) {
			gone = append(gone, id)
		}
		b.DropRow(0)
		return nil
	})
	if err != nil {
		return err
	}
	return d.conn.Raw(func(c any) error {
		a, err := duckdb.NewAppender(c.(driver.Conn), "temp", "main", "_keylift_gone")
		if err != nil {
			return err
		}
		for _, id := range gone {
			if err := a.AppendRow(id); err != nil {
				_ = a.Close()
				return err
			}
		}
		return a.CloseWithCancel(ctx)
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
		return p.d.exec(ctx, "DELETE FROM "+p.table()+gone)
	}
	return p.d.exec(ctx, "UPDATE "+p.table()+" SET "+deletedColumn+" = true, "+syncedColumn+" = ?"+gone, p.d.started)
}
