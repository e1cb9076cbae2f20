package rdb

import "strconv"

// A packed is a list of strings and integers packed into one blob: a listpack or
// a ziplist. It is walked from front to back.
type packed struct {
	b       []byte // the entries and, last, the end mark
	pos     int
	ziplist bool
	count   int // entries that the header claims; -1: it does not say
	seen    int // entries read
}

// packedEnd is the byte after the last entry.
const packedEnd = 0xff

// packedUncounted is the count of a header where the number of entries does not
// fit.
const packedUncounted = 0xffff

// An opener begins to walk a blob; ok is false where it is none.
type opener func(b []byte) (p packed, ok bool)

// more reports whether an entry is left.
func (p *packed) more() bool { return p.pos < len(p.b)-1 }

// read reads the next entry: text or, where text is nil, the integer n.
func (p *packed) read() (text []byte, n int64, ok bool) {
	p.seen++
	if p.ziplist {
		return p.readZiplist()
	}
	return p.readListpack()
}

// advance moves past an entry of size bytes and reports whether it ends before
// the end mark.
func (p *packed) advance(size int) bool {
	if size >= len(p.b)-p.pos {
		return false
	}
	p.pos += size
	return true
}

// complete reports whether as many entries were read as the header claims.
func (p *packed) complete() bool { return p.count < 0 || p.count == p.seen }

// openBlob reads the next string and begins to walk it as d.pack. It returns the
// number of entries, or -1 if that is not known.
func (d *Decoder) openBlob(f opener) (int, error) {
	b := d.nextBlob()
	if d.c.err != nil {
		return 0, d.c.err
	}
	return d.openPacked(f, b)
}

func (d *Decoder) openPacked(f opener, b []byte) (int, error) {
	var ok bool
	if d.pack, ok = f(b); !ok {
		return 0, d.corrupt("a packed string is cut off or has no valid header")
	}
	return d.pack.count, nil
}

// entry reads the next entry of d.pack as text. An integer is appended to
// d.text.
func (d *Decoder) entry() (text []byte, ok bool) {
	p := &d.pack
	if !p.ziplist && p.pos < len(p.b) {
		if c := p.b[p.pos]; c&0xc0 == 0x80 { // text of up to 63 bytes in a listpack
			start := p.pos + 1
			end := start + int(c&0x3f)
			if end >= len(p.b)-1 {
				return nil, false
			}
			p.pos = end + 1
			p.seen++
			return p.b[start:end], true
		}
	}
	text, n, ok := p.read()
	if text == nil && ok {
		start := len(d.text)
		d.text = strconv.AppendInt(d.text, n, 10)
		text = d.text[start:]
	}
	return text, ok
}

// integer reads the next entry of d.pack, which must be an integer.
func (d *Decoder) integer() (n int64, ok bool) {
	text, n, ok := d.pack.read()
	return n, ok && text == nil
}

// closePacked ends the walk of d.pack.
func (d *Decoder) closePacked() error {
	if !d.pack.complete() {
		return d.corrupt("a packed string does not hold as many entries as it claims")
	}
	return nil
}

// elements returns how many elements of per entries each a blob of n entries
// holds.
func elements(n, per int) int {
	if n < 0 {
		return -1
	}
	return n / per
}

// corruptEntry is the error for an entry of d.pack that cannot be read.
func (d *Decoder) corruptEntry() error {
	return d.corrupt("an entry of a packed string is missing, cut off or of an unknown form")
}

// corrupt is the error for what was found in the string last read.
func (d *Decoder) corrupt(what string) error {
	return &CorruptError{At: d.c.base + d.c.pos, What: what}
}
