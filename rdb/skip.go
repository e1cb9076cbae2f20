package rdb

// skipValue passes over the value that follows its opcode.
func (c *cursor) skipValue(op opcode) {
	switch op {
	case opString, opListZiplist, opSetIntset, opSetListpack, opZSetZiplist, opZSetListpack,
		opHashZipmap, opHashZiplist, opHashListpack, opHashListpackExRC:
		c.skipString()
	case opHashListpackEx:
		c.skip(8) // the earliest expiry
		c.skipString()
	case opList, opSet, opListQuicklist:
		for n := c.count(1); n > 0 && c.err == nil; n-- {
			c.skipString()
		}
	case opListQuicklist2:
		for n := c.count(1 + 1); n > 0 && c.err == nil; n-- {
			c.number() // the container
			c.skipString()
		}
	case opHash:
		for n := c.count(1 + 1); n > 0 && c.err == nil; n-- {
			c.skipString()
			c.skipString()
		}
	case opZSet, opZSet2:
		c.skipZSet(op)
	case opHashMetadata, opHashMetadataRC, opHashValkey:
		c.skipHash(op)
	case opStreamListpacks, opStreamListpacks2, opStreamListpacks3, opStreamListpacks4, opStreamListpacks5:
		for n := c.count(1 + streamIDBytes + 1); n > 0 && c.err == nil; n-- {
			c.skipString() // the node's ID
			c.skipString()
		}
		c.skipStreamState(op)
	case opModule2:
		c.number() // the type's id
		c.skipModuleValue()
	default:
		c.fail("a value of a type that cannot be passed over")
	}
}

// skipZSet passes over a sorted set of strings and scores.
func (c *cursor) skipZSet(op opcode) {
	for n := c.count(1 + 1); n > 0 && c.err == nil; n-- {
		c.skipString()
		if op == opZSet2 {
			c.skip(8)
		} else if size := c.byte(); size < scoreNaN {
			c.skip(int(size))
		}
	}
}

// skipHash passes over a hash of strings, each field with its expiry.
func (c *cursor) skipHash(op opcode) {
	if op == opHashMetadata {
		c.skip(8) // the earliest expiry
	}
	for n := c.count(1 + 1 + 1); n > 0 && c.err == nil; n-- {
		if op != opHashValkey {
			c.number()
		}
		c.skipString()
		c.skipString()
		if op == opHashValkey {
			c.skip(8)
		}
	}
}
