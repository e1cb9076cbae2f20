package redis

import (
	"sync/atomic"

	"github.com/keylift/keylift/value"
)

// shapes remembers the type of the last key of each shape: its name with every
// run of digits folded to one mark. It guesses, so it may forget and confuse. It
// is safe for concurrent use, and its size is fixed.
type shapes struct {
	slots [1 << 13]atomic.Uint64 // hash of the shape, its low byte replaced by the type
}

// A shape is the hash of a folded name.
type shape uint64

// foldShape returns the shape of a key (FNV-1a over the folded name).
func foldShape(name string) shape {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	digits := false
	for i := range len(name) {
		c := name[i]
		if c-'0' < 10 {
			if digits {
				continue
			}
			digits, c = true, '#'
		} else {
			digits = false
		}
		h = (h ^ uint64(c)) * prime
	}
	return shape(h)
}

func (s *shapes) slot(h shape) *atomic.Uint64 {
	return &s.slots[h>>32%shape(len(s.slots))]
}

// guess returns the type that the last key of shape h had, or value.Unknown.
func (s *shapes) guess(h shape) value.Type {
	v := s.slot(h).Load()
	if v&^0xff != uint64(h)&^0xff {
		return value.Unknown
	}
	return value.Type(v)
}

// learn remembers t for keys of shape h.
func (s *shapes) learn(h shape, t value.Type) {
	slot, v := s.slot(h), uint64(h)&^0xff|uint64(t)
	if slot.Load() != v {
		slot.Store(v)
	}
}
