package rdb

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// maxScoreDigits is how many digits surely fit into a uint64.
const maxScoreDigits = 19

// parseScore parses a score as strconv.ParseFloat does. Sorted sets in listpacks
// hold their scores as text of up to 17 digits, and to parse them takes most of
// the time that decoding such a set does: so the common form, digits around a
// point, is parsed here.
func parseScore(text []byte) (score float64, ok bool) {
	b, negative := text, false
	if len(b) > 0 && b[0] == '-' {
		b, negative = b[1:], true
	}
	if len(b) > maxScoreDigits+1 {
		return parseFloat(text)
	}
	n, rest := appendDigits(0, b)
	count, places := len(b), 0
	if len(rest) > 0 && rest[0] == '.' {
		count, places = count-1, len(rest)-1
		n, rest = appendDigits(n, rest[1:])
	}
	if len(rest) > 0 || count == 0 || count > maxScoreDigits {
		return parseFloat(text)
	}
	score = quotient(n, places)
	if negative {
		score = -score
	}
	return score, true
}

func parseFloat(text []byte) (float64, bool) {
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

// appendDigits continues the number n with the digits that b begins with, and
// returns what follows them.
func appendDigits(n uint64, b []byte) (_ uint64, rest []byte) {
	for len(b) >= 8 {
		eight, ok := eightDigits(binary.LittleEndian.Uint64(b))
		if !ok {
			break
		}
		n, b = n*1e8+eight, b[8:]
	}
	for len(b) > 0 && b[0]-'0' <= 9 {
		n, b = n*10+uint64(b[0]-'0'), b[1:]
	}
	return n, b
}

// eightDigits returns the number that is written by 8 bytes, the first of them
// the lowest of x. ok is false if they are not all digits.
func eightDigits(x uint64) (n uint64, ok bool) {
	const upper = 0xf0f0f0f0f0f0f0f0
	if x&upper != 0x3030303030303030 || (x+0x0606060606060606)&upper != 0x3030303030303030 {
		return 0, false
	}
	x &^= upper
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff      // pairs of digits
	x = (x*100 + x>>16) & 0x0000ffff0000ffff    // pairs of those
	x = (x*10_000 + x>>32) & 0x00000000ffffffff // and of those
	return x, true
}

var powersOfTen = func() (p [maxScoreDigits + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// quotient returns the float64 nearest to n divided by the power of ten, the even
// one of two as near.
func quotient(n uint64, power int) float64 {
	d := powersOfTen[power]
	if n < 1<<53 {
		return float64(n) / float64(d) // both are exact, so it rounds only once
	}
	// Shifted until their highest bits are set, they have a quotient of 64 bits.
	// With its lowest bit set for any remainder, it rounds to 53 as the true one.
	nShift, dShift := bits.LeadingZeros64(n), bits.LeadingZeros64(d)
	high, low, exponent := n<<nShift, uint64(0), dShift-nShift-64
	d <<= dShift
	if high >= d {
		high, low, exponent = high>>1, high<<63, exponent+1
	}
	q, remainder := bits.Div64(high, low, d)
	if remainder != 0 {
		q |= 1
	}
	return float64(q) * math.Float64frombits(uint64(1023+exponent)<<52)
}
