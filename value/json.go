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
	dst   []byte // what Begin got, and the elements in the order they came
	start int    // of the value in dst
	count int    // elements in dst

	// Elements of unordered types, which End may have to put in order.
	parts    []part
	order    []place // of the parts
	raws     []byte  // what parts are sorted by that dst does not hold
	scratch  []byte
	sorted   bool // parts came in their final order
	reversed bool // parts came in the opposite order
}

// A part is one element of an unordered type: its encoded form in dst, and the bytes
// it is sorted by, which are in dst or, where raw is negative, in raws from ^raw on.
type part struct {
	enc       row.Span
	raw, size int
}

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

// Expect says that about so many elements are to come. The value may hold others.
func (e *Encoder) Expect(elements int) {
	switch e.kind {
	case Hash, Set, SortedSet:
		elements = min(max(elements, 0), maxExpected)
		e.parts, e.order = slices.Grow(e.parts, elements), slices.Grow(e.order, elements)
	}
}

// Memory that one large value has needed is not kept for all that follow, nor is it
// taken before the value is there.
const (
	maxScratch  = 4 << 20
	maxParts    = maxScratch / 32
	maxExpected = 1 << 18
)

func (e *Encoder) clear() {
	if cap(e.scratch)+cap(e.raws) > maxScratch {
		e.scratch, e.raws = nil, nil
	}
	if cap(e.parts) > maxParts {
		e.parts, e.order = nil, nil
	}
	e.raws, e.parts, e.order = e.raws[:0], e.parts[:0], e.order[:0]
	e.sorted, e.reversed = true, true
}

// Len returns the length of what is encoded so far, without the bracket that
// closes it.
func (e *Encoder) Len() int { return len(e.dst) - e.start }

// Field adds one field of a hash.
func (e *Encoder) Field(field, val []byte) {
	start := e.separate()
	name := e.quote(field)
	e.dst = append(e.dst, ':')
	e.dst = row.AppendString(e.dst, val)
	e.add(start, name, field, prefix(field))
}

// Member adds one member of a set.
func (e *Encoder) Member(b []byte) {
	start := e.separate()
	e.add(start, e.quote(b), b, prefix(b))
}

// Scored adds one member of a sorted set.
func (e *Encoder) Scored(member []byte, score float64) {
	start := e.separate()
	e.dst = append(e.dst, '[')
	name := e.quote(member)
	e.dst = append(e.dst, ',')
	e.dst = row.AppendNumber(e.dst, score)
	e.dst = append(e.dst, ']')
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
		e.sort()
	}
	closing := byte(']')
	if e.kind == Hash {
		closing = '}'
	}
	e.dst = append(e.dst, closing)
	dst := e.dst
	e.Reset()
	return dst
}

// sort puts the parts in dst in order.
func (e *Encoder) sort() {
	switch {
	case e.reversed:
		slices.Reverse(e.order)
	case len(e.order) > maxRanked || !e.rank():
		slices.SortFunc(e.order, e.compare)
	}
	first := e.start + 1
	e.scratch = append(e.scratch[:0], e.dst[first:]...)
	dst := e.dst[:first]
	for i, p := range e.order {
		if i > 0 {
			dst = append(dst, ',')
		}
		s := e.parts[p.part].enc
		dst = append(dst, e.scratch[s.Start-first:s.End-first]...)
	}
	e.dst = dst
}

// maxRanked is how many parts rank takes: for more, to compare each with each takes
// longer than to guess wrong whether one is less.
const maxRanked = 32

// rank sorts up to maxRanked parts by their numbers, without a branch, and reports
// whether these all differ.
func (e *Encoder) rank() bool {
	var ranks [maxRanked]uint8
	var from [maxRanked]place
	n := copy(from[:], e.order)
	for i := range n {
		number, below := from[i].number, i
		for j := range i {
			_, less := bits.Sub64(number, from[j].number, 0)
			ranks[j] += uint8(less)
			below -= int(less)
		}
		ranks[i] = uint8(below)
	}
	for i := range n {
		e.order[ranks[i]] = from[i]
	}
	for i := 1; i < n; i++ {
		if e.order[i-1].number == e.order[i].number {
			return false
		}
	}
	return true
}

// quote appends b to dst as a JSON string and returns where b itself is to be found
// there: inside the quotes, or -1 where b had to be escaped.
func (e *Encoder) quote(b []byte) int {
	start := len(e.dst)
	e.dst = row.AppendString(e.dst, b)
	if len(e.dst) != start+len(b)+2 {
		return -1
	}
	return start + 1
}

// add adds what dst holds from start on as a part, to be sorted by number and then
// by b, which is in dst at raw unless that is negative.
func (e *Encoder) add(start, raw int, b []byte, number uint64) {
	if raw < 0 {
		raw = ^len(e.raws)
		e.raws = append(e.raws, b...)
	}
	e.order = append(e.order, place{number, len(e.parts)})
	e.parts = append(e.parts, part{row.Span{Start: start, End: len(e.dst)}, raw, len(b)})
	if n := len(e.order); n > 1 && (e.sorted || e.reversed) {
		order := e.compare(e.order[n-2], e.order[n-1])
		e.sorted = e.sorted && order < 0
		e.reversed = e.reversed && order > 0
	}
}

func (e *Encoder) compare(a, b place) int {
	if a.number != b.number {
		_, less := bits.Sub64(a.number, b.number, 0)
		return 1 - 2*int(less) // without a branch: it would be mispredicted half of the time
	}
	return bytes.Compare(e.raw(&e.parts[a.part]), e.raw(&e.parts[b.part]))
}

// raw returns what a part is sorted by where numbers are equal.
func (e *Encoder) raw(p *part) []byte {
	if p.raw < 0 {
		return e.raws[^p.raw:][:p.size]
	}
	return e.dst[p.raw:][:p.size]
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

// dst is doubled when it is full, up to a limit: append alone would add a quarter, and
// move a large value again and again.
const (
	mostUsual = 256 // bytes of an element
	leastMore = 4 << 10
	mostMore  = 16 << 20
)

// separate separates an element from that before it, and returns where it begins.
func (e *Encoder) separate() int {
	if cap(e.dst)-len(e.dst) < mostUsual {
		e.dst = slices.Grow(e.dst, min(max(len(e.dst), leastMore), mostMore))
	}
	if e.count > 0 {
		e.dst = append(e.dst, ',')
	}
	e.count++
	return len(e.dst)
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
