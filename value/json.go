package value

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
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
	dst   []byte // where ordered types are encoded; what Begin got
	start int    // of the value in dst
	count int    // elements in dst

	// Elements of unordered types wait here until End knows their order.
	scratch []byte
	parts   []part
	order   []place // of the parts
	bytes   int     // that the parts and the commas between them take when encoded
	sorted  bool    // parts were added in their final order
}

// A part is one element of an unordered type: the bytes it is sorted by and its
// encoded form, both in scratch.
type part struct{ raw, enc row.Span }

// A place is what is moved when parts are sorted: by number, then by the part's
// raw bytes.
type place struct {
	number uint64
	part   int
}

// Begin starts a value of type kind, to be appended to dst.
func (e *Encoder) Begin(dst []byte, kind Type) {
	e.kind, e.count, e.dst, e.start = kind, 0, dst, len(dst)
	e.clear()
	if kind == Hash {
		e.dst = append(e.dst, '{')
		return
	}
	e.dst = append(e.dst, '[')
}

// Memory that one large value has needed is not kept for all that follow.
const (
	maxScratch = 4 << 20
	maxParts   = maxScratch / 32
)

func (e *Encoder) clear() {
	if cap(e.scratch) > maxScratch {
		e.scratch = nil
	}
	if cap(e.parts) > maxParts {
		e.parts, e.order = nil, nil
	}
	e.scratch, e.parts, e.order = e.scratch[:0], e.parts[:0], e.order[:0]
	e.bytes, e.sorted = 0, true
}

// Len returns the length of what is encoded so far, without the bracket that
// closes it.
func (e *Encoder) Len() int { return len(e.dst) - e.start + e.bytes }

// Field adds one field of a hash.
func (e *Encoder) Field(field, val []byte) {
	start := len(e.scratch)
	name := e.quote(field)
	e.scratch = append(e.scratch, ':')
	e.scratch = row.AppendString(e.scratch, val)
	e.add(start, name, field, prefix(field))
}

// Member adds one member of a set.
func (e *Encoder) Member(b []byte) {
	start := len(e.scratch)
	e.add(start, e.quote(b), b, prefix(b))
}

// Scored adds one member of a sorted set.
func (e *Encoder) Scored(member []byte, score float64) {
	start := len(e.scratch)
	e.scratch = append(e.scratch, '[')
	name := e.quote(member)
	e.scratch = append(e.scratch, ',')
	e.scratch = row.AppendNumber(e.scratch, score)
	e.scratch = append(e.scratch, ']')
	e.add(start, name, member, ascending(score))
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
	e.dst = append(AppendFields(e.dst, fields), ']')
}

// AppendFields appends the alternating names and values of a stream's entry as a
// JSON object; where a name repeats, as an array of [name, value].
func AppendFields(dst []byte, fields [][]byte) []byte {
	opening, closing := byte('{'), byte('}')
	pairs := Repeats(fields)
	if pairs {
		opening, closing = '[', ']'
	}
	dst = append(dst, opening)
	for i := 0; i+1 < len(fields); i += 2 {
		if i > 0 {
			dst = append(dst, ',')
		}
		if pairs {
			dst = append(dst, '[')
			dst = row.AppendString(dst, fields[i])
			dst = append(dst, ',')
			dst = row.AppendString(dst, fields[i+1])
			dst = append(dst, ']')
			continue
		}
		dst = row.AppendString(dst, fields[i])
		dst = append(dst, ':')
		dst = row.AppendString(dst, fields[i+1])
	}
	return append(dst, closing)
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
	e.clear()
}

// End returns dst with the whole value appended.
func (e *Encoder) End() []byte {
	if !e.sorted {
		slices.SortFunc(e.order, e.compare)
	}
	dst := slices.Grow(e.dst, e.bytes+1)
	for i, p := range e.order {
		if i > 0 {
			dst = append(dst, ',')
		}
		s := e.parts[p.part].enc
		dst = append(dst, e.scratch[s.Start:s.End]...)
	}
	if e.kind == Hash {
		dst = append(dst, '}')
	} else {
		dst = append(dst, ']')
	}
	e.Reset()
	return dst
}

// quote appends b to scratch as a JSON string and returns where b itself is to be
// found there: inside the quotes, or nowhere where b had to be escaped.
func (e *Encoder) quote(b []byte) row.Span {
	start := len(e.scratch)
	e.scratch = row.AppendString(e.scratch, b)
	if len(e.scratch) != start+len(b)+2 {
		return row.Span{}
	}
	return row.Span{Start: start + 1, End: start + 1 + len(b)}
}

// add adds what scratch holds from start on as a part, to be sorted by number and
// then by b, which is in scratch as raw unless that is zero.
func (e *Encoder) add(start int, raw row.Span, b []byte, number uint64) {
	end := len(e.scratch)
	if raw == (row.Span{}) {
		e.scratch = append(e.scratch, b...)
		raw = row.Span{Start: end, End: len(e.scratch)}
	}
	e.order = append(e.order, place{number, len(e.parts)})
	e.parts = append(e.parts, part{raw: raw, enc: row.Span{Start: start, End: end}})
	e.bytes += end - start
	if n := len(e.order); n > 1 {
		e.bytes++
		e.sorted = e.sorted && e.compare(e.order[n-2], e.order[n-1]) < 0
	}
}

func (e *Encoder) compare(a, b place) int {
	if a.number != b.number {
		_, less := bits.Sub64(a.number, b.number, 0)
		return 1 - 2*int(less) // without a branch: it would be mispredicted half of the time
	}
	x, y := e.parts[a.part].raw, e.parts[b.part].raw
	return bytes.Compare(e.scratch[x.Start:x.End], e.scratch[y.Start:y.End])
}

// prefix returns a number that orders byte strings as their first 8 bytes do.
func prefix(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var w [8]byte
	copy(w[:], b)
	return binary.BigEndian.Uint64(w[:])
}

// ascending returns a number that orders scores as they are.
func ascending(score float64) uint64 {
	n := math.Float64bits(score + 0) // -0 equals 0
	if n>>63 != 0 {
		return ^n
	}
	return n | 1<<63
}

func (e *Encoder) separate() {
	if e.count > 0 {
		e.dst = append(e.dst, ',')
	}
	e.count++
}

// Repeats reports whether a name occurs twice among alternating names and values.
func Repeats(fields [][]byte) bool {
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
