package duckdb

import "math/bits"

// An index knows, for as many keys as its memory allows, what content the
// published table will hold for the key once everything staged is published. It
// lets unchanged rows pass without being staged. It maps 60 bits of a key's hash
// to the 64-bit hash of its content; two rows are confused only where both collide.
type index struct {
	slots []slot // open addressing, linear probing
	used  int
	most  int // slots at most
	// beyond is a filter of the keys that found no place: of the bits that their
	// hashes choose, all are set. nil if there are none.
	beyond []uint64
}

// A slot is 16 bytes, for there are millions. A nil slot is that of a key which
// found no place: nothing is known of it.
type slot struct {
	key     uint64 // 60 bits of hash, then a state; 0 where free
	content uint64 // 0 for what is to be deleted
}

// The states of a key, which combine. Whoever adds a key gives it one.
const (
	isPublished uint64 = 1 << iota // the published table has a row that is not deleted
	isStaged                       // a row is staged, and content is that row's
	isSeen                         // the published row has been found unchanged
	isKept                         // the key is staged as one set aside

	stateMask = isPublished | isStaged | isSeen | isKept
)

const (
	slotBytes   = 16
	minSlots    = 1 << 10
	beyondBytes = 4 << 20
)

// is reports whether the key has one of some states.
func (s *slot) is(states uint64) bool { return s != nil && s.key&states != 0 }

// set adds a state.
func (s *slot) set(state uint64) {
	if s != nil {
		s.key |= state
	}
}

// newIndex returns an index that has room for rows keys and takes no more than
// maxBytes, unless least keys need more.
func newIndex(rows, maxBytes, least int64) *index {
	most := max(maxBytes/slotBytes, least+least/3, minSlots)
	n := min(max(rows+rows/3, minSlots), most)
	return &index{slots: make([]slot, n), most: int(most)}
}

// add returns the slot of a key, a new one where there was none, nil where the
// index is full. It makes slots returned before invalid.
func (x *index) add(key uint64) *slot {
	s := x.probe(key)
	if s.key != 0 {
		return s
	}
	if x.used >= len(x.slots)/5*4 {
		if len(x.slots) == x.most {
			return nil
		}
		x.grow()
		s = x.probe(key)
	}
	x.used++
	s.key = key &^ stateMask
	return s
}

func (x *index) probe(key uint64) *slot {
	key &^= stateMask
	at, _ := bits.Mul64(key, uint64(len(x.slots)))
	for i := int(at); ; i++ {
		if i == len(x.slots) {
			i = 0
		}
		if s := &x.slots[i]; s.key == 0 || s.key&^stateMask == key {
			return s
		}
	}
}

// find returns the slot of a key, nil where there is none.
func (x *index) find(key uint64) *slot {
	if s := x.probe(key); s.key != 0 {
		return s
	}
	return nil
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, min(2*len(old), x.most))
	for _, s := range old {
		if s.key != 0 {
			*x.probe(s.key) = s
		}
	}
}

// full reports whether some keys found no place.
func (x *index) full() bool { return x.beyond != nil }

// addBeyond adds a key that found no place. It reports false only if the key was
// not added before.
func (x *index) addBeyond(key uint64) bool {
	if x.beyond == nil {
		x.beyond = make([]uint64, beyondBytes/8)
	}
	const bitsOf = beyondBytes * 8
	known := true
	for range 4 {
		key *= 0x9e3779b97f4a7c15
		at := key >> 32 % bitsOf
		known = known && x.beyond[at/64]>>(at%64)&1 == 1
		x.beyond[at/64] |= 1 << (at % 64)
	}
	return known
}

// outcome returns how many published keys are unchanged, and whether there may be
// some that are neither that nor staged.
func (x *index) outcome() (unchanged int64, unmet bool) {
	unmet = x.full()
	for _, s := range x.slots {
		switch s.key & (isPublished | isStaged | isSeen) {
		case isPublished | isSeen:
			unchanged++
		case isPublished:
			unmet = true
		}
	}
	return unchanged, unmet
}
