package rdb

import (
	"math"
	"time"

	"github.com/keylift/keylift/value"
)

// Hashes whose fields may expire. How many of their fields have expired already
// is not known beforehand.

// hashMetadata decodes a hash whose fields are each preceded by their expiry: 0
// for none, else 1 more than the time from the earliest expiry of the hash, which
// precedes them all. Release candidates wrote neither: there it is the time.
func (d *Decoder) hashMetadata(op opcode) error {
	c := &d.c
	var base uint64
	if op == opHashMetadata {
		base = c.uint64() - 1
	}
	n := c.count(1 + 1 + 1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.Hash, -1); err != nil {
		return err
	}
	for range n {
		d.text = d.text[:0]
		expiry := c.number()
		field, val := d.next(), d.next()
		if c.err != nil {
			return c.err
		}
		if expiry != noExpiry {
			expiry += base
		}
		if err := d.fieldUntil(field, val, expiry); err != nil {
			return err
		}
	}
	return nil
}

// hashListpackEx decodes a hash in a listpack of field, value and expiry, which
// is 0 for none. The earliest of them precedes the listpack, but for release
// candidates.
func (d *Decoder) hashListpackEx(op opcode) error {
	if op == opHashListpackEx {
		d.c.skip(8)
	}
	if _, err := d.openBlob(openListpack); err != nil {
		return err
	}
	if err := d.begin(value.Hash, -1); err != nil {
		return err
	}
	for d.pack.more() {
		d.text = d.text[:0]
		field, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		val, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		expiry, ok := d.integer()
		if !ok {
			return d.corruptEntry()
		}
		if err := d.fieldUntil(field, val, uint64(expiry)); err != nil {
			return err
		}
	}
	return d.closePacked()
}

// hashValkey decodes a hash whose fields and values are each followed by their
// expiry, which is -1 for none.
func (d *Decoder) hashValkey() error {
	c := &d.c
	n := c.count(1 + 1 + 8)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.Hash, -1); err != nil {
		return err
	}
	for range n {
		d.text = d.text[:0]
		field, val := d.next(), d.next()
		expiry := c.uint64()
		if c.err != nil {
			return c.err
		}
		if expiry == valkeyNoExpiry {
			expiry = noExpiry
		}
		if err := d.fieldUntil(field, val, expiry); err != nil {
			return err
		}
	}
	return nil
}

const (
	noExpiry       = 0
	valkeyNoExpiry = math.MaxUint64
)

// fieldUntil feeds a field unless it has expired. The expiry is in Unix ms.
func (d *Decoder) fieldUntil(field, val []byte, expiry uint64) error {
	if expiry == noExpiry {
		return d.v.Field(field, val, time.Time{})
	}
	if expiry > math.MaxInt64 {
		return d.corrupt("the expiry of a field is no time")
	}
	if int64(expiry) < d.now {
		return nil
	}
	return d.v.Field(field, val, time.UnixMilli(int64(expiry)))
}
