package duckdb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/keylift/keylift/row"
)

// A preparedTable is one table and what is known of its staged rows.
type preparedTable struct {
	*row.Table
	columns []column // of the published table, in its order
	source  []int    // for each of columns the batch's column, or -1
	staged  bool     // the stage tables are there

	index    *index // nil until load
	repeated bool   // a key may have more than one staged row
	overlap  bool   // a key may be both seen and staged
	kept     bool   // some keys were kept
	deletes  bool   // some staged rows mark deletes
}

// The stage of a table is two tables beside it: one with the rows to write, with
// the published table's columns, where _keylift_deleted marks a Delete; and one
// with the keys whose rows stay as they are.
func stageName(table string) string { return "_keylift_stage_" + table }
func seenName(table string) string  { return "_keylift_seen_" + table }

// flushBytes is how much text is appended before DuckDB is handed it.
const flushBytes = 16 << 20

// appenders are the open appenders of one table in one transaction.
type appenders struct {
	stage, seen *duckdb.Appender
	args        []driver.Value
	text        int64 // bytes appended to stage since the last flush
}

// Write stages the rows of b that the published table does not hold already.
func (tx *tx) Write(ctx context.Context, b *row.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := tx.d.tables[b.Table.Name]
	if t == nil {
		return fmt.Errorf("stage rows of table %q: the table was not prepared", b.Table.Name)
	}
	if err := tx.enter(ctx, b.After.Generation); err != nil {
		return err
	}
	if b.Len() == 0 {
		return nil
	}
	a, err := tx.appenders(ctx, t)
	if err == nil {
		err = tx.write(ctx, t, a, b)
	}
	if err != nil {
		return fmt.Errorf("stage rows of table %q: %w", t.Name, err)
	}
	return nil
}

func (tx *tx) write(ctx context.Context, t *preparedTable, a *appenders, b *row.Batch) error {
	for i, op := range b.Ops {
		if op == row.Keep {
			t.kept = true
			if err := a.see(b, i, true); err != nil {
				return err
			}
			continue
		}
		var content uint64
		if op == row.Upsert {
			content = contentHash(b, i, b.Hash[i])
		} else {
			t.deletes = true
		}
		s := t.index.add(b.HashKey(i))
		if s != nil && s.key&stateMask != 0 && s.content == content && op == row.Upsert {
			if s.key&(isStaged|isSeen) == 0 {
				s.key |= isSeen
				if err := a.see(b, i, false); err != nil {
					return err
				}
			}
			continue
		}
		if s == nil {
			t.repeated, t.overlap = true, true
		} else {
			t.repeated = t.repeated || s.key&isStaged != 0
			t.overlap = t.overlap || s.key&isSeen != 0
			s.key |= isStaged
			s.content = content
		}
		if err := a.append(t, b, i, tx.d.started); err != nil {
			return err
		}
		if a.text >= flushBytes {
			a.text = 0
			if err := a.stage.FlushWithCancel(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// contentHash hashes all that makes row i changed: hash, which is its
// row.Batch.Hash, and the exact values of the columns that are compared by value.
func contentHash(b *row.Batch, i int, hash uint64) uint64 {
	for c := range b.Table.Columns {
		if v := &b.Vectors[c]; b.Table.Columns[c].Compare == row.ByValue && !v.Null[i] {
			hash = (hash ^ uint64(v.Ints[i])) * 0x9e3779b97f4a7c15
		}
	}
	return hash
}

func (a *appenders) append(t *preparedTable, b *row.Batch, i int, started time.Time) error {
	for c, from := range t.source {
		switch {
		case from >= 0:
			a.args[c] = argument(b, from, i)
		case t.columns[c].name == syncedColumn:
			a.args[c] = started
		case t.columns[c].name == deletedColumn:
			a.args[c] = b.Ops[i] == row.Delete
		case t.columns[c].name == hashColumn:
			a.args[c] = b.Hash[i]
		default:
			a.args[c] = nil
		}
		if text, ok := a.args[c].([]byte); ok {
			a.text += int64(len(text))
		}
	}
	return a.stage.AppendRow(a.args...)
}

func (a *appenders) see(b *row.Batch, i int, kept bool) error {
	args := a.args[:0]
	for c := range b.Table.Keys {
		args = append(args, argument(b, c, i))
	}
	return a.seen.AppendRow(append(args, kept)...)
}

// argument returns a value of a batch as the appender takes it.
func argument(b *row.Batch, c, i int) driver.Value {
	v := &b.Vectors[c]
	if v.Null[i] {
		return nil
	}
	switch b.Table.Columns[c].Type {
	case row.Boolean:
		return v.Ints[i] != 0
	case row.Int:
		return v.Ints[i]
	case row.Double:
		return v.Floats[i]
	case row.UTCDateTime:
		return time.UnixMicro(v.Ints[i]).UTC()
	}
	return b.TextAt(c, i)
}

// appenders returns the table's appenders, opening them where needed.
func (tx *tx) appenders(ctx context.Context, t *preparedTable) (*appenders, error) {
	if a := tx.open[t]; a != nil {
		return a, nil
	}
	if err := tx.d.createStage(ctx, t); err != nil {
		return nil, err
	}
	if err := tx.d.load(ctx, t); err != nil {
		return nil, err
	}
	a := &appenders{args: make([]driver.Value, max(len(t.columns), t.Keys+1))}
	err := tx.d.conn.Raw(func(c any) (err error) {
		if a.stage, err = duckdb.NewAppenderFromConn(c.(driver.Conn), tx.d.o.Schema, stageName(t.Name)); err != nil {
			return err
		}
		a.seen, err = duckdb.NewAppenderFromConn(c.(driver.Conn), tx.d.o.Schema, seenName(t.Name))
		return err
	})
	a.args = a.args[:len(t.columns)]
	tx.open[t] = a
	return a, err
}

// createStage creates the stage tables of t where they are missing.
func (d *Destination) createStage(ctx context.Context, t *preparedTable) error {
	t.source = make([]int, len(t.columns))
	for i, c := range t.columns {
		t.source[i] = t.Column(c.name)
	}
	if t.staged {
		return nil
	}
	seen := definitions(wanted(t.Table)[:t.Keys]) + ", kept BOOLEAN"
	if err := d.exec(ctx, "CREATE TABLE "+d.name(stageName(t.Name))+" ("+definitions(t.columns)+")"); err != nil {
		return err
	}
	if err := d.exec(ctx, "CREATE TABLE "+d.name(seenName(t.Name))+" ("+seen+")"); err != nil {
		return err
	}
	t.staged = true
	return nil
}

// dropStage drops the stage tables of t and forgets what they held.
func (d *Destination) dropStage(ctx context.Context, t *preparedTable) error {
	for _, name := range []string{stageName(t.Name), seenName(t.Name)} {
		if err := d.exec(ctx, "DROP TABLE IF EXISTS "+d.name(name)); err != nil {
			return err
		}
	}
	*t = preparedTable{Table: t.Table, columns: t.columns}
	return nil
}
