package rdb

import "encoding/binary"

// The opcodes that stand between the keys of a file. (Redis, Valkey: rdb.h.)
const (
	opSlotImport   opcode = 243 // of Valkey 9; of Redis, opKeyMetadata
	opSlotInfo     opcode = 244
	opFunction2    opcode = 245
	opModuleAux    opcode = 247
	opIdle         opcode = 248
	opFreq         opcode = 249
	opAux          opcode = 250
	opResizeDB     opcode = 251
	opExpiryMs     opcode = 252
	opExpirySecond opcode = 253
	opSelectDB     opcode = 254
	opEnd          opcode = 255
)

// A section is what a file has said up to a place about the keys that follow.
type section struct {
	database int
	expires  bool  // the next key does
	expiry   int64 // when, in Unix ms
	aux      func(name, text []byte)
}

// entry passes over what stands between keys and returns the opcode of the next
// key, or opEnd behind the last. Where it fails, c.err is set.
func (c *cursor) entry(version int, s *section) opcode {
	s.expires = false
	for c.err == nil {
		switch op := opcode(c.byte()); op {
		case opExpiryMs:
			s.expires, s.expiry = true, int64(c.uint64())
		case opExpirySecond:
			if b := c.bytes(4); b != nil {
				s.expires, s.expiry = true, 1000*int64(int32(binary.LittleEndian.Uint32(b)))
			}
		case opIdle:
			c.number()
		case opFreq:
			c.byte()
		case opSelectDB:
			if s.database = int(c.number()); s.database < 0 || s.database > maxDatabase {
				c.fail("a database has an impossible number")
			}
		case opResizeDB:
			c.skipNumbers(2)
		case opSlotInfo:
			c.skipNumbers(3)
		case opAux:
			c.aux(s)
		case opFunction2:
			c.skipString()
		case opModuleAux:
			c.number() // which module
			c.skipModuleValue()
		case opEnd:
			return opEnd
		default:
			if c.err != nil {
				return opEnd
			}
			if op == opSlotImport && version >= firstValkeyVersion {
				c.slotImport()
				continue
			}
			return c.keyOpcode(version)
		}
	}
	return opEnd
}

const maxDatabase = 1<<31 - 1

// aux reads a fact about the file: a name and a text.
func (c *cursor) aux(s *section) {
	if s.aux == nil {
		c.skipString()
		c.skipString()
		return
	}
	name, scratch := c.string(nil)
	text, _ := c.string(scratch)
	if c.err == nil {
		s.aux(name, text)
	}
}

// slotImport passes over what Valkey says of slots on their way to it.
func (c *cursor) slotImport() {
	c.skipString()
	for n := c.count(2); n > 0 && c.err == nil; n-- {
		c.skipNumbers(2)
	}
}

// keyOpcode reads the type byte again that the cursor has just passed, with what
// modules have attached to the key.
func (c *cursor) keyOpcode(version int) opcode {
	c.pos--
	op, err := c.opcode(version)
	if err == nil && (op == opHashTemplate || op == opHashTemplatePacked) {
		err = &UnsupportedError{Opcode: byte(op), Version: version}
	}
	if c.err == nil && err != nil {
		c.err = err
	}
	return op
}
