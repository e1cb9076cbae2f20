package rdb

import (
	"time"

	"github.com/keylift/keylift/value"
)

// The forms that the field names of a template are written in.
const (
	templateNamesPacked = 0 // a listpack
	templateNamesPlain  = 1 // a count and strings
)

// hashTemplate decodes a hash that shares its field names with others: first all
// names, then all values, as strings or in a listpack that begins with the
// template's number. (Redis: librdb, parser.c.)
func (d *Decoder) hashTemplate(op opcode) error {
	d.text, d.names = d.text[:0], d.names[:0]
	if err := d.templateNames(); err != nil {
		return err
	}
	if op == opHashTemplate {
		return d.templatePlain()
	}
	return d.templatePacked()
}

// templateNames reads the field names into d.names.
func (d *Decoder) templateNames() error {
	c := &d.c
	switch c.number() {
	case templateNamesPacked:
		b := d.next() // not nextBlob: the names outlive the values' listpack
		if c.err != nil {
			return c.err
		}
		if _, err := d.openPacked(openListpack, b); err != nil {
			return err
		}
		for d.pack.more() {
			name, ok := d.entry()
			if !ok {
				return d.corruptEntry()
			}
			d.names = append(d.names, name)
		}
		return d.closePacked()
	case templateNamesPlain:
		for n := c.count(1); n > 0 && c.err == nil; n-- {
			d.names = append(d.names, d.next())
		}
	default:
		c.fail("the field names of a hash are of an unknown form")
	}
	return c.err
}

func (d *Decoder) templatePlain() error {
	if err := d.begin(value.Hash, len(d.names)); err != nil {
		return err
	}
	names := len(d.text)
	for _, name := range d.names {
		d.text = d.text[:names]
		val := d.next()
		if d.c.err != nil {
			return d.c.err
		}
		if err := d.v.Field(name, val, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) templatePacked() error {
	if _, err := d.openBlob(openListpack); err != nil {
		return err
	}
	if _, ok := d.integer(); !ok {
		return d.corruptEntry()
	}
	if err := d.begin(value.Hash, len(d.names)); err != nil {
		return err
	}
	names := len(d.text)
	for _, name := range d.names {
		d.text = d.text[:names]
		val, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		if err := d.v.Field(name, val, time.Time{}); err != nil {
			return err
		}
	}
	if d.pack.more() {
		return d.corrupt("a hash has more values than fields")
	}
	return d.closePacked()
}
