package rdb

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"
	"sync"
	"time"
)

// A Scanner splits an RDB file, which is read once from front to back, into
// blocks of whole keys that may be decoded in parallel. It verifies the file's
// checksum. One goroutine at a time may use it.
type Scanner struct {
	r       io.Reader
	version int // of the file; 0: its header has not been read
	section section
	aux     map[string]string

	buffer *[]byte // what is read and in no block yet
	base   int     // the index of the buffer's first byte
	crc    uint64  // of what lies before the buffer
	large  *Block  // the last block, if its key is decoded from r
	read   error   // why r has no more; nil: it may have
	err    error   // what Next returns from now on
	mark   int     // index in the buffer of the end mark, once it is found
	most   int     // bytes of a block
}

// How much of a file is in one block, in bytes: a little, unless one key alone is
// longer; one that is longer than the largest block is decoded as it is read.
const (
	blockBytes    = 512 << 10
	maxBlockBytes = 8 << 20
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, blockBytes); return &b }}

// bufferOf returns a buffer that begins with what is left of another.
func bufferOf(rest []byte) *[]byte {
	b := buffers.Get().(*[]byte)
	*b = append((*b)[:0], rest...)
	return b
}

// NewScanner returns a scanner of the file that r reads. Where the file ends, r
// must end, too.
func NewScanner(r io.Reader) *Scanner {
	s := &Scanner{r: r, aux: map[string]string{}, buffer: bufferOf(nil), most: maxBlockBytes}
	s.section.aux = func(name, text []byte) {
		if len(s.aux) < maxAux && len(text) < maxAuxBytes {
			s.aux[string(name)] = string(text)
		}
	}
	return s
}

const (
	maxAux      = 64
	maxAuxBytes = 256
)

// A Block is a run of whole keys of a file, or one large key that is still to be
// read.
type Block struct {
	version int
	section section // in front of the block
	bytes   []byte
	base    int
	buffer  *[]byte  // holds bytes
	large   *Scanner // that a large key is read from; nil for others
}

// Large reports whether the block is one large key: it has to be decoded before
// the scanner is used again, in the same goroutine.
func (b *Block) Large() bool { return b.large != nil }

// Release gives the block's memory back. It must not be used afterwards.
func (b *Block) Release() {
	if b.buffer != nil && cap(*b.buffer) <= 2*blockBytes {
		buffers.Put(b.buffer)
	}
	b.buffer, b.bytes = nil, nil
}

// Aux returns what the file says of itself under a name such as "redis-ver", or
// "". It is known once Next has returned the first block.
func (s *Scanner) Aux(name string) string { return s.aux[name] }

