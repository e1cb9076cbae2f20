// Package rdb decodes Redis's serialised values: the payloads that the DUMP
// command answers with, and RDB files, read once as a stream. It knows every
// encoding that Redis up to 8 and Valkey up to 9 write, and older ones. It feeds
// what it decodes to a value.Visitor, element by element. It opens nothing, and
// it does not encode.
//
// The format has no specification; its facts are those of src/rdb.h, rdb.c,
// listpack.c, ziplist.c, zipmap.c, intset.c and t_stream.c of redis/redis and
// valkey-io/valkey.
package rdb

import (
	"encoding/binary"

	"github.com/keylift/keylift/value"
)

// A Decoder decodes serialised values. Its zero value is ready. It keeps scratch
// memory between calls; one goroutine at a time may use it.
type Decoder struct {
	c   cursor
	k   value.Key
	v   value.Visitor
	now int64 // when the value was read, in Unix ms: hash fields that expired before it are gone

	pack   packed   // the packed blob being walked
	name   []byte   // holds a key's name
	blob   []byte   // holds a decompressed blob
	text   []byte   // holds the integers and decompressed strings of one element
	names  [][]byte // the field names that the entries of a stream's node share
	fields [][]byte // the fields of one stream entry
}

// footerBytes is the length of what follows the value in a payload: the RDB
// version in 2 bytes and a CRC-64 of all before it in 8, both little endian.
const footerBytes = 10

// Dump decodes a DUMP payload and feeds v. Type, Module and Elements of k are
// filled in from the payload, the rest is the caller's. A field of a hash that
// had expired when k.ReadAt was is not fed, as HGETALL would not answer it.
//
// It returns an *UnsupportedError, before Begin, or a *CorruptError where the
// payload is at fault; an error of v is returned as it is.
func (d *Decoder) Dump(payload []byte, k value.Key, v value.Visitor) error {
	body, version, err := split(payload)
	if err != nil {
		return err
	}
	if sum := binary.LittleEndian.Uint64(payload[len(payload)-8:]); sum != 0 && sum != crc64(payload[:len(payload)-8]) {
		return &CorruptError{At: len(payload) - 8, What: "the checksum does not match"}
	}
	k.Module = ""
	d.c, d.k, d.v, d.now = cursor{b: body}, k, v, unixMs(k.ReadAt)
	err = d.keyed(version)
	d.release()
	return err
}

// keyed decodes what a payload holds of a key: its metadata, type and value.
func (d *Decoder) keyed(version int) error {
	op, err := d.c.opcode(version)
	if err != nil {
		return err
	}
	if err := d.value(op); err != nil {
		return err
	}
	if d.c.pos != len(d.c.b) {
		return &CorruptError{At: d.c.pos, What: "bytes follow the value"}
	}
	return d.v.End()
}

// begin says to the visitor what is to come.
func (d *Decoder) begin(t value.Type, elements int) error {
	d.k.Type, d.k.Elements = t, elements
	return d.v.Begin(d.k)
}

// maxScratchBytes is the largest scratch memory kept between calls; one huge
// value must not hold its memory for the rest of a run.
const maxScratchBytes = 4 << 20

// release lets go of the caller's memory and of scratch grown too large.
func (d *Decoder) release() {
	d.c, d.k, d.v = cursor{}, value.Key{}, nil
	d.pack = packed{}
	if cap(d.name) > maxScratchBytes {
		d.name = nil
	}
	if cap(d.blob) > maxScratchBytes {
		d.blob = nil
	}
	if cap(d.text) > maxScratchBytes {
		d.text = nil
	}
	d.names, d.fields = forget(d.names), forget(d.fields)
}

// maxScratchFields is the largest number of slices kept between calls.
const maxScratchFields = 4096

// forget empties s and drops what its slices point to.
func forget(s [][]byte) [][]byte {
	if cap(s) > maxScratchFields {
		return nil
	}
	if len(s) > 0 {
		clear(s[:cap(s)])
	}
	return s[:0]
}

// DumpType returns the type of the value in a DUMP payload without decoding it
// and without verifying its checksum.
func DumpType(payload []byte) (value.Type, error) {
	body, version, err := split(payload)
	if err != nil {
		return value.Unknown, err
	}
	c := cursor{b: body}
	op, err := c.opcode(version)
	if err != nil {
		return value.Unknown, err
	}
	return op.valueType(), nil
}

// split parts a payload from its footer.
func split(payload []byte) (body []byte, version int, err error) {
	n := len(payload) - footerBytes
	if n < 1 {
		return nil, 0, &CorruptError{At: len(payload), What: "the payload is too short"}
	}
	return payload[:n], int(binary.LittleEndian.Uint16(payload[n:])), nil
}
