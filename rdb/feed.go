package rdb

import (
	"errors"
	"io"
)

// A feed is where a cursor finds more of a file when its memory ends.
type feed struct {
	r   io.Reader
	crc uint64 // of all that lies before the cursor's memory
}

// feedBytes is how much more a cursor reads at least.
const feedBytes = 256 << 10

// refill reads on until n bytes are left. What was read before stays as it is:
// its memory is not used again.
func (c *cursor) refill(n int) bool {
	for c.left() < n {
		if len(c.b) == cap(c.b) {
			c.extend(n)
		}
		read, err := c.feed.r.Read(c.b[len(c.b):cap(c.b)])
		c.b = c.b[:len(c.b)+read]
		if err != nil && c.left() < n {
			return c.broken(err)
		}
	}
	return true
}

// extend moves what is left to memory with room for more. A length that claims
// to be huge is believed as its bytes arrive.
func (c *cursor) extend(n int) {
	c.feed.crc = appendCRC64(c.feed.crc, c.b[:c.pos])
	c.base += c.pos
	left := c.b[c.pos:]
	b := make([]byte, len(left), len(left)+max(feedBytes, min(n-len(left), len(left))))
	copy(b, left)
	c.b, c.pos = b, 0
}

// broken records why there is no more.
func (c *cursor) broken(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.short = true
		c.fail(truncatedFile)
		return false
	}
	c.err, c.pos = err, len(c.b)
	return false
}

const truncatedFile = "the file ends too early"
