package rdb

import (
	"time"

	"github.com/keylift/keylift/value"
)

// Block decodes the keys of b, in their order. Of each it asks visitor who is to
// be fed the value: nil passes over it. The key holds database, name, type,
// expiry and, for a module's, the name of its type; its TTL is -1 and the time of
// reading is the visitor function's to set, before which fields of hashes have
// expired. Without a function all keys are passed over.
//
// It returns an *UnsupportedError or a *CorruptError where the file is at fault;
// an error of a visitor is returned as it is. After an error of a large block its
// scanner must not be used any more.
func (d *Decoder) Block(b *Block, visitor func(k *value.Key) value.Visitor) error {
	d.c = cursor{b: b.bytes, base: b.base}
	s := b.large
	if s != nil {
		d.c.feed = &feed{r: s.r, crc: s.crc}
	}
	section := b.section
	err := d.keys(b, &section, visitor)
	if s != nil && err == nil {
		s.takeBack(&d.c, section)
	} else if s != nil {
		s.err = err
	}
	d.release()
	return err
}

// keys decodes the keys of a block, of which a large one has but one.
func (d *Decoder) keys(b *Block, s *section, visitor func(k *value.Key) value.Visitor) error {
	for d.c.left() > 0 {
		op := d.c.entry(b.version, s)
		if d.c.err != nil {
			return d.c.err
		}
		if op == opEnd { // behind what was too long to be in the block before
			d.c.pos--
			return nil
		}
		if err := d.key(op, s, visitor); err != nil {
			return err
		}
		if b.large != nil {
			return nil
		}
	}
	return nil
}

// key decodes one key, whose name and value follow.
func (d *Decoder) key(op opcode, s *section, visitor func(k *value.Key) value.Visitor) error {
	var name []byte
	name, d.name = d.c.string(d.name[:0])
	d.k = value.Key{Database: s.database, Name: name, Type: op.valueType(), TTL: -1, Elements: -1}
	k := &d.k // which the visitor function may keep no longer than the call
	if s.expires {
		k.ExpiresAt = time.UnixMilli(s.expiry)
	}
	var module uint64
	if op == opModule2 {
		module = d.c.number()
		k.Module = moduleName(module)
	}
	if d.c.err != nil {
		return d.c.err
	}
	var v value.Visitor
	if visitor != nil {
		v = visitor(k)
	}
	switch {
	case v == nil && op == opModule2:
		d.c.skipModuleValue()
		return d.c.err
	case v == nil:
		d.c.skipValue(op)
		return d.c.err
	}
	d.v, d.now = v, unixMs(k.ReadAt)
	if op == opModule2 {
		if err := d.moduleOf(module); err != nil {
			return err
		}
	} else if err := d.value(op); err != nil {
		return err
	}
	return d.v.End()
}
