package table

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/keylift/keylift/value"
)

// A Tail is where the rows of a stream or a time series end.
type Tail struct {
	First, Last value.StreamID // of a time series: Ms alone
	Check       uint64         // tells apart what entries of ID Last hold
	Elements    int
}

// reach moves the tail on.
func (e *elements) reach(id value.StreamID) {
	if e.tail.Elements == 0 {
		e.tail.First = id
	}
	e.tail.Last = id
	e.tail.Elements++
}

// reached returns the tail.
func (e *elements) reached() Tail {
	if e.k.Type == value.Stream && e.tail.Elements > 0 {
		e.tail.Check = checkOf(e.last)
	}
	return e.tail
}

// EntryCheck is what the Check of a Tail is behind an entry with such fields.
func EntryCheck(fields [][]byte) uint64 { return checkOf(appendEntry(nil, fields)) }

// appendEntry appends fields so that others are another text.
func appendEntry(dst []byte, fields [][]byte) []byte {
	for _, f := range fields {
		dst = append(binary.AppendUvarint(dst, uint64(len(f))), f...)
	}
	return dst
}

// checkOf is the FNV-1a hash of an entry.
func checkOf(entry []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(entry) // a hash takes everything
	return h.Sum64()
}
