package rdb

import (
	"math"

	"github.com/keylift/keylift/value"
)

// zset decodes a sorted set of strings, each followed by its score. Redis writes
// the highest first.
func (d *Decoder) zset(op opcode) error {
	c := &d.c
	n := c.count(1 + 1)
	if c.err != nil {
		return c.err
	}
	if err := d.begin(value.SortedSet, n); err != nil {
		return err
	}
	for range n {
		d.text = d.text[:0]
		member := d.next()
		var score float64
		if op == opZSet2 {
			score = math.Float64frombits(c.uint64())
		} else {
			score = c.score()
		}
		if c.err != nil {
			return c.err
		}
		if err := d.scored(member, score); err != nil {
			return err
		}
	}
	return nil
}

// The lengths of a score in text that stand for what has no digits.
const (
	scoreNaN              = 253
	scoreInfinity         = 254
	scoreNegativeInfinity = 255
)

// score reads a score in text: its length in a byte, then the text.
func (c *cursor) score() float64 {
	n := c.byte()
	switch n {
	case scoreNaN:
		return math.NaN()
	case scoreInfinity:
		return math.Inf(1)
	case scoreNegativeInfinity:
		return math.Inf(-1)
	}
	f, ok := parseScore(c.bytes(int(n)))
	if !ok {
		c.fail("a score is no number")
	}
	return f
}

// zsetPacked decodes a sorted set in a listpack or a ziplist: members and scores
// alternate.
func (d *Decoder) zsetPacked(open opener) error {
	n, err := d.openBlob(open)
	if err != nil {
		return err
	}
	if err := d.begin(value.SortedSet, elements(n, 2)); err != nil {
		return err
	}
	for d.pack.more() {
		d.text = d.text[:0]
		member, ok := d.entry()
		if !ok {
			return d.corruptEntry()
		}
		text, n, ok := d.pack.read()
		if !ok {
			return d.corruptEntry()
		}
		score := float64(n)
		if text != nil {
			if score, ok = parseScore(text); !ok {
				return d.corrupt("a score is no number")
			}
		}
		if err := d.scored(member, score); err != nil {
			return err
		}
	}
	return d.closePacked()
}

// scored feeds a member of a sorted set.
func (d *Decoder) scored(member []byte, score float64) error {
	if score != score {
		return d.corrupt("a score is not a number")
	}
	return d.v.Scored(member, score)
}
