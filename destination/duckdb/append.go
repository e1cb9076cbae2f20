package duckdb

import (
	"context"
	"errors"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// An appender appends rows to a table, by chunks.
type appender struct {
	conn  *conn
	a     mapping.Appender
	types []mapping.LogicalType
	part  mapping.DataChunk
}

func (c *conn) newAppender(catalog, schema, table string) (*appender, error) {
	a := &appender{conn: c}
	if mapping.AppenderCreateExt(c.c, catalog, schema, table, &a.a) == mapping.StateError {
		defer a.destroy()
		return nil, a.err()
	}
	for i := range mapping.AppenderColumnCount(a.a) {
		a.types = append(a.types, mapping.AppenderColumnType(a.a, i))
	}
	a.part = mapping.CreateDataChunk(a.types)
	return a, nil
}

// append appends n rows, at most chunkRows, which fill writes.
func (a *appender) append(n int, fill func(*chunk)) error {
	mapping.DataChunkReset(a.part)
	mapping.DataChunkSetSize(a.part, mapping.IdxT(n))
	fill(newChunk(a.part))
	if mapping.AppendDataChunk(a.a, a.part) == mapping.StateError {
		return a.err()
	}
	return nil
}

// flush hands what was appended to the table.
func (a *appender) flush(ctx context.Context) error {
	return a.conn.interruptibly(ctx, func() error {
		if mapping.AppenderFlush(a.a) == mapping.StateError {
			return a.err()
		}
		return nil
	})
}

// close flushes and ends the appender.
func (a *appender) close(ctx context.Context) error {
	err := a.flush(ctx)
	if err != nil {
		a.clear()
	}
	a.destroy()
	return err
}

// clear drops what was not flushed.
func (a *appender) clear() { mapping.AppenderClear(a.a) }

func (a *appender) destroy() {
	mapping.DestroyDataChunk(&a.part)
	for i := range a.types {
		mapping.DestroyLogicalType(&a.types[i])
	}
	mapping.AppenderDestroy(&a.a)
}

func (a *appender) err() error {
	data := mapping.AppenderErrorData(a.a)
	defer mapping.DestroyErrorData(&data)
	if text := mapping.ErrorDataMessage(data); text != "" {
		return plain(text)
	}
	return errors.New("DuckDB takes no rows")
}
