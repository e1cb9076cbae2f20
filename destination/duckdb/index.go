package duckdb

import "math/bits"

// An index knows, for as many keys as its memory allows, what content the
// published table will hold for the key once everything staged is published. It
// lets unchanged rows pass without being staged. It maps 60 bits of a key's hash
// to the 64-bit hash of its content; two rows are confused only where both collide.
type index struct {
	slots []slot // open addressing, linear probing
	used  int
	most  int  // slots at most
	full  bool // some keys found no place
}

// A slot is 16 bytes, for there are millions.
type slot struct {
	key     uint64 // 60 bits of hash, then occupied, then a state; 0 where free
	content uint64
}

// The states of a key, which combine.
const (
	isPublished uint64 = 1 << iota // the published table has a row that is not deleted
	isStaged                       // a row is staged, and content is that row's
	isSeen                         // the key is listed as seen
	occupied

	stateMask = isPublished | isStaged | isSeen
	keyMask   = ^(stateMask | occupied)
)

const (
	slotBytes = 16
	minSlots  = 1 << 10
)

// newIndex returns an index that has room for rows keys and never takes more
// than maxBytes.
func newIndex(rows, maxBytes int64) *index {
	most := max(maxBytes/slotBytes, minSlots)
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
			x.full = true
			return nil
		}
		x.grow()
		s = x.probe(key)
	}
	x.used++
	s.key = key&keyMask | occupied
	return s
}

func (x *index) probe(key uint64) *slot {
	at, _ := bits.Mul64(key, uint64(len(x.slots)))
	for i := int(at); ; i++ {
		if i == len(x.slots) {
			i = 0
		}
		if s := &x.slots[i]; s.key == 0 || (s.key^key)&keyMask == 0 {
			return s
		}
	}
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, min(2*len(old), x.most))
	for _, s := range old {
		if s.key != 0 {
			*x.probe(s.key & keyMask) = s
		}
	}
}

// allMet reports whether every published key is staged or seen.
func (x *index) allMet() bool {
	if x.full {
		return false
	}
	for _, s := range x.slots {
		if s.key&isPublished != 0 && s.key&(isStaged|isSeen) == 0 {
			return false
		}
	}
	return true
}
