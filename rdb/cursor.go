package rdb

import "encoding/binary"

// A cursor reads a serialised value from front to back. After its first failure
// err is set, nothing is left, and what it returns is empty: a caller may read
// several things before it looks at err.
type cursor struct {
	b     []byte
	pos   int
	err   error
	base  int   // what b[0] is the index of
	feed  *feed // where more comes from; nil: b is all there is
	short bool  // it failed because b ended
}

// fail records that the value is corrupt where the cursor stands.
func (c *cursor) fail(what string) {
	if c.err == nil {
		c.err = &CorruptError{At: c.base + c.pos, What: what}
		c.pos = len(c.b)
	}
}

// ended tells what to do where n bytes are wanted that b does not hold: it
// reports whether the feed had them.
func (c *cursor) ended(n int) bool {
	if c.feed != nil && c.err == nil && n >= 0 {
		return c.refill(n)
	}
	if c.err == nil {
		c.short = true
		c.fail(truncated)
	}
	return false
}

const truncated = "the value ends too early"

// left returns the number of bytes not yet read.
func (c *cursor) left() int { return len(c.b) - c.pos }

// byte reads one byte.
func (c *cursor) byte() byte {
	if c.pos >= len(c.b) && !c.ended(1) {
		return 0
	}
	c.pos++
	return c.b[c.pos-1]
}

// bytes reads the next n bytes. They are part of the cursor's memory.
func (c *cursor) bytes(n int) []byte {
	if (n < 0 || n > c.left()) && !c.ended(n) {
		return nil
	}
	c.pos += n
	return c.b[c.pos-n : c.pos]
}

// skip passes over n bytes.
func (c *cursor) skip(n int) { c.bytes(n) }

// uint64 reads 8 bytes, little endian.
func (c *cursor) uint64() uint64 {
	b := c.bytes(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// length reads a length as RDB encodes it: the first two bits say whether it is
// the other 6, or those and the next byte, or the next 4 or 8 bytes. If the two
// bits say that no length but a special encoding follows, special is set and n
// names the encoding.
func (c *cursor) length() (n uint64, special bool) {
	first := c.byte()
	switch first >> 6 {
	case 0:
		return uint64(first), false
	case 1:
		return uint64(first&0x3f)<<8 | uint64(c.byte()), false
	case 3:
		return uint64(first & 0x3f), true
	}
	switch first {
	case 0x80:
		if b := c.bytes(4); b != nil {
			return uint64(binary.BigEndian.Uint32(b)), false
		}
	case 0x81:
		if b := c.bytes(8); b != nil {
			return binary.BigEndian.Uint64(b), false
		}
	default:
		c.fail("a length has an unknown form")
	}
	return 0, false
}

// number reads a length that stands for itself.
func (c *cursor) number() uint64 {
	n, special := c.length()
	if special {
		c.fail("a string's encoding stands where a length belongs")
		return 0
	}
	return n
}

// count reads the number of the things that follow, each of which takes at least
// minBytes. The result is no larger than what is left can hold, where that is
// known.
func (c *cursor) count(minBytes int) int {
	n := c.number()
	if n > uint64(c.left()/minBytes) && (c.feed == nil || n > maxLength) {
		c.short = c.err == nil
		c.fail("a count exceeds what follows")
		return 0
	}
	return int(n)
}
