package destinationtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// A model says what a destination must hold. It compares cells where
// destinations compare hashes, and knows nothing of batches.
type model struct {
	deletes   destination.Deletes
	rows      map[*row.Table]map[string]*modelRow
	committed modelStage
	open      modelStage // what committed will be when the transaction commits
}

type modelRow struct {
	cells   []any
	deleted bool
}

// A modelStage is what is staged, and how far the sync has come with it.
type modelStage struct {
	lines    []modelLine
	position row.Position
	changing bool // the generation's snapshot has been published
}

type modelLine struct {
	table *row.Table
	line
}

func newModel(deletes destination.Deletes, tables ...*row.Table) *model {
	m := &model{deletes: deletes, rows: map[*row.Table]map[string]*modelRow{}}
	for _, t := range tables {
		m.rows[t] = map[string]*modelRow{}
	}
	return m
}

func (m *model) write(table *row.Table, lines []line) {
	for _, l := range lines {
		m.open.lines = append(m.open.lines, modelLine{table, l})
	}
}

// giveUp starts the next generation.
func (m *model) giveUp() {
	m.open.lines = nil
	m.open.position.Generation++
	m.open.changing = false
}

func (m *model) rollback() {
	m.open = m.committed
	m.open.lines = slices.Clip(m.open.lines)
}

func (m *model) stage(p row.Position) {
	m.open.position = p
	m.committed = m.open
	m.rollback()
}

// publish makes visible what is staged; a snapshot has a scope.
func (m *model) publish(p row.Position, scope func(table *row.Table, cells []any) bool) destination.Counts {
	var n destination.Counts
	newest := map[*row.Table]map[string]line{}
	for _, l := range m.open.lines {
		if newest[l.table] == nil {
			newest[l.table] = map[string]line{}
		}
		key := modelKey(l.table, l.cells)
		if last, ok := newest[l.table][key]; l.op == row.Keep && ok && last.op == row.Upsert {
			continue
		}
		newest[l.table][key] = l.line
	}
	for table, lines := range newest {
		for key, l := range lines {
			m.apply(table, key, l, &n)
		}
	}
	if scope != nil {
		for table, rows := range m.rows {
			for key, r := range rows {
				if _, delivered := newest[table][key]; !delivered && scope(table, r.cells) {
					m.remove(table, key, &n)
				}
			}
		}
		m.open.changing = true
	}
	m.open.lines = nil
	m.stage(p)
	return n
}

func (m *model) apply(table *row.Table, key string, l line, n *destination.Counts) {
	have := m.rows[table][key]
	switch {
	case l.op == row.Keep:
		n.Kept++
		return
	case l.op == row.Delete:
		m.remove(table, key, n)
		return
	case have == nil || have.deleted:
		n.New++
	case modelEqual(table, have.cells, l.cells):
		n.Unchanged++
		return
	default:
		n.Changed++
	}
	m.rows[table][key] = &modelRow{cells: l.cells}
}

func (m *model) remove(table *row.Table, key string, n *destination.Counts) {
	have := m.rows[table][key]
	if have == nil || have.deleted || m.deletes == destination.IgnoreDeletes {
		return
	}
	n.Deleted++
	have.deleted = true
}

// visible returns the rows of table that readers see.
func (m *model) visible(table *row.Table) []line {
	var lines []line
	for _, r := range m.rows[table] {
		if !r.deleted {
			lines = append(lines, upsert(r.cells...))
		}
	}
	return lines
}

func modelKey(table *row.Table, cells []any) string {
	return fmt.Sprintf("%q", cells[:table.Keys])
}

func modelEqual(table *row.Table, a, b []any) bool {
	for i, c := range table.Columns {
		switch {
		case c.Compare == row.Never, a[i] == b[i]:
		case c.Compare == row.ByHash, a[i] == nil, b[i] == nil:
			return false
		case time.Duration(max(a[i].(int64)-b[i].(int64), b[i].(int64)-a[i].(int64)))*time.Microsecond > c.Tolerance:
			return false
		}
	}
	return true
}
