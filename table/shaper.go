package table

import (
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// A Shaper turns the keys it is fed, as a value.Visitor, into rows of a plan's
// tables, and gathers them in batches, one a table. It is used by one goroutine at
// a time.
type Shaper struct {
	plan    *Plan
	changes bool
	route   route
	layouts []layout // by table, nil where nothing was written yet
	current layout   // of the key begun
	over    bool     // the last key's value was too long
	replace bool     // the rows of the next key replace all that were known
	tail    Tail     // of the last key

	spill      func(*row.Batch) error // nil: rows wait for Take
	spillBytes int64
	spilling   bool // the rows of the key begun may be spilled
}

// A layout writes the rows of one table.
type layout interface {
	value.Visitor
	of() *sheet
	exceed()
	repeats() bool
}

// NewShaper returns a shaper of whole snapshots.
func (p *Plan) NewShaper() *Shaper { return &Shaper{plan: p, layouts: make([]layout, len(p.now))} }

// NewChangesShaper returns a shaper of keys that changed: what was known of them
// before is deleted where the key does not write it anew.
func (p *Plan) NewChangesShaper() *Shaper {
	s := p.NewShaper()
	s.changes = true
	return s
}

// Spill has batches handed to f as soon as they hold so many bytes together, be it
// in the middle of a key. The batches' After is not set.
func (s *Shaper) Spill(bytes int64, f func(*row.Batch) error) { s.spillBytes, s.spill = bytes, f }

// Bytes returns about how much memory the rows take that wait for Take.
func (s *Shaper) Bytes() int64 {
	var n int64
	for _, l := range s.layouts {
		if l != nil && l.of().batch != nil {
			n += l.of().batch.Bytes()
		}
	}
	return n
}

// Take returns the batches that have rows, without a key that was not finished.
// The caller owns them.
func (s *Shaper) Take() []*row.Batch {
	s.Abort()
	var all []*row.Batch
	for _, l := range s.layouts {
		if l == nil {
			continue
		}
		if b := l.of().take(); b != nil {
			all = append(all, b)
		}
	}
	return all
}

// to returns what writes the rows of table i.
func (s *Shaper) to(i int) layout {
	if s.layouts[i] == nil {
		s.layouts[i] = s.plan.layout(i)
	}
	s.layouts[i].of().ready()
	return s.layouts[i]
}

// layout makes what writes the rows of table i.
func (p *Plan) layout(i int) layout {
	h := &sheet{plan: p, index: i, table: p.now[i].Load()}
	h.owner = h.table.Owner()
	if i == len(p.specs) {
		return newValues(h)
	}
	switch s := &p.specs[i]; s.Layout {
	case Columns:
		return newFields(h)
	case Elements:
		return newElements(h, s)
	}
	return newValues(h)
}

// Begin starts the rows of k. It drops those of a key that was not finished.
func (s *Shaper) Begin(k value.Key) error {
	s.Abort()
	s.over, s.tail = false, Tail{}
	replace := s.replace
	s.replace = false
	s.route.find(s.plan, k.Name, k.Type)
	if s.changes {
		s.renew(k)
	}
	if s.route.table < 0 {
		s.current, s.spilling = nowhere{sheet: &sheet{}}, false
		return nil
	}
	s.current = s.to(s.route.table)
	h := s.current.of()
	h.begin()
	switch appends := h.table.Appends && !replace; {
	case appends:
		h.mark(k.Database, k.Name, row.Stay)
	case s.changes && h.table.Group > 0:
		h.mark(k.Database, k.Name, row.Delete)
	}
	h.pieces = s.route.pieces
	s.spilling = s.spill != nil && h.table.Group > 0
	return s.current.Begin(k)
}

// Replace says that the rows of the next key replace all that were known of it,
// also in a table whose rows are otherwise only added to.
func (s *Shaper) Replace() { s.replace = true }

// Tail returns where the rows of the last key end, in a table that Appends; its
// Elements are 0 if none were written.
func (s *Shaper) Tail() Tail { return s.tail }

// renew deletes the rows of k in the tables that it is not in, or no more.
func (s *Shaper) renew(k value.Key) {
	if len(s.plan.specs) == 0 {
		return
	}
	for _, i := range s.plan.every(k.Name) {
		if i != s.route.table {
			s.to(i).of().mark(k.Database, k.Name, row.Delete)
		}
	}
}

// Abort drops the rows of a key whose reading broke off after Begin, as far as
// they were not spilled; without such a key it does nothing.
func (s *Shaper) Abort() {
	if s.current != nil {
		s.current.of().drop()
		s.current = nil
	}
}

// Keep writes that k is there but could not be read.
func (s *Shaper) Keep(k value.Key) { s.everywhere(k.Database, k.Name, row.Keep, row.Stay) }

// Delete writes that a key is gone.
func (s *Shaper) Delete(database int, name []byte) {
	s.everywhere(database, name, row.Delete, row.Delete)
}

// everywhere marks a key in every table that it may have rows in: by first in the
// first of them.
func (s *Shaper) everywhere(database int, name []byte, first, op row.Op) {
	s.Abort()
	for n, i := range s.plan.every(name) {
		if n > 0 {
			first = op
		}
		s.to(i).of().mark(database, name, first)
	}
}

// Exceed says that the value goes on beyond what one cell may hold.
func (s *Shaper) Exceed() {
	s.over = true
	s.current.exceed()
}

// Repeats reports whether elements of the key that was begun may come more than
// once: each is a row of its own.
func (s *Shaper) Repeats() bool { return s.current != nil && s.current.repeats() }

// Oversized reports whether the value of the last key was larger than one cell
// may be, so that its row has NULL instead, or stays as it was.
func (s *Shaper) Oversized() bool { return s.over || s.current != nil && s.current.of().over }

// String adds a piece of a string, or a JSON document.
func (s *Shaper) String(b []byte) error { return s.current.String(b) }

// Field adds a field of a hash.
func (s *Shaper) Field(field, val []byte, expiresAt time.Time) error {
	return s.overflow(s.current.Field(field, val, expiresAt))
}

// Element adds an element of a list.
func (s *Shaper) Element(b []byte) error { return s.overflow(s.current.Element(b)) }

// Member adds a member of a set.
func (s *Shaper) Member(b []byte) error { return s.overflow(s.current.Member(b)) }

// Scored adds a member of a sorted set.
func (s *Shaper) Scored(member []byte, score float64) error {
	return s.overflow(s.current.Scored(member, score))
}

// Entry adds an entry of a stream.
func (s *Shaper) Entry(id value.StreamID, fields [][]byte) error {
	return s.overflow(s.current.Entry(id, fields))
}

// Sample adds a sample of a time series.
func (s *Shaper) Sample(at time.Time, v float64) error {
	return s.overflow(s.current.Sample(at, v))
}

// overflow spills the batch of the present key if it is full.
func (s *Shaper) overflow(err error) error {
	if err != nil || !s.spilling {
		return err
	}
	h := s.current.of()
	if h.batch.Bytes() < s.spillBytes {
		return nil
	}
	if b := h.take(); b != nil {
		if err := s.spill(b); err != nil {
			return err
		}
	}
	over := h.over
	h.ready()
	h.begin()
	h.over = over
	return nil
}

// End finishes the rows of the key.
func (s *Shaper) End() error {
	err := s.current.End()
	s.over = s.over || s.current.of().over
	if e, ok := s.current.(*elements); ok && e.table.Appends && !s.over {
		s.tail = e.reached()
	}
	if err == nil {
		s.current = nil
	}
	return err
}

// ignoring takes any element and does nothing.
type ignoring struct{}

func (ignoring) Begin(value.Key) error                { return nil }
func (ignoring) String([]byte) error                  { return nil }
func (ignoring) Field(_, _ []byte, _ time.Time) error { return nil }
func (ignoring) Element([]byte) error                 { return nil }
func (ignoring) Member([]byte) error                  { return nil }
func (ignoring) Scored([]byte, float64) error         { return nil }
func (ignoring) Entry(value.StreamID, [][]byte) error { return nil }
func (ignoring) Sample(time.Time, float64) error      { return nil }
func (ignoring) End() error                           { return nil }

// nowhere takes the keys that are no rows.
type nowhere struct {
	ignoring
	*sheet
}

func (nowhere) exceed() {}

func (nowhere) repeats() bool { return true }
