package value

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/keylift/keylift/row"
)

// An Encoder encodes one key's value as canonical JSON, in the form the value column
// holds: equal content gives equal bytes. Strings and JSON documents are not its
// business: they are written as text.
//
// It takes the elements by the methods that Visitor names, between Begin
// and End. Members of sorted sets must be added with Scored, which sorts them.
type Encoder struct {
	kind  Type
	count int
	dst   []byte // where ordered types are encoded; what Begin got
	start int    // of the value in dst

	// Elements of unordered types wait here until End knows their order.
	scratch []byte
	parts   []part
	sorted  bool // parts were added in their final order
}

// A part is one element of an unordered type: its raw bytes to sort by and its
// encoded form, both in scratch.
type part struct {
	raw, enc row.Span
	score    float64
}

// Begin starts a value of type kind, to be appended to dst.
func (e *Encoder) Begin(dst []byte, kind Type) {
	e.kind, e.count, e.dst, e.start = kind, 0, dst, len(dst)
	e.scratch, e.parts, e.sorted = e.scratch[:0], e.parts[:0], true
	if kind == Hash {
		e.dst = append(e.dst, '{')
		return
	}
	e.dst = append(e.dst, '[')
}

// Len returns the number of bytes encoded so far.
func (e *Encoder) Len() int { return len(e.dst) - e.start + len(e.scratch) }

// Count returns the number of elements added.
func (e *Encoder) Count() int { return e.count }

// Field adds one field of a hash.
func (e *Encoder) Field(field, val []byte) {
	p := e.raw(field)
	e.scratch = row.AppendString(e.scratch, field)
	e.scratch = append(e.scratch, ':')
	e.scratch = row.AppendString(e.scratch, val)
	e.add(p)
}

// Member adds one member of a set.
func (e *Encoder) Member(b []byte) {
	p := e.raw(b)
	e.scratch = row.AppendString(e.scratch, b)
	e.add(p)
}

// Scored adds one member of a sorted set.
func (e *Encoder) Scored(member []byte, score float64) {
	p := e.raw(member)
	p.score = score
	e.scratch = append(e.scratch, '[')
	e.scratch = row.AppendString(e.scratch, member)
	e.scratch = append(e.scratch, ',')
	e.scratch = row.AppendNumber(e.scratch, score)
	e.scratch = append(e.scratch, ']')
	e.add(p)
}

// Element adds the next element of a list.
func (e *Encoder) Element(b []byte) {
	e.separate()
	e.dst = row.AppendString(e.dst, b)
}

// Entry adds the next entry of a stream. A field that repeats within the entry,
// which a JSON object cannot say, makes it an array of [field, value] pairs.
func (e *Encoder) Entry(id StreamID, fields [][]byte) {
	e.separate()
	e.dst = append(e.dst, '[', '"')
	e.dst = id.Append(e.dst)
	e.dst = append(e.dst, '"', ',')
	opening, closing := byte('{'), byte('}')
	pairs := repeats(fields)
	if pairs {
		opening, closing = '[', ']'
	}
	e.dst = append(e.dst, opening)
	for i := 0; i+1 < len(fields); i += 2 {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if pairs {
			e.dst = append(e.dst, '[')
			e.dst = row.AppendString(e.dst, fields[i])
			e.dst = append(e.dst, ',')
			e.dst = row.AppendString(e.dst, fields[i+1])
			e.dst = append(e.dst, ']')
			continue
		}
		e.dst = row.AppendString(e.dst, fields[i])
		e.dst = append(e.dst, ':')
		e.dst = row.AppendString(e.dst, fields[i+1])
	}
	e.dst = append(e.dst, closing, ']')
}

// Sample adds the next sample of a time series.
func (e *Encoder) Sample(at time.Time, v float64) {
	e.separate()
	e.dst = append(e.dst, '[')
	e.dst = strconv.AppendInt(e.dst, at.UnixMilli(), 10)
	e.dst = append(e.dst, ',')
	e.dst = row.AppendNumber(e.dst, v)
	e.dst = append(e.dst, ']')
}

// Reset gives up the value begun, and with it dst.
func (e *Encoder) Reset() {
	e.dst, e.start = nil, 0
	e.scratch, e.parts = e.scratch[:0], e.parts[:0]
}

// End returns dst with the whole value appended.
func (e *Encoder) End() []byte {
	if !e.sorted {
		slices.SortFunc(e.parts, e.compare)
	}
	for i := range e.parts {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		s := e.parts[i].enc
		e.dst = append(e.dst, e.scratch[s.Start:s.End]...)
	}
	if e.kind == Hash {
		e.dst = append(e.dst, '}')
	} else {
		e.dst = append(e.dst, ']')
	}
	dst := e.dst
	e.dst = nil
	return dst
}

// raw copies b, which is to be sorted by, and begins a part.
func (e *Encoder) raw(b []byte) part {
	start := len(e.scratch)
	e.scratch = append(e.scratch, b...)
	end := len(e.scratch)
	return part{raw: row.Span{Start: start, End: end}, enc: row.Span{Start: end}}
}

func (e *Encoder) add(p part) {
	e.count++
	p.enc.End = len(e.scratch)
	e.parts = append(e.parts, p)
	if n := len(e.parts); e.sorted && n > 1 {
		e.sorted = e.compare(e.parts[n-2], e.parts[n-1]) < 0
	}
}

func (e *Encoder) compare(a, b part) int {
	switch {
	case a.score < b.score:
		return -1
	case a.score > b.score:
		return 1
	}
	return bytes.Compare(e.scratch[a.raw.Start:a.raw.End], e.scratch[b.raw.Start:b.raw.End])
}

func (e *Encoder) separate() {
	if e.count > 0 {
		e.dst = append(e.dst, ',')
	}
	e.count++
}

// repeats reports whether a name occurs twice among alternating names and values.
func repeats(fields [][]byte) bool {
	if len(fields) > 64 {
		seen := make(map[string]bool, len(fields)/2)
		for i := 0; i < len(fields); i += 2 {
			if seen[string(fields[i])] {
				return true
			}
			seen[string(fields[i])] = true
		}
		return false
	}
	for i := 2; i < len(fields); i += 2 {
		for j := 0; j < i; j += 2 {
			if bytes.Equal(fields[i], fields[j]) {
				return true
			}
		}
	}
	return false
}
