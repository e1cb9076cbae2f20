package duckdb

import (
	"context"

	"github.com/keylift/keylift/row"
)

// dropRepeated leaves one row of each key in the stage: the last, but an Upsert
// rather than a Keep. It looks at those keys alone that may have several.
func (p *publication) dropRepeated(ctx context.Context) error {
	t := p.t
	r := newRowReader(t.Table, func(c int) bool { return c < t.Keys }, "rowid")
	err := p.d.listRows(ctx, "_keylift_repeated", stageName(t.Name), "true", r, func(b *row.Batch, i int) bool {
		_, ok := t.repeated[b.HashKey(i)]
		return ok || len(t.repeated) > mostRepeated
	})
	if err != nil {
		return err
	}
	const (
		deleted = deletedColumn
		listed  = " WHERE rowid IN (SELECT id FROM temp._keylift_repeated)"
	)
	return p.d.conn.exec(ctx, "DELETE FROM "+p.stage()+listed+" AND rowid NOT IN (SELECT CASE WHEN arg_max("+deleted+", rowid)"+
		" THEN max(rowid) ELSE coalesce(max(rowid) FILTER ("+deleted+" IS NOT NULL), max(rowid)) END"+
		" FROM "+p.stage()+listed+" GROUP BY "+firstColumns(t.Table, t.Keys)+")")
}

// listRows creates a temporary table that lists the IDs of the rows of a table
// that meet a condition and that choose chooses. r reads what choose looks at, and
// the row ID behind it.
func (d *Destination) listRows(ctx context.Context, list, name, where string, r *rowReader, choose func(b *row.Batch, i int) bool) error {
	if err := d.conn.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+list+" (id BIGINT)"); err != nil {
		return err
	}
	a, err := d.conn.newAppender("temp", "main", list)
	if err != nil {
		return err
	}
	b := row.NewBatch(r.table)
	defer b.Release()
	var chosen []int64
	err = d.scan(ctx, name, where, r, func(c *chunk) error {
		r.appendTo(b, c)
		chosen = chosen[:0]
		for i, id := range values[int64](&c.columns[len(r.read)], c.rows) {
			if choose(b, i) {
				chosen = append(chosen, id)
			}
		}
		b.DropRow(0)
		if len(chosen) == 0 {
			return nil
		}
		return a.append(len(chosen), func(to *chunk) { copy(values[int64](&to.columns[0], len(chosen)), chosen) })
	})
	if err != nil {
		a.clear()
		a.destroy()
		return err
	}
	return a.close(ctx)
}
