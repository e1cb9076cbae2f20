package duckdb

import (
	"context"
	"runtime"
	"time"

	"github.com/keylift/keylift/row"
)

// A stageAppender appends rows of batches to the stage of a table.
type stageAppender struct {
	*appender
	columns []column
	source  []int // for each of columns the batch's column, or -1
	text    int   // bytes appended since the last flush
}

// flushBytes is how much text is appended before DuckDB is handed it.
const flushBytes = 16 << 20

func newStageAppender(d *Destination, t *preparedTable) (*stageAppender, error) {
	a, err := d.conn.newAppender(catalog, d.o.Schema, stageName(t.Name))
	if err != nil {
		return nil, err
	}
	s := &stageAppender{appender: a, columns: t.columns, source: make([]int, len(t.columns))}
	for i, c := range t.columns {
		s.source[i] = t.Column(c.name)
	}
	return s, nil
}

// write appends those rows of b.
func (a *stageAppender) write(ctx context.Context, b *row.Batch, rows []int, started time.Time) error {
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
		a.fillFrom(to, b, from, rows)
		return
	}
	switch a.columns[c].name {
	case syncedColumn:
		at := started.UnixMicro()
		for i := range values[int64](to, len(rows)) {
			values[int64](to, len(rows))[i] = at
		}
	case deletedColumn:
		into := values[bool](to, len(rows))
		for i, r := range rows {
			into[i] = b.Ops[r] == row.Delete
			if b.Ops[r] == row.Keep {
				to.setNull(i)
			}
		}
	case hashColumn:
		into := values[uint64](to, len(rows))
		for i, r := range rows {
			into[i] = b.Hash[r]
		}
	default: // not of this sync
		for i := range rows {
			to.setNull(i)
		}
	}
}

// fillFrom writes a column of b.
func (a *stageAppender) fillFrom(to *vector, b *row.Batch, from int, rows []int) {
	v := &b.Vectors[from]
	switch b.Table.Columns[from].Type {
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
		for i, r := range rows {
			text := b.Text[v.Spans[r].Start:v.Spans[r].End]
			to.setText(i, text)
			a.text += len(text)
		}
	}
	for i, r := range rows {
		if v.Null[r] {
			to.setNull(i)
		}
	}
}
