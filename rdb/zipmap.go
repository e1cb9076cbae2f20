package rdb

import (
	"encoding/binary"
	"time"

	"github.com/keylift/keylift/value"
)

// zipmapEnd is the byte after the last pair, zipmapLong the one that says that a
// length of 4 bytes follows. A first byte from zipmapLong on says that the number
// of pairs is not known.
const (
	zipmapLong = 254
	zipmapEnd  = 255
)

// hashZipmap decodes a hash as Redis wrote it before version 2.6: a byte with the
// number of pairs; for each the length of the field, the field, the length of the
// value, a byte with the number of unused bytes after it, the value, those bytes;
// and the end mark. (Redis: zipmap.c.)
func (d *Decoder) hashZipmap() error {
	b := d.nextBlob()
	if d.c.err != nil {
		return d.c.err
	}
	z := cursor{b: b}
	n := int(z.byte())
	if n >= zipmapLong {
		n = -1
	}
	if err := d.begin(value.Hash, n); err != nil {
		return err
	}
	seen := 0
	for z.left() > 0 && z.b[z.pos] != zipmapEnd {
		field := z.bytes(z.zipmapLength())
		size, unused := z.zipmapLength(), int(z.byte())
		val := z.bytes(size)
		z.skip(unused)
		if z.err != nil {
			break
		}
		if err := d.v.Field(field, val, time.Time{}); err != nil {
			return err
		}
		seen++
	}
	if z.err != nil || z.left() != 1 || n >= 0 && n != seen {
		return d.corrupt("a zipmap is cut off or does not hold as many pairs as it claims")
	}
	return nil
}

// zipmapLength reads a length of 1 byte or, after zipmapLong, 4.
func (c *cursor) zipmapLength() int {
	first := c.byte()
	if first < zipmapLong {
		return int(first)
	}
	b := c.bytes(4)
	if first == zipmapEnd || b == nil {
		c.fail("a length has an unknown form")
		return 0
	}
	return c.size(uint64(binary.LittleEndian.Uint32(b)))
}
