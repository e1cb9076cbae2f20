package rdb

import "github.com/keylift/keylift/value"

// set decodes a set of strings.
func (d *Decoder) set() error {
	c := &d.c
	n := c.count(1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.Set, n); err != nil {
		return err
	}
	for range n {
		d.text = d.text[:0]
		member := d.next()
		if c.err != nil {
			return c.err
		}
		if err := d.v.Member(member); err != nil {
			return err
		}
	}
	return nil
}

// setListpack decodes a set in a listpack.
func (d *Decoder) setListpack() error {
	n, err := d.openBlob(openListpack)
	if err != nil {
		return err
	}
	if err := d.begin(value.Set, n); err != nil {
		return err
	}
	for d.pack.more() {
		d.text = d.text[:0]
		member, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		if err := d.v.Member(member); err != nil {
			return err
		}
	}
	return d.closePacked()
}
