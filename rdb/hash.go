package rdb

import (
	"time"

	"github.com/keylift/keylift/value"
)

// hash decodes a hash of strings: fields and values alternate.
func (d *Decoder) hash() error {
	c := &d.c
	n := c.count(1 + 1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.Hash, n); err != nil {
		return err
	}
	for range n {
		d.text = d.text[:0]
		field, val := d.next(), d.next()
		if c.err != nil {
			return c.err
		}
		if err := d.v.Field(field, val, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// hashPacked decodes a hash in a listpack or a ziplist: fields and values
// alternate.
func (d *Decoder) hashPacked(open opener) error {
	n, err := d.openBlob(open)
	if err != nil {
		return err
	}
	if err := d.begin(value.Hash, elements(n, 2)); err != nil {
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
		if err := d.v.Field(field, val, time.Time{}); err != nil {
			return err
		}
	}
	return d.closePacked()
}
