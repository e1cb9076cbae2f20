package duckdb

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
)

// A many is a file with more tables than there is memory for rows of.
type many struct {
	t      *testing.T
	o      Options
	d      *Destination
	tables []*row.Table
}

const manyTables, rowsOfEach = 120, 2

func newMany(t *testing.T) *many {
	t.Helper()
	m := &many{t: t, o: Options{Path: filepath.Join(t.TempDir(), "warehouse.db"), Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 48 << 20}}
	for i := range manyTables {
		m.tables = append(m.tables, table.Value("tenant"+strconv.Itoa(i), table.Options{}))
	}
	m.open()
	t.Cleanup(m.close)
	return m
}

func (m *many) open() {
	m.t.Helper()
	var err error
	if m.d, err = Open(m.t.Context(), m.o); err == nil {
		err = m.d.Prepare(m.t.Context(), m.tables)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *many) close() {
	m.t.Helper()
	if err := m.d.Close(); err != nil {
		m.t.Error(err)
	}
}

// write writes rows of all tables in a new transaction. In the first of the tables a row
// is unlike before.
func (m *many) write(generation int64, changed int) *tx {
	m.t.Helper()
	begun, err := m.d.Begin(m.t.Context(), "game")
	if err != nil {
		m.t.Fatal(err)
	}
	for i, t := range m.tables {
		b := row.NewBatch(t)
		for k := range rowsOfEach {
			b.AppendText(0, "player:"+strconv.Itoa(k))
			b.AppendText(1, fmt.Sprintf("value %d of %d", k, i))
			if k == 0 && i < changed {
				b.AppendText(2, "changed")
			}
			b.EndRow(row.Upsert)
		}
		b.After = position(generation, i)
		if err := begun.Write(m.t.Context(), b); err != nil {
			m.t.Fatal(err)
		}
		b.Release()
	}
	return begun.(*tx)
}

func (m *many) stage(tx *tx, p row.Position) {
	m.t.Helper()
	if err := tx.Stage(m.t.Context(), p); err != nil {
		m.t.Fatal(err)
	}
}

func (m *many) publish(tx *tx, p row.Position, want destination.Counts) {
	m.t.Helper()
	got, err := tx.PublishSnapshot(m.t.Context(), p, func(*row.Batch, int) bool { return true }, destination.AnyShare)
	if err != nil || got != want {
		m.t.Fatalf("published: %+v, %v; want %+v", got, err, want)
	}
}

// committed returns how many stages the file holds, as it would be found after a crash.
func (m *many) committed() int64 {
	m.t.Helper()
	n, err := m.d.count(m.t.Context(), `SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, '_keylift_stage_')`)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// Rows of so many tables that they do not fit into memory at once are written, found
// unchanged, and changed.
func TestTx_manyTables(t *testing.T) {
	m := newMany(t)
	m.publish(m.write(1, 0), position(1, 1), destination.Counts{New: manyTables * rowsOfEach})
	m.stage(m.write(2, 0), position(2, 1))
	m.publish(m.write(2, 0), position(2, 2), destination.Counts{Unchanged: manyTables * rowsOfEach})
	const changed = 10
	m.publish(m.write(3, changed), position(3, 1), destination.Counts{Changed: changed, Unchanged: manyTables*rowsOfEach - changed})
}

// A transaction that has committed rows of many tables ahead of their position is
// rolled back: they are staged again and there once. Where they took the place of
// older ones, nobody goes on where those ended.
func TestTx_Rollback_manyTables(t *testing.T) {
	m := newMany(t)
	m.stage(m.write(1, 0), position(1, 1))
	tx := m.write(2, 0)
	if err := tx.closeAppenders(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	m.close()
	m.open()
	if m.committed() == 0 {
		t.Fatal("all rows had room in memory: nothing was committed ahead")
	}
	if p, err := m.d.Checkpoint(t.Context(), "game"); p != (row.Position{}) || err != nil {
		t.Errorf("position %+v, %v; want none", p, err)
	}
	m.publish(m.write(1, 0), position(1, 1), destination.Counts{New: manyTables * rowsOfEach})
}
