package redis

import "hash/maphash"

// members is a set of byte strings that only grows, in little more memory than
// the strings themselves. The zero members is empty.
type members struct {
	seed  maphash.Seed
	text  []byte
	ends  []int    // where each string ends in text; it starts where the one before ends
	table []uint32 // open addressing: number of the string + 1; 0 where free
}

// add adds b and reports whether it was not there yet.
func (m *members) add(b []byte) bool {
	if len(m.table) == 0 {
		m.seed = maphash.MakeSeed()
	}
	if 4*len(m.ends) >= 3*len(m.table) {
		m.grow()
	}
	slot := m.find(b)
	if m.table[slot] != 0 {
		return false
	}
	m.text = append(m.text, b...)
	m.ends = append(m.ends, len(m.text))
	m.table[slot] = uint32(len(m.ends))
	return true
}

// find returns the slot of b, or the free one where it belongs.
func (m *members) find(b []byte) int {
	mask := len(m.table) - 1
	slot := int(maphash.Bytes(m.seed, b)) & mask
	for n := m.table[slot]; n != 0; n = m.table[slot] {
		if string(m.at(int(n)-1)) == string(b) {
			break
		}
		slot = (slot + 1) & mask
	}
	return slot
}

func (m *members) at(i int) []byte {
	start := 0
	if i > 0 {
		start = m.ends[i-1]
	}
	return m.text[start:m.ends[i]]
}

func (m *members) grow() {
	m.table = make([]uint32, max(2*len(m.table), 1024))
	for i := range m.ends {
		m.table[m.find(m.at(i))] = uint32(i + 1)
	}
}
