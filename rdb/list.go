package rdb

import "github.com/keylift/keylift/value"

// list decodes a list of strings.
func (d *Decoder) list() error {
	c := &d.c
	n := c.count(1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.List, n); err != nil {
		return err
	}
	for range n {
		if err := d.plainElement(); err != nil {
			return err
		}
	}
	return nil
}

// plainElement decodes a string that is an element of a list.
func (d *Decoder) plainElement() error {
	d.text = d.text[:0]
	element := d.next()
	if d.c.err != nil {
		return d.c.err
	}
	return d.v.Element(element)
}

// listZiplist decodes a list in one ziplist.
func (d *Decoder) listZiplist() error {
	n, err := d.openBlob(openZiplist)
	if err != nil {
		return err
	}
	if err := d.begin(value.List, n); err != nil {
		return err
	}
	return d.packedElements()
}

// packedElements decodes the elements of a list that d.pack holds.
func (d *Decoder) packedElements() error {
	for d.pack.more() {
		d.text = d.text[:0]
		element, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		if err := d.v.Element(element); err != nil {
			return err
		}
	}
	return d.closePacked()
}

// The containers of a node of a quicklist.
const (
	quicklistPlain  = 1 // the node is one element
	quicklistPacked = 2 // the node is a listpack
)

// quicklist decodes a list in nodes: ziplists or, in its second form, listpacks
// and large elements on their own.
func (d *Decoder) quicklist(op opcode) error {
	c := &d.c
	n := c.count(1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.List, -1); err != nil {
		return err
	}
	for range n {
		open, container := openZiplist, uint64(quicklistPacked)
		if op == opListQuicklist2 {
			open, container = openListpack, c.number()
		}
		if err := d.quicklistNode(open, container); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) quicklistNode(open opener, container uint64) error {
	if d.c.err != nil {
		return d.c.err
	}
	switch container {
	case quicklistPlain:
		return d.plainElement()
	case quicklistPacked:
		if _, err := d.openBlob(open); err != nil {
			return err
		}
		return d.packedElements()
	}
	return d.corrupt("a node of a list has an unknown container")
}
