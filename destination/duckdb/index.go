package duckdb

import "math/bits"

// An index knows, for as many published keys as its memory allows, what content
// the table will hold for the key once everything staged is published. It lets
// unchanged rows pass without being staged.
//
// It tells keys apart by their place and 32 bits of their hashes, and contents, of
// which the key is a part, by 60 bits. A row is mistaken for an unchanged one only
// where both agree. Where two keys are mistaken for one, their rows are staged, and
// the publication finds out: see publication.sure.
type index struct {
	slots []slot // open addressing, linear probing
	room  int    // keys that still find a place
	full  bool   // some keys found none
	twins bool   // two published keys are one to the index

	touched uint32 // means nothing
}

// A slot is 12 bytes, for there are millions. A nil slot is that of a key of which
// nothing is known: a new one, or one that found no place.
type slot struct {
	key       uint32 // of the hash, the bits that do not choose the place
	low, high uint32 // 60 bits of the content's hash, then a state; 0 where free
}

// The states of a key, which combine. Whoever adds a key gives it one.
const (
	isPublished uint32 = 1 << iota // the published table has a row that is not deleted
	isStaged                       // a row is staged, and the content is that row's
	isSeen                         // the published row has been found unchanged
	isKept                         // the key is staged as one set aside

	stateMask = isPublished | isStaged | isSeen | isKept
)

const (
	slotBytes = 12
	minKeys   = 1 << 10
	// Of eight places seven are taken at the most.
	placesTaken, placesOf = 7, 8
)

// is reports whether the key has one of some states.
func (s *slot) is(states uint32) bool { return s != nil && s.low&states != 0 }

// set adds a state.
func (s *slot) set(state uint32) {
	if s != nil {
		s.low |= state
	}
}

// holds reports whether the content is this one.
func (s *slot) holds(content uint64) bool {
	return s.high == uint32(content>>32) && s.low&^stateMask == uint32(content)&^stateMask
}

// hold makes this the content; 0 is that of what is to be deleted.
func (s *slot) hold(content uint64) {
	s.high, s.low = uint32(content>>32), uint32(content)&^stateMask|s.low&stateMask
}

// newIndex returns an index for so many published rows that takes no more than
// maxBytes, unless least keys need more.
func newIndex(rows, maxBytes, least int64) *index {
	n := min(rows, max(maxBytes/slotBytes*placesTaken/placesOf, least, minKeys))
	return &index{slots: make([]slot, n*placesOf/placesTaken+1), room: int(n)}
}

// bytes returns how much memory the index takes.
func (x *index) bytes() int64 {
	if x == nil {
		return 0
	}
	return int64(len(x.slots)) * slotBytes
}

// add returns the slot of a published key, a new one where there was none, nil
// where the index is full.
func (x *index) add(key uint64) *slot {
	s := x.probe(key)
	if s.low != 0 {
		return s
	}
	if x.room == 0 {
		x.full = true
		return nil
	}
	x.room--
	s.key = uint32(key)
	return s
}

func (x *index) probe(key uint64) *slot {
	at, _ := bits.Mul64(key, uint64(len(x.slots)))
	for i := int(at); ; i++ {
		if i == len(x.slots) {
			i = 0
		}
		if s := &x.slots[i]; s.low == 0 || s.key == uint32(key) {
			return s
		}
	}
}

// touch loads the places of keys that will be looked up next, all at once: one by
// one, each would be waited for.
func (x *index) touch(keys []uint64) {
	if x == nil {
		return
	}
	for _, key := range keys {
		at, _ := bits.Mul64(key, uint64(len(x.slots)))
		x.touched += x.slots[at].low
	}
}

// publish adds a published row.
func (x *index) publish(key, content uint64) {
	s := x.add(key)
	switch {
	case s == nil:
	case s.is(isPublished):
		x.twins = true
		s.hold(0)
	default:
		s.set(isPublished)
		s.hold(content)
	}
}

// find returns the slot of a key, nil where there is none. A nil index knows no keys.
func (x *index) find(key uint64) *slot {
	if x == nil {
		return nil
	}
	if s := x.probe(key); s.low != 0 {
		return s
	}
	return nil
}

// An outcome counts published keys, as far as the index knows them.
type outcome struct {
	unchanged int64 // seen and not staged
	staged    int64 // staged, with a row or set aside
	unmet     int64 // neither
}

func (x *index) outcome() (o outcome) {
	if x == nil {
		return o
	}
	for i := range x.slots {
		switch s := &x.slots[i]; {
		case !s.is(isPublished):
		case s.is(isStaged | isKept):
			o.staged++
		case s.is(isSeen):
			o.unchanged++
		default:
			o.unmet++
		}
	}
	return o
}
