package table

import (
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// elements writes one row per element of a collection.
type elements struct {
	ignoring // the methods of other types are not called: the table takes one type
	*sheet
	record *record // of a stream's entries, where their fields have columns

	k        value.Key // without its name
	name     []byte
	cells    []cell     // that are captured of the name
	shared   []row.Span // where the batch has the name, and captures that are text
	own      int        // the column that tells elements apart
	rest     int        // the first column behind the captures
	position int64
	tail     Tail
	last     []byte // the fields of the entry written last
}

func newElements(h *sheet, s *Spec) *elements {
	e := &elements{sheet: h, own: h.owner, rest: h.owner + 1 + len(h.captures())}
	if s.entryFields() {
		e.record = newRecord(h)
	}
	return e
}

// Begin notes the key, whose rows follow.
func (e *elements) Begin(k value.Key) error {
	e.name = append(e.name[:0], k.Name...)
	e.cells = e.cells[:0]
	for i, s := range e.pieces {
		var v cell
		v.parse(e.captures()[i].format, e.name[s.Start:s.End])
		e.cells = append(e.cells, v)
	}
	e.k, e.position, e.fresh, e.tail = k, 0, true, Tail{}
	e.k.Name = nil
	return nil
}

// next begins the row of the next element.
func (e *elements) next() *row.Batch {
	b := e.batch
	if e.fresh {
		e.share()
	}
	if e.owner > 1 {
		b.AppendInt(e.owner-2, int64(e.k.Database))
	}
	b.Share(e.owner-1, e.shared[0])
	for i := range e.cells {
		switch c := e.own + 1 + i; b.Table.Columns[c].Type {
		case row.Boolean, row.Int, row.UTCDateTime, row.Double:
			e.cells[i].append(b, c)
		default:
			b.Share(c, e.shared[1+i])
		}
	}
	return b
}

// share writes the texts that the rows of the key have in common.
func (e *elements) share() {
	text := func(b []byte, raw bool) {
		start := len(e.batch.Text)
		if raw {
			e.batch.Text = append(e.batch.Text, b...)
		} else {
			e.batch.Text = row.AppendText(e.batch.Text, b)
		}
		e.shared = append(e.shared, row.Span{Start: start, End: len(e.batch.Text)})
	}
	e.shared = e.shared[:0]
	text(e.name, false)
	for i, v := range e.cells {
		text(v.text, e.captures()[i].format != Text)
	}
	e.fresh = false
}

// text appends a Redis byte string to column c.
func (e *elements) text(c int, b []byte) {
	v := cell{text: b}
	v.append(e.batch, c)
}

// Field writes the row of a field.
func (e *elements) Field(field, val []byte, expiresAt time.Time) error {
	b := e.next()
	e.text(e.own, field)
	e.text(e.rest, val)
	if !expiresAt.IsZero() {
		b.AppendInt(e.rest+1, expiresAt.UnixMicro())
	}
	b.EndRow(row.Upsert)
	return nil
}

// Element writes the row of the next item of a list.
func (e *elements) Element(val []byte) error {
	b := e.next()
	b.AppendInt(e.own, e.position)
	e.position++
	e.text(e.rest, val)
	b.EndRow(row.Upsert)
	return nil
}

// Member writes the row of a member of a set.
func (e *elements) Member(member []byte) error {
	b := e.next()
	e.text(e.own, member)
	b.EndRow(row.Upsert)
	return nil
}

// Scored writes the row of a member of a sorted set.
func (e *elements) Scored(member []byte, score float64) error {
	b := e.next()
	e.text(e.own, member)
	b.AppendFloat(e.rest, score)
	b.EndRow(row.Upsert)
	return nil
}

// Entry writes the row of an entry of a stream.
func (e *elements) Entry(id value.StreamID, fields [][]byte) error {
	if e.record != nil {
		if err := e.record.entry(fields); err != nil {
			return err
		}
	}
	e.reach(id)
	e.last = appendEntry(e.last[:0], fields)
	b := e.next()
	start := len(b.Text)
	b.Text = id.Append(b.Text)
	b.AppendSpan(e.own, start)
	if at := time.UnixMilli(int64(min(id.Ms, 1<<62))); at.After(lastTime) { //nolint:gosec // bounded above
		b.AppendInt(e.rest, lastTime.UnixMicro())
	} else {
		b.AppendInt(e.rest, at.UnixMicro())
	}
	if e.record != nil {
		e.record.write()
	} else {
		start = len(b.Text)
		b.Text = value.AppendFields(b.Text, fields)
		b.AppendSpan(e.rest+1, start)
	}
	b.EndRow(row.Upsert)
	return nil
}

// Sample writes the row of a sample of a time series.
func (e *elements) Sample(at time.Time, v float64) error {
	e.reach(value.StreamID{Ms: uint64(max(at.UnixMilli(), 0))})
	if at.After(lastTime) {
		at = lastTime
	}
	b := e.next()
	b.AppendInt(e.own, at.UnixMicro())
	b.AppendFloat(e.rest, v)
	b.EndRow(row.Upsert)
	return nil
}

// exceed says that an element is too long for a cell: the key's other rows stay
// as they were.
func (e *elements) exceed() { e.over = true }

func (e *elements) repeats() bool { return true }

// End says what is to be said of the whole key.
func (e *elements) End() error {
	if e.over {
		e.mark(e.k.Database, e.name, row.Keep)
	}
	return nil
}
