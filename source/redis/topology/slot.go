package topology

import (
	"bytes"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Count is the number of hash slots.
const Count = 16384

// Slot returns the hash slot of a key: CRC16 (XMODEM) of the key, or of what is
// between its first { and the next } if that is not empty, modulo Count.
func Slot(key []byte) int {
	if _, rest, ok := bytes.Cut(key, []byte("{")); ok {
		if tag, _, ok := bytes.Cut(rest, []byte("}")); ok && len(tag) > 0 {
			key = tag
		}
	}
	crc := uint16(0)
	for _, b := range key {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	return int(crc % Count)
}

var crcTable = func() (t [256]uint16) {
	const polynomial = 0x1021
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			if crc <<= 1; carry {
				crc ^= polynomial
			}
		}
		t[i] = crc
	}
	return t
}()

// Slots is a set of hash slots. The zero Slots is empty. Slots are values: those
// that are compared by == are the same set.
type Slots struct{ words [Count / 64]uint64 }

// All returns the set of all slots.
func All() Slots {
	var s Slots
	for i := range s.words {
		s.words[i] = ^uint64(0)
	}
	return s
}

// Add adds a slot, which is at least 0 and below Count.
func (s *Slots) Add(slot int) { s.words[slot/64] |= 1 << (slot % 64) }

// AddRange adds the slots from first to last.
func (s *Slots) AddRange(first, last int) {
	for slot := first; slot <= last; slot++ {
		s.Add(slot)
	}
}

// Has reports whether a slot is in the set.
func (s *Slots) Has(slot int) bool { return s.words[slot/64]&(1<<(slot%64)) != 0 }

// Union returns the slots of s and of o.
func (s Slots) Union(o Slots) Slots {
	for i, w := range o.words {
		s.words[i] |= w
	}
	return s
}

// Minus returns the slots of s that are not in o.
func (s Slots) Minus(o Slots) Slots {
	for i, w := range o.words {
		s.words[i] &^= w
	}
	return s
}

// Intersect returns the slots that are in both.
func (s Slots) Intersect(o Slots) Slots {
	for i, w := range o.words {
		s.words[i] &= w
	}
	return s
}

// Len returns the number of slots.
func (s Slots) Len() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// IsEmpty reports whether the set has no slot.
func (s Slots) IsEmpty() bool { return s == Slots{} }

// Each calls f with each run of slots in the set, ascending.
func (s Slots) Each(f func(first, last int)) {
	for slot := 0; slot < Count; slot++ {
		if !s.Has(slot) {
			continue
		}
		first := slot
		for slot+1 < Count && s.Has(slot+1) {
			slot++
		}
		f(first, slot)
	}
}

// String returns the slots as text: "0-5460,7000".
func (s Slots) String() string {
	var b strings.Builder
	s.Each(func(first, last int) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(first))
		if last > first {
			b.WriteString("-" + strconv.Itoa(last))
		}
	})
	return b.String()
}

// MarshalText writes the slots as String does.
func (s Slots) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Slots) UnmarshalText(text []byte) error {
	*s = Slots{}
	if len(text) == 0 {
		return nil
	}
	for run := range strings.SplitSeq(string(text), ",") {
		if err := s.addRun(run); err != nil {
			return err
		}
	}
	return nil
}

// addRun adds a slot, "7000", or a run of slots, "0-5460".
func (s *Slots) addRun(run string) error {
	from, to, ranged := strings.Cut(run, "-")
	if !ranged {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 16)
	last, errLast := strconv.ParseUint(to, 10, 16)
	if err != nil || errLast != nil || first > last || last >= Count {
		return fmt.Errorf("%q is no run of hash slots", run)
	}
	s.AddRange(int(first), int(last))
	return nil
}
