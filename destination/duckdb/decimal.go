package duckdb

import "math/bits"

// A decimal is a number of type DECIMAL(38,12) as DuckDB's vectors hold it
// (duckdb_hugeint): 128 bits, two's complement, in units of 10^-12.
type decimal struct{ low, high uint64 }

const (
	decimalWhole    = 26 // digits before the point
	decimalFraction = 12
)

// parseDecimal reads digits, with a point among them or not, behind a minus or none.
func parseDecimal(text []byte) (d decimal, ok bool) {
	digits := text
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	whole, fraction, pointed := 0, 0, false
	for _, c := range digits {
		switch {
		case c == '.' && !pointed:
			pointed = true
			continue
		case c-'0' > 9:
			return d, false
		case pointed:
			fraction++
		case whole > 0 || c != '0':
			whole++
		}
		if whole > decimalWhole || fraction > decimalFraction {
			return d, false
		}
		d.shift(uint64(c - '0'))
	}
	for range decimalFraction - fraction {
		d.shift(0)
	}
	if len(digits) < len(text) {
		var borrow uint64
		d.low, borrow = bits.Sub64(0, d.low, 0)
		d.high, _ = bits.Sub64(0, d.high, borrow)
	}
	return d, len(digits) > 0
}

// shift adds a digit at the end.
func (d *decimal) shift(digit uint64) {
	over, low := bits.Mul64(d.low, 10)
	low, carry := bits.Add64(low, digit, 0)
	d.low, d.high = low, d.high*10+over+carry
}
