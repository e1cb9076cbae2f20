package rdb

import "encoding/binary"

// ziplistHeader is the length of a ziplist's header: its size and where its last
// entry begins in 4 bytes each, and the number of its entries in 2, little endian.
const ziplistHeader = 10

// openZiplist begins to walk a ziplist, which Redis wrote before version 7.
// (Redis: ziplist.c.)
func openZiplist(b []byte) (packed, bool) {
	if len(b) <= ziplistHeader || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != packedEnd {
		return packed{}, false
	}
	p := packed{b: b[ziplistHeader:], count: int(binary.LittleEndian.Uint16(b[8:])), ziplist: true}
	if p.count == packedUncounted {
		p.count = -1
	}
	return p, true
}

// readZiplist reads an entry: the size of the entry before, a byte that says its
// form, and the data.
func (p *packed) readZiplist() (text []byte, n int64, ok bool) {
	before := 1
	if p.pos < len(p.b) && p.b[p.pos] == 0xfe {
		before = 5
	}
	if !p.advance(before) {
		return nil, 0, false
	}
	b := p.b[p.pos:]
	first := b[0]
	switch first >> 6 {
	case 0:
		return p.textZiplist(b, 1, int(first&0x3f))
	case 1:
		return p.textZiplist(b, 2, int(first&0x3f)<<8|int(second(b)))
	case 2:
		if len(b) <= 5 {
			return nil, 0, false
		}
		return p.textZiplist(b, 5, int(binary.BigEndian.Uint32(b[1:])))
	}
	var size int
	switch first {
	case 0xc0:
		size = 1 + 2
	case 0xd0:
		size = 1 + 4
	case 0xe0:
		size = 1 + 8
	case 0xf0:
		size = 1 + 3
	case 0xfe:
		size = 1 + 1
	case 0xff:
		return nil, 0, false
	default: // 0xf1 to 0xfd: 0 to 12
		return nil, int64(first&0x0f) - 1, first > 0xf0 && p.advance(1)
	}
	if !p.advance(size) {
		return nil, 0, false
	}
	return nil, signed(b[1:size]), true
}

// second returns the byte after the first, or 0.
func second(b []byte) byte {
	if len(b) < 2 {
		return 0
	}
	return b[1]
}

// textZiplist reads the text of n bytes that begins at b[head:].
func (p *packed) textZiplist(b []byte, head, n int) (text []byte, _ int64, ok bool) {
	if !p.advance(head + n) {
		return nil, 0, false
	}
	return b[head : head+n], 0, true
}
