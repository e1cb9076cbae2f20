package memory

import (
	"fmt"
	"slices"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// A pending is what of the staged changes of one table counts.
type pending struct {
	rows  map[string]change // by key
	marks map[string]row.Op // the last of each Redis key, in tables with a Group
	// Keeps are no keys set aside.
}

func (p *pending) len() int64 {
	if p == nil {
		return 0
	}
	return int64(len(p.rows) + len(p.marks))
}

// pendingOf returns what counts, by table: of each key the last change, but a Keep
// leaves an Upsert before it standing.
func pendingOf(staged []change) map[string]*pending {
	tables := map[string]*pending{}
	last := map[[2]string]int{} // mark of a Redis key
	for i, c := range staged {
		p := tables[c.table.Name]
		if p == nil {
			p = &pending{map[string]change{}, map[string]row.Op{}}
			tables[c.table.Name] = p
		}
		if c.table.Group > 0 && c.op != row.Upsert {
			p.marks[c.owner] = c.op
			last[[2]string{c.table.Name, c.owner}] = i
		}
	}
	for i, c := range staged {
		p := tables[c.table.Name]
		if c.table.Group > 0 {
			over := p.marks[c.owner] == row.Delete && i < last[[2]string{c.table.Name, c.owner}]
			if c.op == row.Upsert && !over {
				p.rows[c.key] = c
			}
			continue
		}
		if before, ok := p.rows[c.key]; ok && before.op == row.Upsert && c.op.Keeps() {
			continue
		}
		p.rows[c.key] = c
	}
	return tables
}

// publish makes the staged changes visible. With a scope, rows of the run's tables
// that are not staged and lie within it are deleted.
func (d *Destination) publish(staged map[string]*pending, scope row.Scope) destination.Counts {
	d.moment = laterOf(time.Now().Truncate(time.Millisecond), d.moment.Add(time.Millisecond))
	var n destination.Counts
	for name := range d.prepared {
		p := staged[name]
		if p == nil {
			p = &pending{}
		}
		h := d.tables[name]
		for key, c := range p.rows {
			d.apply(h, key, c, &n)
		}
		for _, op := range p.marks {
			if op == row.Keep {
				n.Kept++
			}
		}
		for key, r := range h.rows {
			if _, ok := p.rows[key]; ok {
				continue
			}
			if h.gone(p, scope, name, r) {
				n.Deleted += d.remove(h, key)
			}
		}
	}
	return n
}

// gone reports whether the key of a row that is not staged is gone.
func (h *table) gone(p *pending, scope row.Scope, name string, r *record) bool {
	op, marked := p.marks[encode(h.columns[:h.owner], r.cells)]
	return marked && op == row.Delete || !marked && scope != nil && h.within(scope, name, r)
}

// guard reports, as a *DeleteShareError, that publishing a snapshot would delete too much.
func (d *Destination) guard(staged map[string]*pending, scope row.Scope, mayDelete float64) error {
	if d.deletes == destination.IgnoreDeletes {
		return nil
	}
	var held int64
	now := time.Now().UnixMicro()
	gone := map[[2]string]int64{}             // rows of a table and a Redis key
	stays := map[string]map[string]struct{}{} // the tables in which a Redis key has rows then
	stay := func(name string, h *table, cells map[string]any) {
		key := h.redisKey(cells)
		if stays[key] == nil {
			stays[key] = map[string]struct{}{}
		}
		stays[key][name] = struct{}{}
	}
	for name := range d.prepared {
		p := staged[name]
		if p == nil {
			p = &pending{}
		}
		h := d.tables[name]
		for _, c := range p.rows {
			if c.op == row.Upsert {
				stay(name, h, c.cells)
			}
		}
		for key, r := range h.rows {
			if r.deleted {
				continue
			}
			c, ok := p.rows[key]
			goes := ok && c.op == row.Delete || !ok && h.gone(p, scope, name, r)
			if !goes {
				stay(name, h, r.cells)
			}
			if h.expired(r, now) {
				continue
			}
			held++
			if goes {
				gone[[2]string{name, h.redisKey(r.cells)}]++
			}
		}
	}
	var deleted int64
	for at, rows := range gone {
		tables := stays[at[1]]
		if _, here := tables[at[0]]; len(tables) == 0 || len(tables) == 1 && here {
			deleted += rows
		}
	}
	return destination.Exceeds(deleted, held, mayDelete)
}

// redisKey tells the Redis key of a row, by the names of the columns too.
func (h *table) redisKey(cells map[string]any) string {
	var names []string
	for _, c := range h.columns[:h.owner] {
		names = append(names, c.Name)
	}
	return fmt.Sprintf("%q %s", names, encode(h.columns[:h.owner], cells))
}

// expired reports whether the source deletes the row by itself before now, in
// microseconds.
func (h *table) expired(r *record, now int64) bool {
	return slices.ContainsFunc(h.columns, func(c row.Column) bool {
		at, ok := r.cells[c.Name].(int64)
		return c.Expiry && c.Type == row.UTCDateTime && ok && at <= now
	})
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// within reports whether a row lies within scope.
func (h *table) within(scope row.Scope, name string, r *record) bool {
	b := row.NewBatch(&row.Table{Name: name, Keys: h.keys, Group: h.owner, Columns: h.columns})
	defer b.Release()
	appendRow(b, r.cells)
	return scope(b, 0)
}

// apply does what c says to the row of key.
func (d *Destination) apply(h *table, key string, c change, n *destination.Counts) {
	have := h.rows[key]
	switch {
	case c.op == row.Keep:
		n.Kept++
		return
	case c.op == row.Stay:
		return
	case c.op == row.Delete:
		n.Deleted += d.remove(h, key)
		return
	case have == nil || have.deleted:
		n.New++
	case unchanged(c, have):
		n.Unchanged++
		return
	default:
		n.Changed++
		d.end(h, have, false)
	}
	h.rows[key] = &record{cells: c.cells, hash: c.hash, synced: d.started, start: d.moment}
}

// remove does to the row of key what is to be done with deleted keys, and
// returns how many rows that deleted.
func (d *Destination) remove(h *table, key string) int64 {
	r := h.rows[key]
	if r == nil || r.deleted || d.deletes == destination.IgnoreDeletes {
		return 0
	}
	if h.history || d.deletes == destination.HardDeletes {
		d.end(h, r, true)
		delete(h.rows, key)
	} else {
		r.deleted, r.synced = true, d.started
	}
	return 1
}

// end ends the version that r is, where versions are kept.
func (d *Destination) end(h *table, r *record, deleted bool) {
	if h.history {
		h.ended = append(h.ended, version{r.cells, r.start, d.moment.Add(-time.Millisecond), deleted})
	}
}

// unchanged reports whether c says what r already holds.
func unchanged(c change, r *record) bool {
	if c.hash != r.hash {
		return false
	}
	for _, column := range c.table.Columns {
		if column.Compare == row.ByValue && !equal(column, c.cells[column.Name], r.cells[column.Name]) {
			return false
		}
	}
	return true
}

func equal(c row.Column, a, b any) bool {
	x, xok := a.(int64)
	y, yok := b.(int64)
	if c.Type == row.UTCDateTime && xok && yok {
		return max(x, y)-min(x, y) <= c.Tolerance.Microseconds()
	}
	return a == b
}
