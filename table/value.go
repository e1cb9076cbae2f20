package table

import (
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// lastTime is the latest expires_at: warehouses' times end with the year 9999.
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)

// A ValueShaper writes one row per key: the layout value.
type ValueShaper struct {
	batch    *row.Batch
	maxBytes int64
	key      int // index of the column "key"; the other columns follow it in order

	k         value.Key
	open      bool  // Begin has started a row
	rowStart  int   // of the row's text in the batch's arena
	start     int   // of the value's text
	size      int64 // bytes of a string, elements of a collection
	oversized bool
	enc       value.Encoder
	raw       []byte // a binary string on its way to base64
}

// NewValueShaper returns a shaper for t, a table that Value made. A value whose
// text is longer than maxBytes becomes NULL.
func NewValueShaper(t *row.Table, maxBytes int64) *ValueShaper {
	return &ValueShaper{maxBytes: maxBytes, key: t.Column("key")}
}

// Into sets the batch that the following rows go to.
func (s *ValueShaper) Into(b *row.Batch) { s.batch, s.open = b, false }

// Oversized reports whether the last key's value was longer than maxBytes.
func (s *ValueShaper) Oversized() bool { return s.oversized }

// Abort drops the row that Begin started, if End has not finished it.
func (s *ValueShaper) Abort() {
	if s.open {
		s.batch.DropRow(s.rowStart)
		s.open = false
	}
}

// Keep writes a row that leaves the key's row as it is.
func (s *ValueShaper) Keep(k value.Key) {
	s.Abort()
	s.appendKey(k)
	s.batch.EndRow(row.Keep)
}

func (s *ValueShaper) appendKey(k value.Key) {
	s.rowStart = len(s.batch.Text)
	if s.key > 0 {
		s.batch.AppendInt(s.key-1, int64(k.Database))
	}
	s.batch.Text = row.AppendText(s.batch.Text, k.Name)
	s.batch.AppendSpan(s.key, s.rowStart)
}

// Begin starts the row of k. It drops a row that was not finished.
func (s *ValueShaper) Begin(k value.Key) error {
	s.Abort()
	s.appendKey(k)
	s.open = true
	s.k, s.size, s.oversized = k, 0, false
	s.k.Name = nil
	s.start = len(s.batch.Text)
	if collection(k.Type) {
		s.enc.Begin(s.batch.Text, k.Type)
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
func (s *ValueShaper) String(b []byte) error {
	s.size += int64(len(b))
	if s.size > s.maxBytes {
		s.Exceed()
	}
	if !s.oversized {
		s.batch.Text = append(s.batch.Text, b...)
	}
	return nil
}

// Field adds a field of a hash.
func (s *ValueShaper) Field(field, val []byte, _ time.Time) error {
	if s.another() {
		s.enc.Field(field, val)
	}
	return nil
}

// Element adds an element of a list.
func (s *ValueShaper) Element(b []byte) error {
	if s.another() {
		s.enc.Element(b)
	}
	return nil
}

// Member adds a member of a set.
func (s *ValueShaper) Member(b []byte) error {
	if s.another() {
		s.enc.Member(b)
	}
	return nil
}

// Scored adds a member of a sorted set.
func (s *ValueShaper) Scored(member []byte, score float64) error {
	if s.another() {
		s.enc.Scored(member, score)
	}
	return nil
}

// Entry adds an entry of a stream.
func (s *ValueShaper) Entry(id value.StreamID, fields [][]byte) error {
	if s.another() {
		s.enc.Entry(id, fields)
	}
	return nil
}

// Sample adds a sample of a time series.
func (s *ValueShaper) Sample(at time.Time, v float64) error {
	if s.another() {
		s.enc.Sample(at, v)
	}
	return nil
}

// Exceed drops what there is of the value, which is too long.
func (s *ValueShaper) Exceed() {
	s.oversized = true
	if collection(s.k.Type) {
		s.enc.Reset()
	} else {
		s.batch.Text = s.batch.Text[:s.start]
	}
}

// another counts one more element and reports whether it is to be encoded.
func (s *ValueShaper) another() bool {
	s.size++
	if !s.oversized && int64(s.enc.Len()) > s.maxBytes {
		s.Exceed()
	}
	return !s.oversized
}

// End writes the row.
func (s *ValueShaper) End() error {
	b, c := s.batch, s.key+1
	s.endValue(c)
	if s.oversized {
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
	s.open = false
	return nil
}

// maxRaw is the largest buffer kept for the binary strings that follow.
const maxRaw = 4 << 20

func (s *ValueShaper) endValue(c int) {
	b := s.batch
	switch {
	case !readable(s.k.Type):
	case s.oversized:
	case collection(s.k.Type):
		b.Text = s.enc.End()
	case !row.IsText(b.Text[s.start:]):
		s.raw = append(s.raw[:0], b.Text[s.start:]...)
		b.Text = row.AppendText(b.Text[:s.start], s.raw)
		if cap(s.raw) > maxRaw {
			s.raw = nil
		}
	}
	if int64(len(b.Text)-s.start) > s.maxBytes {
		s.oversized = true
	}
	if s.oversized || !readable(s.k.Type) {
		b.Text = b.Text[:s.start]
		b.AppendNull(c)
		return
	}
	b.AppendSpan(c, s.start)
}

// readable reports whether keylift reads values of type t.
func readable(t value.Type) bool { return t != value.Module && t != value.VectorSet }
