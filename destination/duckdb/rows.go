package duckdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/keylift/keylift/row"
)

// scanRows is how many rows one query of a scan reads: results are held in
// memory whole. With texts other than keys, which may be long, it is fewer.
const (
	scanRows     = 4 * 122880
	scanWideRows = scanRows / 32
)

// scan hands f, chunk by chunk, what r reads of those rows of a table that meet a
// condition.
func (d *Destination) scan(ctx context.Context, name, where string, r *rowReader, f func(*chunk) error) error {
	end, err := d.count(ctx, "SELECT max(rowid) + 1 FROM "+d.name(name))
	step := int64(scanRows)
	if r.wide {
		step = scanWideRows
	}
	for from := int64(0); from < end && err == nil; from += step {
		err = d.conn.query(ctx, "SELECT "+r.columns+" FROM "+d.name(name)+" WHERE rowid >= ? AND rowid < ? AND "+where, f, from, from+step)
	}
	return err
}

// A rowReader reads some columns of a table's rows into a batch.
type rowReader struct {
	table   *row.Table
	columns string // for SELECT
	read    []int  // the columns of table among them, which come first
	wide    bool   // texts other than keys are among them
}

// newRowReader returns a reader of the columns of t that read chooses; others
// follow them in the chunks of a scan.
func newRowReader(t *row.Table, read func(c int) bool, others ...string) *rowReader {
	r := &rowReader{table: t}
	var names []string
	for c, column := range t.Columns {
		if !read(c) {
			continue
		}
		name := quote(column.Name)
		if column.Type == row.Decimal {
			name = "CASE WHEN typeof(" + name + ") = '" + textType + "' THEN CAST(" + name + " AS VARCHAR) ELSE " + decimalText(name) + " END"
		}
		names = append(names, name)
		r.read = append(r.read, c)
		r.wide = r.wide || c >= t.Keys && sqlType(column.Type) == textType
	}
	r.columns = strings.Join(append(names, others...), ", ")
	return r
}

// appendTo appends the columns read to b; it does not end the rows.
func (r *rowReader) appendTo(b *row.Batch, from *chunk) {
	next := 0
	for c := range r.table.Columns {
		if next == len(r.read) || r.read[next] != c {
			for range from.rows {
				b.AppendNull(c)
			}
			continue
		}
		r.appendColumn(b, c, &from.columns[next], from.rows)
		next++
	}
}

func (r *rowReader) appendColumn(b *row.Batch, c int, v *vector, rows int) {
	for i := range rows {
		if v.isNull(i) {
			b.AppendNull(c)
			continue
		}
		switch r.table.Columns[c].Type {
		case row.Boolean:
			var n int64
			if values[bool](v, rows)[i] {
				n = 1
			}
			b.AppendInt(c, n)
		case row.Int, row.UTCDateTime:
			b.AppendInt(c, values[int64](v, rows)[i])
		case row.Double:
			b.AppendFloat(c, values[float64](v, rows)[i])
		default:
			start := len(b.Text)
			b.Text = append(b.Text, v.text(i)...)
			b.AppendSpan(c, start)
		}
	}
}

// appendKeys appends what row.Batch.HashKey returns of the rows of a chunk.
func (r *rowReader) appendKeys(dst []uint64, from *chunk) []uint64 {
	dst = slices.Grow(dst, from.rows)[:from.rows]
	for i := range dst {
		dst[i] = uint64(row.NewKeyHash())
	}
	for c := range r.table.Keys {
		v := &from.columns[c]
		switch r.table.Columns[c].Type {
		case row.Boolean:
			for i, is := range values[uint8](v, from.rows) {
				dst[i] = uint64(row.KeyHash(dst[i]).Int(int64(is)))
			}
		case row.Int, row.UTCDateTime:
			for i, n := range values[int64](v, from.rows) {
				dst[i] = uint64(row.KeyHash(dst[i]).Int(n))
			}
		case row.Double:
			for i, f := range values[float64](v, from.rows) {
				dst[i] = uint64(row.KeyHash(dst[i]).Float(f))
			}
		default:
			for i := range dst {
				dst[i] = uint64(row.KeyHash(dst[i]).Text(v.text(i)))
			}
		}
	}
	for i, h := range dst {
		dst[i] = row.KeyHash(h).Sum()
	}
	return dst
}

// appendContents appends what contentHash returns of the rows of a chunk, in which the
// hashes follow the columns read.
func (r *rowReader) appendContents(dst []uint64, from *chunk) []uint64 {
	dst = append(dst, values[uint64](&from.columns[len(r.read)], from.rows)...)
	for n, c := range r.read {
		if r.table.Columns[c].Compare != row.ByValue {
			continue
		}
		v := &from.columns[n]
		for i, at := range values[int64](v, from.rows) {
			if !v.isNull(i) {
				dst[i] = withValue(dst[i], at)
			}
		}
	}
	for i, h := range dst {
		dst[i] = max(h, 1)
	}
	return dst
}

var errStopped = errors.New("the caller stopped")

// Rows yields the published rows of t that are not deleted.
func (d *Destination) Rows(ctx context.Context, t *row.Table) iter.Seq2[*row.Batch, error] {
	return func(yield func(*row.Batch, error) bool) {
		r := newRowReader(t, func(int) bool { return true })
		err := d.scan(ctx, t.Name, live(t, ""), r, func(c *chunk) error {
			b := row.NewBatch(t)
			r.appendTo(b, c)
			for range c.rows {
				b.EndRow(row.Upsert)
			}
			if !yield(b, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, fmt.Errorf("read table %q: %w", t.Name, err))
		}
	}
}
