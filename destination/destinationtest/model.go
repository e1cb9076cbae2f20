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
	ended     map[*row.Table][]modelVersion
	moment    int // publications so far
	committed modelStage
	open      modelStage // what committed will be when the transaction commits
}

type modelRow struct {
	cells   []any
	deleted bool
	start   int // the publication that wrote it
}

// A modelVersion is a version of a row, in a table with History.
type modelVersion struct {
	cells      []any
	start, end int // publications; an end of 0: it is not over
	deleted    bool
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
	m := &model{deletes: deletes, rows: map[*row.Table]map[string]*modelRow{}, ended: map[*row.Table][]modelVersion{}}
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

// A modelChange is what is staged of one table.
type modelChange struct {
	rows  map[string]line   // by key
	marks map[string]row.Op // by the columns that name a Redis key, in tables with a Group
}

// changes returns what of the staged lines counts.
func (m *model) changes() map[*row.Table]modelChange {
	changes := map[*row.Table]modelChange{}
	cuts := map[*row.Table]map[string]int{} // where the Redis key's last mark is
	for table := range m.rows {
		changes[table] = modelChange{map[string]line{}, map[string]row.Op{}}
		cuts[table] = map[string]int{}
	}
	for i, l := range m.open.lines {
		if l.table.Group > 0 && l.op != row.Upsert {
			owner := modelOwner(l.table, l.cells)
			changes[l.table].marks[owner], cuts[l.table][owner] = l.op, i
		}
	}
	for i, l := range m.open.lines {
		c, key := changes[l.table], modelKey(l.table, l.cells)
		if l.table.Group > 0 {
			owner := modelOwner(l.table, l.cells)
			if l.op == row.Upsert && (c.marks[owner] != row.Delete || i > cuts[l.table][owner]) {
				c.rows[key] = l.line
			}
			continue
		}
		if last, ok := c.rows[key]; l.op.Keeps() && ok && last.op == row.Upsert {
			continue
		}
		c.rows[key] = l.line
	}
	return changes
}

// publish makes visible what is staged; a snapshot has a scope.
func (m *model) publish(p row.Position, scope func(table *row.Table, cells []any) bool) destination.Counts {
	var n destination.Counts
	m.moment++
	for table, c := range m.changes() {
		for key, l := range c.rows {
			m.apply(table, key, l, &n)
		}
		for _, op := range c.marks {
			if op == row.Keep {
				n.Kept++
			}
		}
		for key, r := range m.rows[table] {
			if _, delivered := c.rows[key]; delivered {
				continue
			}
			op, marked := c.marks[modelOwner(table, r.cells)]
			if marked && op == row.Delete || !marked && scope != nil && scope(table, r.cells) {
				m.remove(table, key, &n)
			}
		}
	}
	m.open.changing = m.open.changing || scope != nil
	m.open.lines = nil
	m.stage(p)
	return n
}

// publishGuarded is publish of a snapshot, unless that deletes more than mayDelete of
// the rows that do not expire: those that do have expired long ago. Rows of keys that
// came into another table are not deleted.
func (m *model) publishGuarded(p row.Position, scope func(table *row.Table, cells []any) bool, mayDelete float64) (destination.Counts, *destination.DeleteShareError) {
	refused := &destination.DeleteShareError{MayDelete: mayDelete}
	type place struct{ table, key string }
	var gone []place
	stays := map[place]bool{}
	for table, c := range m.changes() {
		for _, l := range c.rows {
			if l.op == row.Upsert {
				stays[place{table.Name, modelRedisKey(table, l.cells)}] = true
			}
		}
		for key, r := range m.rows[table] {
			if r.deleted {
				continue
			}
			at := place{table.Name, modelRedisKey(table, r.cells)}
			l, delivered := c.rows[key]
			mark, marked := c.marks[modelOwner(table, r.cells)]
			goes := delivered && l.op == row.Delete || !delivered && (marked && mark == row.Delete || !marked && scope(table, r.cells))
			stays[at] = stays[at] || !goes
			if e := slices.IndexFunc(table.Columns, func(c row.Column) bool { return c.Expiry }); e >= 0 && r.cells[e] != nil {
				continue
			}
			refused.Held++
			if goes {
				gone = append(gone, at)
			}
		}
	}
	for _, at := range gone {
		moved := false
		for table := range m.rows {
			moved = moved || table.Name != at.table && stays[place{table.Name, at.key}]
		}
		if !moved {
			refused.Deleted++
		}
	}
	if m.deletes != destination.IgnoreDeletes && float64(refused.Deleted) > mayDelete*float64(refused.Held) {
		return destination.Counts{}, refused
	}
	return m.publish(p, scope), nil
}

func (m *model) apply(table *row.Table, key string, l line, n *destination.Counts) {
	have := m.rows[table][key]
	switch {
	case l.op == row.Keep:
		n.Kept++
		return
	case l.op == row.Stay:
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
		m.end(table, have, false)
	}
	m.rows[table][key] = &modelRow{cells: l.cells, start: m.moment}
}

func (m *model) remove(table *row.Table, key string, n *destination.Counts) {
	have := m.rows[table][key]
	if have == nil || have.deleted || m.deletes == destination.IgnoreDeletes {
		return
	}
	n.Deleted++
	have.deleted = true
	m.end(table, have, true)
}

// end ends the version that r is.
func (m *model) end(table *row.Table, r *modelRow, deleted bool) {
	m.ended[table] = append(m.ended[table], modelVersion{r.cells, r.start, m.moment, deleted})
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
	return fmt.Sprintf("%q", cells[:min(table.Keys, len(cells))]) // a mark has fewer
}

func modelOwner(table *row.Table, cells []any) string {
	return fmt.Sprintf("%q", cells[:table.Owner()])
}

// modelRedisKey tells a Redis key by the names of its columns too.
func modelRedisKey(table *row.Table, cells []any) string {
	var names []string
	for _, c := range table.Columns[:table.Owner()] {
		names = append(names, c.Name)
	}
	return fmt.Sprintf("%q %s", names, modelOwner(table, cells))
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
