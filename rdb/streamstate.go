package rdb

// skipStreamState passes over what follows the entries of a stream: counts, IDs,
// consumer groups with what they have not acknowledged, and the IDs of producers.
func (c *cursor) skipStreamState(op opcode) {
	c.skipNumbers(3) // number of entries, last ID
	if op >= opStreamListpacks2 {
		c.skipNumbers(5) // first ID, greatest deleted ID, entries ever added
	}
	for n := c.count(5); n > 0 && c.err == nil; n-- {
		c.skipStreamGroup(op)
	}
	if op < opStreamListpacks4 {
		return
	}
	c.skipNumbers(2) // for how long and how many IDs are remembered
	for n := c.count(2); n > 0 && c.err == nil; n-- {
		c.skipString() // the producer
		for n := c.count(3); n > 0 && c.err == nil; n-- {
			c.skipString() // its ID for an entry
			c.skipNumbers(2)
		}
	}
	c.skipNumbers(2) // IDs added, duplicates refused
}

func (c *cursor) skipStreamGroup(op opcode) {
	c.skipString()
	c.skipNumbers(2) // last ID delivered
	if op >= opStreamListpacks2 {
		c.skipNumbers(1) // entries read
	}
	for n := c.count(streamIDBytes + 8 + 1); n > 0 && c.err == nil; n-- {
		c.skip(streamIDBytes + 8) // ID, time of delivery
		c.skipNumbers(1)          // deliveries
	}
	for n := c.count(1 + 8 + 1); n > 0 && c.err == nil; n-- {
		c.skipString() // the consumer
		c.skip(8)      // when it was seen
		if op >= opStreamListpacks3 {
			c.skip(8) // when it was active
		}
		c.skipStreamIDs()
	}
	if op >= opStreamListpacks5 {
		c.skipStreamIDs() // given back by their consumers
	}
}

// skipStreamIDs passes over a count and as many IDs.
func (c *cursor) skipStreamIDs() {
	c.skip(c.count(streamIDBytes) * streamIDBytes)
}

// skipNumbers passes over n numbers.
func (c *cursor) skipNumbers(n int) {
	for range n {
		c.number()
	}
}
