package duckdb

import (
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// A chunk is some rows, at most chunkRows of them, column by column. Its memory
// is DuckDB's and valid only as long as whoever made it says.
type chunk struct {
	rows    int
	columns []vector
}

// chunkRows is how many rows a chunk has at the most.
var chunkRows = int(mapping.VectorSize())

// A vector is one column of a chunk. Its values lie side by side: 8 bytes for
// numbers and times, 1 for booleans, a cell for text.
type vector struct {
	v      mapping.Vector
	values unsafe.Pointer
	valid  unsafe.Pointer // a bit per row, unset for NULL; nil where nothing is NULL
}

// A cell is a text as DuckDB's vectors hold it (duckdb_string_t): its length, then
// either its bytes or, if they are more than 12, their first four and their address.
type cell struct {
	length uint32
	prefix [4]byte
	at     uint64
}

const cellText = 12 // the longest text that lies in the cell itself

// newChunk returns the rows of a chunk of DuckDB.
func newChunk(of mapping.DataChunk) *chunk {
	c := &chunk{rows: int(mapping.DataChunkGetSize(of)), columns: make([]vector, mapping.DataChunkGetColumnCount(of))}
	for i := range c.columns {
		v := mapping.DataChunkGetVector(of, mapping.IdxT(i))
		c.columns[i] = vector{v: v, values: mapping.VectorGetData(v), valid: mapping.VectorGetValidity(v)}
	}
	return c
}

// values returns the memory of the first n values of v.
func values[T any](v *vector, n int) []T { return unsafe.Slice((*T)(v.values), n) }

// isNull reports whether the value of row i is NULL.
func (v *vector) isNull(i int) bool {
	return v.valid != nil && unsafe.Slice((*uint64)(v.valid), i/64+1)[i/64]>>(i%64)&1 == 0
}

// setNull makes the value of row i NULL.
func (v *vector) setNull(i int) {
	if v.valid == nil {
		mapping.VectorEnsureValidityWritable(v.v)
		v.valid = mapping.VectorGetValidity(v.v)
	}
	unsafe.Slice((*uint64)(v.valid), i/64+1)[i/64] &^= 1 << (i % 64)
}

// text returns the bytes of a text of v.
func (v *vector) text(i int) []byte {
	c := &values[cell](v, i+1)[i]
	if c.length <= cellText {
		return unsafe.Slice(&c.prefix[0], cellText)[:c.length]
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&c.at)), c.length)
}

// setText sets row i to a text, which must not move before the chunk has been appended.
func (v *vector) setText(i int, text []byte) {
	c := &values[cell](v, i+1)[i]
	*c = cell{length: uint32(len(text))}
	if len(text) <= cellText {
		copy(unsafe.Slice(&c.prefix[0], cellText), text)
		return
	}
	copy(c.prefix[:], text)
	// As a number, for this memory is not Go's.
	c.at = uint64(uintptr(unsafe.Pointer(&text[0])))
}

// The values of row i, as Go has them; the zero value for NULL.

func (c *chunk) int(column, i int) int64 {
	v := &c.columns[column]
	if v.isNull(i) {
		return 0
	}
	return values[int64](v, i+1)[i]
}

func (c *chunk) bool(column, i int) bool {
	v := &c.columns[column]
	return !v.isNull(i) && values[bool](v, i+1)[i]
}

func (c *chunk) text(column, i int) string {
	v := &c.columns[column]
	if v.isNull(i) {
		return ""
	}
	return string(v.text(i))
}
