package duckdb

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// A stageAppender appends rows of batches to the stage of a table.
type stageAppender struct {
	*appender
	columns []column
	of      *row.Table // of the batch written last
	source  []int      // for each of columns the batch's column, or -1
	text    int        // bytes appended since the last flush
	misfit  error      // what could not be written
}

// flushBytes is how much text is appended before DuckDB is handed it.
const flushBytes = 16 << 20

func newStageAppender(d *Destination, t *preparedTable) (*stageAppender, error) {
	a, err := d.conn.newAppender(catalog, d.o.Schema, stageName(t.Name))
	if err != nil {
		return nil, err
	}
	return &stageAppender{appender: a, columns: t.columns, source: make([]int, len(t.columns))}, nil
}

// write appends those rows of b.
func (a *stageAppender) write(ctx context.Context, b *row.Batch, rows []int, started time.Time) error {
	if a.of != b.Table {
		a.of = b.Table
		for i, c := range a.columns {
			a.source[i] = slices.IndexFunc(b.Table.Columns, func(of row.Column) bool { return strings.EqualFold(of.Name, c.name) })
		}
	}
	var pinned runtime.Pinner // DuckDB's vectors point into the batch
	defer pinned.Unpin()
	if len(b.Text) > 0 {
		pinned.Pin(&b.Text[0])
	}
	for len(rows) > 0 {
		some := rows[:min(len(rows), chunkRows)]
		rows = rows[len(some):]
		err := a.append(len(some), func(to *chunk) {
			for c := range to.columns {
				a.fill(&to.columns[c], c, b, some, started)
			}
		})
		if err == nil {
			err = a.misfit
		}
		if err != nil {
			return err
		}
		if a.text >= flushBytes {
			a.text = 0
			if err := a.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill writes column c of the stage.
func (a *stageAppender) fill(to *vector, c int, b *row.Batch, rows []int, started time.Time) {
	if from := a.source[c]; from >= 0 {
		a.fillFrom(to, c, b, from, rows)
		return
	}
	switch a.columns[c].name {
	case syncedColumn, startColumn:
		at := started.UnixMicro()
		for i := range values[int64](to, len(rows)) {
			values[int64](to, len(rows))[i] = at
		}
	case deletedColumn:
		into := values[bool](to, len(rows))
		for i, r := range rows {
			into[i] = b.Ops[r] == row.Delete
			if b.Ops[r].Keeps() {
				to.setNull(i)
			}
		}
	case hashColumn:
		into := values[uint64](to, len(rows))
		for i, r := range rows {
			into[i] = b.Hash[r]
		}
	case endColumn:
		for i := range values[int64](to, len(rows)) {
			values[int64](to, len(rows))[i] = destination.LastMoment.UnixMicro()
		}
	case activeColumn:
		for i := range values[bool](to, len(rows)) {
			values[bool](to, len(rows))[i] = true
		}
	default: // not of this sync
		for i := range rows {
			to.setNull(i)
		}
	}
}

// fillFrom writes a column of b.
func (a *stageAppender) fillFrom(to *vector, c int, b *row.Batch, from int, rows []int) {
	v := &b.Vectors[from]
	switch b.Table.Columns[from].Type {
	case row.Decimal:
		if a.columns[c].sqlType == decimalType {
			a.fillDecimals(to, v, b, rows)
		} else {
			a.fillTexts(to, v, b, rows)
		}
	case row.Boolean:
		into := values[bool](to, len(rows))
		for i, r := range rows {
			into[i] = v.Ints[r] != 0
		}
	case row.Int, row.UTCDateTime:
		into := values[int64](to, len(rows))
		for i, r := range rows {
			into[i] = v.Ints[r]
		}
	case row.Double:
		into := values[float64](to, len(rows))
		for i, r := range rows {
			into[i] = v.Floats[r]
		}
	default:
		a.fillTexts(to, v, b, rows)
	}
	if from < b.Table.Keys {
		return // a mark is NULL in some of them; it holds nothing there
	}
	for i, r := range rows {
		if v.Null[r] {
			to.setNull(i)
		}
	}
}

func (a *stageAppender) fillTexts(to *vector, v *row.Vector, b *row.Batch, rows []int) {
	for i, r := range rows {
		text := b.Text[v.Spans[r].Start:v.Spans[r].End]
		to.setText(i, text)
		a.text += len(text)
	}
}

func (a *stageAppender) fillDecimals(to *vector, v *row.Vector, b *row.Batch, rows []int) {
	into := values[decimal](to, len(rows))
	for i, r := range rows {
		if v.Null[r] {
			continue
		}
		text := b.Text[v.Spans[r].Start:v.Spans[r].End]
		var ok bool
		if into[i], ok = parseDecimal(text); !ok && a.misfit == nil {
			a.misfit = fmt.Errorf("%q is no decimal with up to 26 digits before the point and 12 behind it", text)
		}
	}
}
