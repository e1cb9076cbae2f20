package duckdb

import (
	"context"
	"database/sql"

	"github.com/keylift/keylift/row"
)

// indexShare is the part of the memory that the index may take, as a divisor.
const indexShare = 3

// load builds the index of t from its published and staged rows.
func (d *Destination) load(ctx context.Context, t *preparedTable) error {
	if t.index != nil {
		return nil
	}
	published, err := d.count(ctx, "SELECT count(*) FROM "+d.name(t.Name))
	if err != nil {
		return err
	}
	staged, err := d.count(ctx, "SELECT count(*) FROM "+d.name(stageName(t.Name)))
	if err != nil {
		return err
	}
	t.index = newIndex(published+staged, d.o.MemoryBytes/indexShare)
	if published > 0 {
		if err := d.loadRows(ctx, t, isPublished, t.Name, "NOT "+deletedColumn); err != nil {
			return err
		}
	}
	if staged > 0 {
		deletes, err := d.count(ctx, "SELECT count(*) FROM "+d.name(stageName(t.Name))+" WHERE "+deletedColumn)
		if err != nil {
			return err
		}
		t.deletes = deletes > 0
		if err := d.loadRows(ctx, t, isStaged, stageName(t.Name), "true"); err != nil {
			return err
		}
	}
	if err := d.loadRows(ctx, t, isSeen, seenName(t.Name), "NOT kept"); err != nil {
		return err
	}
	kept, err := d.count(ctx, "SELECT count(*) FROM "+d.name(seenName(t.Name))+" WHERE kept")
	t.kept = kept > 0
	return err
}

// loadRows adds the rows of one of t's tables to its index: their keys and,
// unless they are merely seen, their content.
func (d *Destination) loadRows(ctx context.Context, t *preparedTable, state uint64, name, where string) error {
	r := newRowReader(t.Table, func(c int) bool {
		return c < t.Keys || state != isSeen && t.Columns[c].Compare == row.ByValue
	})
	var hash uint64
	if state != isSeen {
		r.columns += ", " + hashColumn
		r.into = append(r.into, &hash)
	}
	b := row.NewBatch(t.Table)
	defer b.Release()
	return d.scan(ctx, name, where, r, func() error {
		r.appendTo(b)
		s := t.index.add(b.HashKey(0))
		if s != nil {
			t.repeated = t.repeated || s.key&state&isStaged != 0
			t.overlap = t.overlap || state == isSeen && s.key&isStaged != 0
			s.key |= state
			if state != isSeen {
				s.content = contentHash(b, 0, hash)
			}
		} else {
			t.repeated, t.overlap = true, true
		}
		b.DropRow(0)
		return nil
	})
}

// scanRows is how many rows one query of a scan reads: results are held in
// memory whole.
const scanRows = 4 * 122880

// scan runs f for each row of a table that meets a condition; r holds the row's
// values while f runs.
func (d *Destination) scan(ctx context.Context, name, where string, r *rowReader, f func() error) error {
	var last sql.NullInt64
	if err := d.conn.QueryRowContext(ctx, "SELECT max(rowid) FROM "+d.name(name)).Scan(&last); err != nil || !last.Valid {
		return err
	}
	step := int64(scanRows)
	if r.wide {
		step /= 32
	}
	for from := int64(0); from <= last.Int64; from += step {
		rows, err := d.conn.QueryContext(ctx, "SELECT "+r.columns+" FROM "+d.name(name)+" WHERE rowid >= ? AND rowid < ? AND "+where, from, from+step)
		if err != nil {
			return err
		}
		for rows.Next() && err == nil {
			if err = rows.Scan(r.into...); err == nil {
				err = f()
			}
		}
		if err == nil {
			err = rows.Err()
		}
		_ = rows.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// A rowReader scans some columns of a table's rows into a batch.
type rowReader struct {
	table   *row.Table
	columns string // for SELECT
	wide    bool   // columns that are neither key nor number are among them
	into    []any  // for Scan
	texts   []sql.NullString
	ints    []sql.NullInt64
	floats  []sql.NullFloat64
	read    []bool // a column of table
}

// newRowReader returns a reader of the columns of t that read chooses.
func newRowReader(t *row.Table, read func(c int) bool) *rowReader {
	n := len(t.Columns)
	r := &rowReader{
		table: t, read: make([]bool, n),
		texts: make([]sql.NullString, n), ints: make([]sql.NullInt64, n), floats: make([]sql.NullFloat64, n),
	}
	for c := range t.Columns {
		if r.read[c] = read(c); !r.read[c] {
			continue
		}
		name := quote(t.Columns[c].Name)
		switch t.Columns[c].Type {
		case row.UTCDateTime:
			name = "epoch_us(" + name + ")"
			r.into = append(r.into, &r.ints[c])
		case row.Boolean:
			name += "::BIGINT"
			r.into = append(r.into, &r.ints[c])
		case row.Int:
			r.into = append(r.into, &r.ints[c])
		case row.Double:
			r.into = append(r.into, &r.floats[c])
		default:
			name += "::VARCHAR"
			r.wide = r.wide || c >= t.Keys
			r.into = append(r.into, &r.texts[c])
		}
		if r.columns != "" {
			name = ", " + name
		}
		r.columns += name
	}
	return r
}

// appendTo appends the columns of the row just scanned to b, NULL for those not
// read; it does not end the row.
func (r *rowReader) appendTo(b *row.Batch) {
	for c := range r.table.Columns {
		switch {
		case !r.read[c]:
			b.AppendNull(c)
		case r.texts[c].Valid:
			b.AppendText(c, r.texts[c].String)
		case r.ints[c].Valid:
			b.AppendInt(c, r.ints[c].Int64)
		case r.floats[c].Valid:
			b.AppendFloat(c, r.floats[c].Float64)
		default:
			b.AppendNull(c)
		}
	}
}
