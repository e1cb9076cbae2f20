package duckdb

import (
	"context"
	"time"

	"github.com/keylift/keylift/destination/destinationtest"
	"github.com/keylift/keylift/row"
)

// System returns the system columns of a row.
func (d *Destination) System(ctx context.Context, table, key string) (deleted bool, synced time.Time, err error) {
	err = d.conn.query(ctx, "SELECT _keylift_deleted, _keylift_synced FROM "+d.name(table)+" WHERE key = ?", func(c *chunk) error {
		deleted, synced = c.bool(0, 0), moment(c.int(1, 0))
		return nil
	}, key)
	return deleted, synced, err
}

// Versions returns all versions of the rows of t.
func (d *Destination) Versions(ctx context.Context, t *row.Table) ([]destinationtest.Version, error) {
	r := newRowReader(t, func(int) bool { return true }, startColumn, endColumn, activeColumn, deletedColumn)
	var all []destinationtest.Version
	err := d.scan(ctx, t.Name, "true", r, func(c *chunk) error {
		read := row.NewBatch(t)
		defer read.Release()
		r.appendTo(read, c)
		for range c.rows {
			read.EndRow(row.Upsert)
		}
		for i := range c.rows {
			v := destinationtest.Version{Row: row.NewBatch(t)}
			copyRow(v.Row, read, i)
			n := len(r.read)
			v.Start, v.End, v.Active, v.Deleted = moment(c.int(n, i)), moment(c.int(n+1, i)), c.bool(n+2, i), c.bool(n+3, i)
			all = append(all, v)
		}
		return nil
	})
	return all, err
}

// copyRow copies row i.
func copyRow(to, from *row.Batch, i int) {
	for c := range to.Table.Columns {
		v := &from.Vectors[c]
		switch {
		case v.Null[i]:
			to.AppendNull(c)
		case len(v.Spans) > i:
			to.AppendText(c, string(from.TextAt(c, i)))
		case len(v.Floats) > i:
			to.AppendFloat(c, v.Floats[i])
		default:
			to.AppendInt(c, v.Ints[i])
		}
	}
	to.EndRow(row.Upsert)
}
