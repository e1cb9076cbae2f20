package duckdb

import (
	"context"

	"github.com/keylift/keylift/row"
)

// mostRepeated is how many keys with more than one staged row are told apart from
// the others. With more than that, any may be one.
const mostRepeated = 1 << 17

// track notes whether row i of b, whose key has this hash and the slot s, and which is
// staged next, is one of several of its key. In a table with a Group it may note the
// Redis key instead.
func (d *Destination) track(t *preparedTable, b *row.Batch, i int, key uint64, s *slot) {
	switch {
	case len(t.repeated) > mostRepeated:
	case s != nil:
		if s.is(isStaged | isKept) {
			t.repeat(key)
		}
	case t.Group > 0:
		d.trackElement(t, b, i, max(key, 1))
	case d.addStaged(t, key):
		t.repeat(key)
	}
}

func (t *preparedTable) repeat(hash uint64) {
	if t.repeated == nil {
		t.repeated = map[uint64]struct{}{}
	}
	t.repeated[hash] = struct{}{}
}

// addStaged adds a hash to those that the filter knows, and reports whether it may have
// been among them.
func (d *Destination) addStaged(t *preparedTable, hash uint64) bool {
	if d.staged == nil {
		d.staged = newFilter(d.o.MemoryBytes)
	}
	return d.staged.add(hash ^ t.salt)
}

// An elementRun is the rows of one Redis key that are staged one after the other. Of
// short runs the filter learns no more than the Redis key: should that come again, any of
// its rows may be repeated.
type elementRun struct {
	owner uint64
	at    int                 // where in the batch its last row is
	again bool                // rows of it may be repeated, and that is noted
	long  bool                // the filter knows all rows of it
	slots []uint64            // otherwise the hashes of their keys, by open addressing; 0 where free
	used  []uint16            // the places taken
	longs map[uint64]struct{} // Redis keys that had such a run, mostRepeated at the most
}

const (
	runSlots  = 1 << 12
	mostInRun = runSlots / 2
)

// trackElement is track for rows of which the index knows nothing.
func (d *Destination) trackElement(t *preparedTable, b *row.Batch, i int, key uint64) {
	if t.run == nil {
		t.run = &elementRun{at: -1, slots: make([]uint64, runSlots), longs: map[uint64]struct{}{}}
	}
	r := t.run
	if i == 0 || r.at != i-1 || !sameOwner(b, i) {
		if owner := b.HashGroup(i); owner != r.owner {
			d.beginRun(t, owner)
		}
	}
	r.at = i
	if r.again {
		return
	}
	if len(r.used) == mostInRun && !r.long {
		r.long = true
		if len(r.longs) < mostRepeated {
			r.longs[r.owner] = struct{}{}
		}
		for _, at := range r.used {
			d.addStaged(t, r.slots[at])
		}
	}
	if r.long {
		if d.addStaged(t, key) {
			t.repeat(key)
		}
		return
	}
	if r.again = r.add(key); r.again {
		t.repeat(r.owner)
	}
}

// beginRun begins the run of another Redis key.
func (d *Destination) beginRun(t *preparedTable, owner uint64) {
	r := t.run
	for _, at := range r.used {
		r.slots[at] = 0
	}
	r.owner, r.used = owner, r.used[:0]
	_, r.long = r.longs[owner]
	r.again = d.addStaged(t, owner) && !r.long
	if r.again {
		t.repeat(owner)
	}
}

// add adds a key and reports whether it is there already.
func (r *elementRun) add(key uint64) bool {
	for i := key % runSlots; ; i = (i + 1) % runSlots {
		switch r.slots[i] {
		case key:
			return true
		case 0:
			r.slots[i] = key
			r.used = append(r.used, uint16(i))
			return false
		}
	}
}

// sameOwner reports whether row i and the one before it are of one Redis key and show
// it at a glance, as rows do that share its text.
func sameOwner(b *row.Batch, i int) bool {
	for c := range b.Table.Owner() {
		v := &b.Vectors[c]
		if len(v.Spans) > i && v.Spans[i] != v.Spans[i-1] || len(v.Ints) > i && v.Ints[i] != v.Ints[i-1] || len(v.Floats) > i {
			return false
		}
	}
	return true
}

// dropRepeated leaves one row of each key in the stage: the last, but an Upsert
// rather than a Keep. It looks at those keys alone that may have several.
func (p *publication) dropRepeated(ctx context.Context) error {
	t := p.t
	r := newRowReader(t.Table, func(c int) bool { return c < t.Keys }, "rowid")
	err := p.d.listRows(ctx, "_keylift_repeated", stageName(t.Name), "true", r, func(b *row.Batch, i int) bool {
		if len(t.repeated) > mostRepeated {
			return true
		}
		_, ok := t.repeated[b.HashKey(i)]
		if t.Group > 0 && !ok {
			_, ok = t.repeated[b.HashGroup(i)]
		}
		return ok
	})
	if err != nil {
		return err
	}
	const (
		deleted = deletedColumn
		listed  = " WHERE rowid IN (SELECT id FROM temp._keylift_repeated)"
	)
	return p.d.conn.exec(ctx, "DELETE FROM "+p.stage()+listed+" AND rowid NOT IN (SELECT CASE WHEN arg_max("+deleted+", rowid)"+
		" THEN max(rowid) ELSE coalesce(max(rowid) FILTER ("+deleted+" IS NOT NULL), max(rowid)) END"+
		" FROM "+p.stage()+listed+" GROUP BY "+firstColumns(t.Table, t.Keys)+")")
}

// listRows creates a temporary table that lists the IDs of the rows of a table
// that meet a condition and that choose chooses. r reads what choose looks at, and
// the row ID behind it.
func (d *Destination) listRows(ctx context.Context, list, name, where string, r *rowReader, choose func(b *row.Batch, i int) bool) error {
	if err := d.conn.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+list+" (id BIGINT)"); err != nil {
		return err
	}
	a, err := d.conn.newAppender("temp", "main", list)
	if err != nil {
		return err
	}
	b := row.NewBatch(r.table)
	defer b.Release()
	var chosen []int64
	err = d.scan(ctx, name, where, r, func(c *chunk) error {
		r.appendTo(b, c)
		chosen = chosen[:0]
		for i, id := range values[int64](&c.columns[len(r.read)], c.rows) {
			if choose(b, i) {
				chosen = append(chosen, id)
			}
		}
		b.DropRow(0)
		if len(chosen) == 0 {
			return nil
		}
		return a.append(len(chosen), func(to *chunk) { copy(values[int64](&to.columns[0], len(chosen)), chosen) })
	})
	if err != nil {
		a.clear()
		a.destroy()
		return err
	}
	return a.close(ctx)
}
