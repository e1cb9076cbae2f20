package rdb

import (
	"encoding/binary"
	"strconv"

	"github.com/keylift/keylift/value"
)

// intsetHeader is the length of an intset's header: the size of its integers and
// their number, in 4 bytes each, little endian.
const intsetHeader = 8

// setIntset decodes a set of integers of 2, 4 or 8 bytes each. (Redis: intset.c.)
func (d *Decoder) setIntset() error {
	b := d.nextBlob()
	if d.c.err != nil {
		return d.c.err
	}
	if len(b) < intsetHeader {
		return d.corrupt("an intset has no header")
	}
	size, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if size != 2 && size != 4 && size != 8 {
		return d.corrupt("an intset has integers of an unknown size")
	}
	b = b[intsetHeader:]
	if uint64(n)*uint64(size) != uint64(len(b)) {
		return d.corrupt("an intset does not hold as many integers as it claims")
	}
	if err := d.begin(value.Set, int(n)); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[size:] {
		d.text = strconv.AppendInt(d.text[:0], signed(b[:size]), 10)
		if err := d.v.Member(d.text); err != nil {
			return err
		}
	}
	return nil
}
