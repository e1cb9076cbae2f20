package rdb

import "encoding/binary"

// listpackHeader is the length of a listpack's header: its size in 4 bytes and
// the number of its entries in 2, little endian.
const listpackHeader = 6

// openListpack begins to walk a listpack. (Redis: listpack.c.)
func openListpack(b []byte) (packed, bool) {
	if len(b) <= listpackHeader || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != packedEnd {
		return packed{}, false
	}
	p := packed{b: b[listpackHeader:], count: int(binary.LittleEndian.Uint16(b[4:]))}
	if p.count == packedUncounted {
		p.count = -1
	}
	return p, true
}

// readListpack reads an entry: a byte that says its form, the data, and the size
// of both again, for walking back.
func (p *packed) readListpack() (text []byte, n int64, ok bool) {
	b := p.b[p.pos:]
	if len(b) < 2 {
		return nil, 0, false
	}
	first := b[0]
	switch {
	case first < 0x80: // 7 bits, not negative
		return nil, int64(first), p.advance(1 + 1)
	case first < 0xc0:
		return p.textListpack(b, 1, int(first&0x3f))
	case first < 0xe0: // 13 bits
		return nil, int64(int16(uint16(first)<<11|uint16(b[1])<<3) >> 3), p.advance(2 + 1)
	case first < 0xf0:
		return p.textListpack(b, 2, int(first&0x0f)<<8|int(b[1]))
	}
	if size := listpackIntegers[first&0x0f]; size > 0 {
		if size >= len(b) {
			return nil, 0, false
		}
		return nil, signed(b[1:size]), p.advance(size + 1)
	}
	if first == 0xf0 && len(b) > 5 {
		return p.textListpack(b, 5, int(binary.LittleEndian.Uint32(b[1:])))
	}
	return nil, 0, false
}

// listpackIntegers are the sizes of the integers that follow the bytes 0xf1 to
// 0xf4, that byte included.
var listpackIntegers = [16]int{1: 1 + 2, 2: 1 + 3, 3: 1 + 4, 4: 1 + 8}

// textListpack reads the text of n bytes that begins at b[head:].
func (p *packed) textListpack(b []byte, head, n int) (text []byte, _ int64, ok bool) {
	size := head + n
	if !p.advance(size + listpackBackBytes(size)) {
		return nil, 0, false
	}
	return b[head:size], 0, true
}

// listpackBackBytes returns how many bytes the size of an entry takes behind it:
// one for every 7 bits. (The limits above the first are off by one in Redis, and
// so part of the format.)
func listpackBackBytes(size int) int {
	switch {
	case size <= 1<<7-1:
		return 1
	case size < 1<<14-1:
		return 2
	case size < 1<<21-1:
		return 3
	case size < 1<<28-1:
		return 4
	}
	return 5
}

// signed returns the integer that b holds, 2 to 8 bytes, little endian.
func signed(b []byte) int64 {
	var n uint64
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	unused := 64 - 8*len(b)
	return int64(n<<unused) >> unused
}
