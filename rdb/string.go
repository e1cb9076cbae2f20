package rdb

import (
	"encoding/binary"
	"strconv"

	"github.com/keylift/keylift/value"
)

// The special encodings of strings.
const (
	encodingInt8  = 0
	encodingInt16 = 1
	encodingInt32 = 2
	encodingLZF   = 3
)

// string decodes the value of type string.
func (d *Decoder) string() error {
	if d.c.feed != nil {
		return d.longString()
	}
	d.text = d.text[:0]
	s := d.next()
	if d.c.err != nil {
		return d.c.err
	}
	if err := d.begin(value.String, len(s)); err != nil {
		return err
	}
	return d.v.String(s)
}

// pieceBytes is the length of the pieces that a string which is not in memory is
// fed in.
const pieceBytes = 64 << 10

// longString decodes a string that is still to come, without holding all of it
// unless it is compressed.
func (d *Decoder) longString() error {
	n, special := d.c.length()
	if special {
		d.text = d.text[:0]
		s := d.special(n)
		if d.c.err != nil {
			return d.c.err
		}
		if err := d.begin(value.String, len(s)); err != nil {
			return err
		}
		return d.v.String(s)
	}
	left := d.c.size(n)
	if left < 0 {
		d.c.fail("a string is longer than any can be")
	}
	if d.c.err != nil {
		return d.c.err
	}
	if err := d.begin(value.String, left); err != nil {
		return err
	}
	for first := true; left > 0 || first; first = false {
		piece := d.c.bytes(min(left, pieceBytes))
		if d.c.err != nil {
			return d.c.err
		}
		if err := d.v.String(piece); err != nil {
			return err
		}
		left -= len(piece)
	}
	return nil
}

// special reads the rest of a string whose length said that it is encoded.
func (d *Decoder) special(encoding uint64) []byte {
	var s []byte
	s, d.text = d.c.special(encoding, d.text)
	return s
}

// next reads the next string. It is part of the payload or of d.text, which it
// appends to: it is valid until d.text is truncated for the next element.
func (d *Decoder) next() []byte {
	c := &d.c
	if c.pos < len(c.b) {
		if n := int(c.b[c.pos]); n < 64 && n < len(c.b)-c.pos { // a plain string of up to 63 bytes
			start := c.pos + 1
			c.pos = start + n
			return c.b[start:c.pos]
		}
	}
	var s []byte
	s, d.text = c.string(d.text)
	return s
}

// nextBlob reads the next string, which holds packed elements. It is part of the
// payload or of d.blob: it is valid until the next call.
func (d *Decoder) nextBlob() []byte {
	var s []byte
	s, d.blob = d.c.string(d.blob[:0])
	return s
}

// string reads a string. It is part of the cursor's memory or, if it has to be
// formatted or decompressed, appended to scratch, which is returned.
func (c *cursor) string(scratch []byte) (s, _ []byte) {
	n, special := c.length()
	if !special {
		return c.bytes(c.size(n)), scratch
	}
	return c.special(n, scratch)
}

// special reads what follows a length that named an encoding.
func (c *cursor) special(encoding uint64, scratch []byte) (s, _ []byte) {
	if encoding == encodingLZF {
		return c.lzf(scratch)
	}
	start := len(scratch)
	scratch = strconv.AppendInt(scratch, c.integer(encoding), 10)
	return scratch[start:], scratch
}

// integer reads a string that is encoded as an integer.
func (c *cursor) integer(encoding uint64) int64 {
	switch encoding {
	case encodingInt8:
		return int64(int8(c.byte()))
	case encodingInt16:
		if b := c.bytes(2); b != nil {
			return int64(int16(binary.LittleEndian.Uint16(b)))
		}
	case encodingInt32:
		if b := c.bytes(4); b != nil {
			return int64(int32(binary.LittleEndian.Uint32(b)))
		}
	default:
		c.fail("a string has an unknown encoding")
	}
	return 0
}

// maxLength is more than any server can hold.
const maxLength = 1 << 48

// size turns a length read into one that bytes takes: -1 if it is too large.
func (c *cursor) size(n uint64) int {
	if n > uint64(len(c.b)) && (c.feed == nil || n > maxLength) {
		return -1
	}
	return int(n)
}

// lzf reads a compressed string: both lengths, then the compressed bytes.
func (c *cursor) lzf(scratch []byte) (s, _ []byte) {
	packed, plain := c.number(), c.number()
	src := c.bytes(c.size(packed))
	if plain > uint64(len(src))*lzfMaxExpansion {
		c.fail("a compressed string claims to be longer than it can be")
	}
	if c.err != nil {
		return nil, scratch
	}
	scratch, ok := appendLZF(scratch, src, int(plain))
	if !ok {
		c.fail("a compressed string does not decompress")
		return nil, scratch
	}
	return scratch[len(scratch)-int(plain):], scratch
}

// skipString passes over a string.
func (c *cursor) skipString() {
	if c.pos < len(c.b) {
		if n := int(c.b[c.pos]); n < 64 && n < len(c.b)-c.pos { // a plain string of up to 63 bytes
			c.pos += 1 + n
			return
		}
	}
	n, special := c.length()
	switch {
	case !special:
		c.skipLong(n)
	case n == encodingLZF:
		packed := c.number()
		c.number()
		c.skipLong(packed)
	default:
		c.integer(n)
	}
}

// skipLong passes over n bytes without asking for all of them at once.
func (c *cursor) skipLong(n uint64) {
	if c.feed == nil {
		c.skip(c.size(n))
		return
	}
	for ; n > pieceBytes && c.err == nil; n -= pieceBytes {
		c.skip(pieceBytes)
	}
	c.skip(int(min(n, pieceBytes)))
}
