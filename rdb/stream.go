package rdb

import (
	"encoding/binary"

	"github.com/keylift/keylift/value"
)

// streamIDBytes is the length of an ID: ms and seq, big endian.
const streamIDBytes = 16

// stream decodes a stream: nodes of entries, then what is known of the stream and
// its consumer groups. (Redis: t_stream.c.)
func (d *Decoder) stream(op opcode) error {
	c := &d.c
	n := c.count(1 + streamIDBytes + 1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.Stream, -1); err != nil {
		return err
	}
	for range n {
		d.text = d.text[:0]
		id := d.next()
		if c.err == nil && len(id) != streamIDBytes {
			c.fail("the ID of a stream's node is not 16 bytes")
		}
		if c.err != nil {
			return c.err
		}
		first := value.StreamID{Ms: binary.BigEndian.Uint64(id), Seq: binary.BigEndian.Uint64(id[8:])}
		if _, err := d.openBlob(openListpack); err != nil {
			return err
		}
		if err := d.streamNode(first); err != nil {
			return err
		}
	}
	c.skipStreamState(op)
	return c.err
}

// The flags of a stream entry.
const (
	streamDeleted    = 1
	streamSameFields = 2 // it has the fields of the master entry and holds values alone
)

// streamNode decodes the listpack that d.pack holds: a master entry, which is
// the number of entries and of deleted ones, the number of field names, the names
// and 0; then the entries.
func (d *Decoder) streamNode(first value.StreamID) error {
	live, ok1 := d.integer()
	deleted, ok2 := d.integer()
	names, ok3 := d.integer()
	if !ok1 || !ok2 || !ok3 {
		return d.corruptEntry()
	}
	d.text, d.names = d.text[:0], d.names[:0]
	for range names {
		name, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		d.names = append(d.names, name)
	}
	if end, ok := d.integer(); !ok || end != 0 {
		return d.corruptEntry()
	}
	entries, shared := int64(0), len(d.text)
	for ; d.pack.more(); entries++ {
		d.text = d.text[:shared]
		if err := d.streamEntry(first); err != nil {
			return err
		}
	}
	if entries != live+deleted {
		return d.corrupt("a stream's node does not hold as many entries as it claims")
	}
	return d.closePacked()
}

// streamEntry decodes an entry: its flags, its ID less the node's, the number of
// fields unless they are the master entry's, fields and values, and the number of
// pieces that make up the entry.
func (d *Decoder) streamEntry(first value.StreamID) error {
	before := d.pack.seen
	flags, ok1 := d.integer()
	ms, ok2 := d.integer()
	seq, ok3 := d.integer()
	if !ok1 || !ok2 || !ok3 {
		return d.corruptEntry()
	}
	d.fields = d.fields[:0]
	if flags&streamSameFields != 0 {
		for _, name := range d.names {
			val, ok := d.entry()
			if !ok {
				return d.corruptEntry()
			}
			d.fields = append(d.fields, name, val)
		}
	} else if !d.streamFields() {
		return d.corruptEntry()
	}
	pieces := int64(d.pack.seen - before)
	if n, ok := d.integer(); !ok || n != pieces {
		return d.corruptEntry()
	}
	if flags&streamDeleted != 0 {
		return nil
	}
	return d.v.Entry(value.StreamID{Ms: first.Ms + uint64(ms), Seq: first.Seq + uint64(seq)}, d.fields)
}

// streamFields reads the fields and values of an entry into d.fields.
func (d *Decoder) streamFields() bool {
	n, ok := d.integer()
	for i := int64(0); i < n && ok; i++ {
		var name, val []byte
		if name, ok = d.entry(); !ok {
			return false
		}
		val, ok = d.entry()
		d.fields = append(d.fields, name, val)
	}
	return ok && n >= 0
}
