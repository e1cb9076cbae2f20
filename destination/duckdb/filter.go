package duckdb

import "math/bits"

// A filter knows which keys have a staged row that the index does not tell of. It
// may take a key for a known one that is not, as long as it is not the other way
// round. Few keys are listed; of more, each sets some bits.
type filter struct {
	listed map[uint64]struct{}
	bits   []uint64 // nil while the keys are listed
	words  int      // of bits
}

const (
	mostListed     = 1 << 16
	filterShare    = 16 // of the memory, as a divisor
	minFilterBytes = 1 << 20
	filterProbes   = 5
)

func newFilter(memoryBytes int64) *filter {
	return &filter{listed: map[uint64]struct{}{}, words: int(max(memoryBytes/filterShare, minFilterBytes) / 8)}
}

// add adds the hash of a key and reports false only if it was not added before.
func (f *filter) add(key uint64) bool {
	if f.bits != nil {
		return f.mark(key)
	}
	if _, known := f.listed[key]; known {
		return true
	}
	f.listed[key] = struct{}{}
	if len(f.listed) > mostListed {
		f.bits = make([]uint64, f.words)
		for k := range f.listed {
			f.mark(k)
		}
		f.listed = nil
	}
	return false
}

// mark sets the bits of a key, which lie in one line of the processor's cache, and
// reports whether they were set.
func (f *filter) mark(key uint64) bool {
	const line = 8 // words
	at, rest := bits.Mul64(key*0x9e3779b97f4a7c15, uint64(f.words/line))
	words := f.bits[at*line:][:line]
	known := true
	for range filterProbes {
		word, bit := rest>>61, uint64(1)<<(rest>>55&63)
		known = known && words[word]&bit != 0
		words[word] |= bit
		rest <<= 9
	}
	return known
}