// Created returns when the file was begun, to the second, or the zero time if it
// does not say. It is known once Next has returned the first block.
func (s *Scanner) Created() time.Time {
	sec, err := strconv.ParseInt(s.aux["ctime"], 10, 64)
	if err != nil || sec <= 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// Next returns the next block, which the caller owns. io.EOF follows the last
// one and says that the file is complete and its checksum is right. Otherwise the
// error is a *CorruptError, an *UnsupportedError or that of the reader.
func (s *Scanner) Next() (*Block, error) {
	if s.large != nil {
		// Whoever did not want the key has not read it.
		if err := new(Decoder).Block(s.large, nil); err != nil {
			return nil, err
		}
	}
	for s.err == nil {
		s.fill()
		end, state, done, err := s.scan()
		switch {
		case err != nil:
			s.err = err
		case done:
			if s.err = s.verify(s.mark); errors.Is(s.err, io.EOF) && end > 0 {
				return s.cut(end, state), nil
			}
		case end > 0:
			return s.cut(end, state), nil
		case cap(*s.buffer) < s.most:
			s.grow()
		default:
			return s.hand(), nil
		}
	}
	return nil, s.err
}

// fill reads until the buffer is full or the reader has ended.
func (s *Scanner) fill() {
	b := *s.buffer
	for s.read == nil && len(b) < cap(b) {
		n, err := s.r.Read(b[len(b):cap(b)])
		b, s.read = b[:len(b)+n], err
	}
	*s.buffer = b
}

// grow doubles the buffer.
func (s *Scanner) grow() {
	b := make([]byte, len(*s.buffer), 2*cap(*s.buffer))
	copy(b, *s.buffer)
	s.buffer = &b
}

// scan passes over the entries in the buffer. It returns where the last whole key
// ends and what holds behind it; done says that the file's end follows.
func (s *Scanner) scan() (end int, state section, done bool, err error) {
	c := cursor{b: *s.buffer, base: s.base}
	if s.version == 0 {
		if err := s.header(&c); err != nil {
			return 0, section{}, false, err
		}
		s.crc = crc64(c.b[:c.pos])
		*s.buffer = append((*s.buffer)[:0], c.b[c.pos:]...)
		s.base = c.pos
		c = cursor{b: *s.buffer, base: s.base}
	}
	current := s.section
	state = current
	for {
		op := c.entry(s.version, &current)
		if c.err == nil && op == opEnd {
			if s.read == nil && c.left() < checksumBytes {
				return end, state, false, nil
			}
			s.mark = c.pos - 1
			return end, state, true, nil
		}
		c.skipString()
		c.skipValue(op)
		if c.err != nil {
			break
		}
		end, state = c.pos, current
	}
	if !c.short {
		return end, state, false, c.err
	}
	if s.read == nil {
		return end, state, false, nil
	}
	if !errors.Is(s.read, io.EOF) {
		return 0, state, false, s.read
	}
	return 0, state, false, &CorruptError{At: s.base + len(*s.buffer), What: truncatedFile}
}

const (
	headerBytes   = 9
	checksumBytes = 8

	// firstWithChecksum is the first version of files that end with a checksum.
	firstWithChecksum = 5
)

// header reads the first bytes: REDIS or VALKEY, and the version in digits.
func (s *Scanner) header(c *cursor) error {
	if len(c.b) < headerBytes && s.read != nil && !errors.Is(s.read, io.EOF) {
		return s.read
	}
	magic := string(c.bytes(headerBytes))
	for _, name := range []string{"REDIS", "VALKEY"} {
		if len(magic) == headerBytes && magic[:len(name)] == name {
			if v, err := strconv.ParseUint(magic[len(name):], 10, 16); err == nil && v > 0 {
				s.version = int(v)
				return nil
			}
		}
	}
	return &CorruptError{At: 0, What: "it does not begin as an RDB file does"}
}

// verify compares the checksum that follows the end mark at an index of the
// buffer, and returns io.EOF if all is well.
func (s *Scanner) verify(mark int) error {
	b := *s.buffer
	crc := appendCRC64(s.crc, b[:mark+1])
	rest := b[mark+1:]
	if s.version >= firstWithChecksum {
		if len(rest) < checksumBytes {
			return s.ending(len(b), truncatedFile)
		}
		if sum := binary.LittleEndian.Uint64(rest); sum != 0 && sum != crc {
			return &CorruptError{At: s.base + mark + 1, What: "the checksum does not match"}
		}
		rest = rest[checksumBytes:]
	}
	if len(rest) > 0 {
		return &CorruptError{At: s.base + len(b) - len(rest), What: "bytes follow the end of the file"}
	}
	return s.ended()
}

// ending returns why the reader ended where the file does not.
func (s *Scanner) ending(at int, what string) error {
	if s.read != nil && !errors.Is(s.read, io.EOF) {
		return s.read
	}
	return &CorruptError{At: s.base + at, What: what}
}

// ended returns io.EOF if the reader ends here, too.
func (s *Scanner) ended() error {
	var one [1]byte
	for s.read == nil {
		n, err := s.r.Read(one[:])
		if n > 0 {
			return &CorruptError{At: s.base + len(*s.buffer), What: "bytes follow the end of the file"}
		}
		s.read = err
	}
	return s.read
}

// cut makes a block of the buffer up to end.
func (s *Scanner) cut(end int, after section) *Block {
	b := &Block{version: s.version, section: s.section, bytes: (*s.buffer)[:end], base: s.base, buffer: s.buffer}
	b.section.aux = nil
	s.crc = appendCRC64(s.crc, b.bytes)
	s.base += end
	rest := (*s.buffer)[end:]
	s.buffer = bufferOf(rest)
	s.section = after
	return b
}

// hand makes a block of a key that is too long for the buffer.
func (s *Scanner) hand() *Block {
	s.large = &Block{version: s.version, section: s.section, bytes: *s.buffer, base: s.base, large: s}
	return s.large
}

// takeBack goes on behind a large key.
func (s *Scanner) takeBack(c *cursor, after section) {
	s.large.large, s.large = nil, nil
	s.crc = appendCRC64(c.feed.crc, c.b[:c.pos])
	s.base = c.base + c.pos
	s.section = after
	s.buffer = bufferOf(c.b[c.pos:])
}

// unixMs returns t in Unix ms; the zero time lies before all others.
func unixMs(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixMilli()
}

// Version returns the RDB version of the file, known once Next has returned the
// first block: 12 for Redis 7.4 and 8.0, 80 for Valkey 9.
func (s *Scanner) Version() int { return s.version }
