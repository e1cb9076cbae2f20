package table

import (
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// lastTime is the latest expires_at: warehouses' times end with the year 9999.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)

// values writes one row per key.
type values struct {
	*sheet
	k     value.Key
	start int   // of the value's text
	size  int64 // bytes of a string, elements of a collection
	enc   value.Encoder
	raw   []byte // a binary string on its way to base64
}

func newValues(h *sheet) *values { return &values{sheet: h} }

// Begin starts the row of k.
func (s *values) Begin(k value.Key) error {
	s.name(k.Database, k.Name)
	s.capture(s.owner, k.Name)
	s.k, s.size = k, 0
	s.k.Name = nil
	s.start = len(s.batch.Text)
	if collection(k.Type) {
		s.enc.Begin(s.batch.Text, k.Type)
		s.enc.Expect(k.Elements)
	}
	return nil
}

// collection reports whether values of type t are written by an encoder.
func collection(t value.Type) bool {
	switch t {
	case value.Hash, value.List, value.Set, value.SortedSet, value.Stream, value.TimeSeries:
		return true
	}
	return false
}

// String adds a piece of a string, or a JSON document.
func (s *values) String(b []byte) error {
	s.size += int64(len(b))
	if s.size > s.plan.o.MaxValueBytes {
		s.exceed()
	}
	if !s.over {
		s.batch.Text = append(s.batch.Text, b...)
	}
	return nil
}

// Field adds a field of a hash.
func (s *values) Field(field, val []byte, _ time.Time) error {
	if s.another() {
		s.enc.Field(field, val)
	}
	return nil
}

// Element adds an element of a list.
func (s *values) Element(b []byte) error {
	if s.another() {
		s.enc.Element(b)
	}
	return nil
}

// Member adds a member of a set.
func (s *values) Member(b []byte) error {
	if s.another() {
		s.enc.Member(b)
	}
	return nil
}

// Scored adds a member of a sorted set.
func (s *values) Scored(member []byte, score float64) error {
	if s.another() {
		s.enc.Scored(member, score)
	}
	return nil
}

// Entry adds an entry of a stream.
func (s *values) Entry(id value.StreamID, fields [][]byte) error {
	if s.another() {
		s.enc.Entry(id, fields)
	}
	return nil
}

// Sample adds a sample of a time series.
func (s *values) Sample(at time.Time, v float64) error {
	if s.another() {
		s.enc.Sample(at, v)
	}
	return nil
}

// exceed drops what there is of the value, which is too long.
func (s *values) exceed() {
	s.over = true
	if collection(s.k.Type) {
		s.enc.Reset()
	} else {
		s.batch.Text = s.batch.Text[:s.start]
	}
}

// another counts one more element and reports whether it is to be encoded.
func (s *values) another() bool {
	s.size++
	if !s.over && int64(s.enc.Len()) > s.plan.o.MaxValueBytes {
		s.exceed()
	}
	return !s.over
}

// End writes the row.
func (s *values) End() error {
	b, c := s.batch, s.owner+len(s.captures())
	s.endValue(c)
	if s.over {
		s.size = max(s.size, int64(s.k.Elements)) // its reading may have stopped early
	}
	name := s.k.Type.String()
	if s.k.Type == value.Module {
		name = s.k.Module
	}
	b.AppendText(c+1, name)
	b.AppendInt(c+2, s.k.TTL)
	if s.k.ExpiresAt.IsZero() {
		b.AppendNull(c + 3)
	} else if s.k.ExpiresAt.After(lastTime) {
		b.AppendInt(c+3, lastTime.UnixMicro())
	} else {
		b.AppendInt(c+3, s.k.ExpiresAt.UnixMicro())
	}
	b.AppendInt(c+4, s.k.ReadAt.UnixMicro())
	if readable(s.k.Type) {
		b.AppendInt(c+5, s.size)
	} else {
		b.AppendNull(c + 5)
	}
	b.EndRow(row.Upsert)
	return nil
}

// maxRaw is the largest buffer kept for the binary strings that follow.
const maxRaw = 4 << 20

func (s *values) endValue(c int) {
	b := s.batch
	switch {
	case !readable(s.k.Type):
	case s.over:
	case collection(s.k.Type):
		b.Text = s.enc.End()
	case !row.IsText(b.Text[s.start:]):
		s.raw = append(s.raw[:0], b.Text[s.start:]...)
		b.Text = row.AppendText(b.Text[:s.start], s.raw)
		if cap(s.raw) > maxRaw {
			s.raw = nil
		}
	}
	if int64(len(b.Text)-s.start) > s.plan.o.MaxValueBytes {
		s.over = true
	}
	if s.over || !readable(s.k.Type) {
		b.Text = b.Text[:s.start]
		b.AppendNull(c)
		return
	}
	b.AppendSpan(c, s.start)
}

// readable reports whether keylift reads values of type t.
func readable(t value.Type) bool { return t != value.Module && t != value.VectorSet }
