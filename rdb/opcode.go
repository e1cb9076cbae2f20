package rdb

import "github.com/keylift/keylift/value"

// An opcode is the type byte before a serialised value. It says both what the
// value is and how it is encoded.
type opcode uint16

// The opcodes that Redis writes, and those before 22 Valkey too. (Redis: rdb.h.)
const (
	opString             opcode = 0
	opList               opcode = 1
	opSet                opcode = 2
	opZSet               opcode = 3 // scores as text
	opHash               opcode = 4
	opZSet2              opcode = 5 // scores in binary
	opModule2            opcode = 7 // 6, of release candidates of Redis 4, cannot be skipped
	opHashZipmap         opcode = 9
	opListZiplist        opcode = 10
	opSetIntset          opcode = 11
	opZSetZiplist        opcode = 12
	opHashZiplist        opcode = 13
	opListQuicklist      opcode = 14
	opStreamListpacks    opcode = 15
	opHashListpack       opcode = 16
	opZSetListpack       opcode = 17
	opListQuicklist2     opcode = 18
	opStreamListpacks2   opcode = 19
	opSetListpack        opcode = 20
	opStreamListpacks3   opcode = 21
	opHashMetadataRC     opcode = 22 // of release candidates of Redis 7.4
	opHashListpackExRC   opcode = 23
	opHashMetadata       opcode = 24
	opHashListpackEx     opcode = 25
	opStreamListpacks4   opcode = 26 // Redis 8.6
	opStreamListpacks5   opcode = 27 // Redis 8.8
	opHashTemplatePacked opcode = 29 // RDB 15; 30 and 32 name a template of the file they are in and are in no payload
	opHashTemplate       opcode = 31
	opKeyMetadata        opcode = 243 // precedes the type byte proper, Redis 8.6
)

// Valkey's own opcodes begin at 22, where Redis's mean something else; ofValkey
// tells them apart.
const (
	firstOfValkey opcode = 22
	ofValkey      opcode = 0x100

	opHashValkey = ofValkey | 22 // Valkey 9
)

// firstValkeyVersion is the first RDB version of Valkey's own; Redis's are
// below it. (Valkey: rdb.h.)
const firstValkeyVersion = 80

// opcode reads the type byte, and skips the metadata that modules may have
// attached to the key.
func (c *cursor) opcode(version int) (opcode, error) {
	op := opcode(c.byte())
	if op == opKeyMetadata && version < firstValkeyVersion {
		for classes := c.count(5); classes > 0 && c.err == nil; classes-- {
			c.skip(4) // which class
			c.skipModuleValue()
		}
		op = opcode(c.byte())
	}
	if c.err != nil {
		return 0, c.err
	}
	known := op
	if version >= firstValkeyVersion && op >= firstOfValkey {
		known |= ofValkey
	}
	if known.valueType() == value.Unknown {
		return 0, &UnsupportedError{Opcode: byte(op), Version: version}
	}
	return known, nil
}

// valueType returns the type of values with the opcode, or Unknown.
func (op opcode) valueType() value.Type {
	switch op {
	case opString:
		return value.String
	case opList, opListZiplist, opListQuicklist, opListQuicklist2:
		return value.List
	case opSet, opSetIntset, opSetListpack:
		return value.Set
	case opZSet, opZSet2, opZSetZiplist, opZSetListpack:
		return value.SortedSet
	case opHash, opHashZipmap, opHashZiplist, opHashListpack, opHashMetadataRC, opHashListpackExRC,
		opHashMetadata, opHashListpackEx, opHashTemplatePacked, opHashTemplate, opHashValkey:
		return value.Hash
	case opStreamListpacks, opStreamListpacks2, opStreamListpacks3, opStreamListpacks4, opStreamListpacks5:
		return value.Stream
	case opModule2:
		return value.Module
	}
	return value.Unknown
}

// value decodes the value that follows its opcode, up to but without the
// visitor's End.
func (d *Decoder) value(op opcode) error {
	switch op {
	case opString:
		return d.string()
	case opList:
		return d.list()
	case opListZiplist:
		return d.listZiplist()
	case opListQuicklist, opListQuicklist2:
		return d.quicklist(op)
	case opSet:
		return d.set()
	case opSetIntset:
		return d.setIntset()
	case opSetListpack:
		return d.setListpack()
	case opZSet, opZSet2:
		return d.zset(op)
	case opZSetZiplist:
		return d.zsetPacked(openZiplist)
	case opZSetListpack:
		return d.zsetPacked(openListpack)
	case opHash:
		return d.hash()
	case opHashZipmap:
		return d.hashZipmap()
	case opHashZiplist:
		return d.hashPacked(openZiplist)
	case opHashListpack:
		return d.hashPacked(openListpack)
	case opHashMetadata, opHashMetadataRC:
		return d.hashMetadata(op)
	case opHashListpackEx, opHashListpackExRC:
		return d.hashListpackEx(op)
	case opHashValkey:
		return d.hashValkey()
	case opHashTemplate, opHashTemplatePacked:
		return d.hashTemplate(op)
	case opStreamListpacks, opStreamListpacks2, opStreamListpacks3, opStreamListpacks4, opStreamListpacks5:
		return d.stream(op)
	default:
		return d.module()
	}
}
