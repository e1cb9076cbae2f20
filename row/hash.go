package row

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Odd constants with well-mixed bits (the 64-bit golden ratio and a Murmur3 finaliser).
const (
	mixA uint64 = 0x9e3779b97f4a7c15
	mixB uint64 = 0xff51afd7ed558ccd
	null uint64 = 0x6e756c6c // stands for NULL
)

// HashRow returns the content hash of row i: 64 bits over the key and every
// column compared ByHash. Equal rows have equal hashes in every process and
// every release: destinations store it.
func (b *Batch) HashRow(i int) uint64 {
	if b.Table.ByName {
		return b.hashByName(i)
	}
	h := mixA
	for c := range b.Vectors {
		col := &b.Table.Columns[c]
		if col.Compare == ByHash {
			h = mix(h, b.hashAt(c, i))
		}
	}
	return finish(h)
}

// hashByName is HashRow where neither the order of columns counts nor those that
// are NULL.
func (b *Batch) hashByName(i int) uint64 {
	h := mixA
	for c := range b.Vectors {
		if col := &b.Table.Columns[c]; col.Compare == ByHash && !b.Vectors[c].Null[i] {
			h += finish(mix(b.names[c], b.hashAt(c, i)))
		}
	}
	return finish(h)
}

// A memo is the hash of a text that the rows that follow may share.
type memo struct {
	row  int // which has the text; -1: none
	hash uint64
}

// forget forgets the hashes of rows that may change.
func (b *Batch) forget() {
	for c := range b.memos {
		b.memos[c].row = -1
	}
}

// HashGroup returns a hash, as HashKey does, of the columns that name the Redis
// key of row i.
func (b *Batch) HashGroup(i int) uint64 { return b.hashKeys(i, b.Table.Owner()) }

// HashKey returns a 64-bit hash of row i's primary key, equal in every process.
// Destinations store it at the most while a snapshot is under way.
func (b *Batch) HashKey(i int) uint64 { return b.hashKeys(i, b.Table.Keys) }

func (b *Batch) hashKeys(i, n int) uint64 {
	h := mixB
	for c := range n {
		h = mix(h, b.hashAt(c, i))
	}
	return finish(h)
}

// A KeyHash makes what HashKey returns of values that are in no batch. The key columns
// are added in their order to that of NewKeyHash.
type KeyHash uint64

// NewKeyHash returns the hash of no columns.
func NewKeyHash() KeyHash { return KeyHash(mixB) }

// Text adds a column that is text.
func (h KeyHash) Text(text []byte) KeyHash { return KeyHash(mix(uint64(h), xxhash.Sum64(text))) }

// Int adds a column that is Boolean, Int or UTCDateTime.
func (h KeyHash) Int(v int64) KeyHash { return KeyHash(mix(uint64(h), hashInt(v))) }

// Float adds a column that is Double.
func (h KeyHash) Float(v float64) KeyHash { return KeyHash(mix(uint64(h), hashFloat(v))) }

// Sum returns the hash of the columns added.
func (h KeyHash) Sum() uint64 { return finish(uint64(h)) }

func hashInt(v int64) uint64     { return uint64(v)*mixA + 1 }
func hashFloat(v float64) uint64 { return math.Float64bits(v)*mixA + 2 }

func (b *Batch) hashAt(c, i int) uint64 {
	v := &b.Vectors[c]
	switch {
	case v.Null[i]:
		return null
	case len(v.Spans) > i:
		return b.hashText(c, i)
	case len(v.Ints) > i:
		return hashInt(v.Ints[i])
	default:
		return hashFloat(v.Floats[i])
	}
}

// hashText hashes a text, but not again where the row before shares it.
func (b *Batch) hashText(c, i int) uint64 {
	s, m := b.Vectors[c].Spans[i], &b.memos[c]
	if m.row != i && (m.row != i-1 || i == 0 || b.Vectors[c].Spans[i-1] != s) {
		m.hash = xxhash.Sum64(b.Text[s.Start:s.End])
	}
	m.row = i
	return m.hash
}

func mix(h, v uint64) uint64 { return (bits.RotateLeft64(h, 27) ^ v) * mixB }

func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= mixA
	return h ^ h>>29
}
