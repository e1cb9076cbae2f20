package row

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// AppendNumber appends f as JSON: the shortest decimal that reads back as f,
// with an exponent only below 1e-6 and from 1e21 on; infinities and NaN, which
// JSON numbers cannot say, as the strings "inf", "-inf" and "nan".
func AppendNumber(dst []byte, f float64) []byte {
	a := math.Abs(f)
	switch {
	case a < 1e15 && f == math.Trunc(f) && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(dst, int64(f), 10)
	case a < 1e15 && a >= 1e-6:
		if f < 0 {
			dst = append(dst, '-')
		}
		return appendFraction(dst, a)
	case math.IsInf(f, 1):
		return append(dst, `"inf"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-inf"`...)
	case f != f:
		return append(dst, `"nan"`...)
	case a != 0 && (a < 1e-6 || a >= 1e21):
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		// e-09 becomes e-9, as JavaScript and RFC 8785 write it.
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
			dst = append(dst[:n-2], dst[n-1])
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendFraction appends f, which is from 1e-6 to 1e15 and no integer.
//
// f is m·2^e, and what reads back as f lies at most half a 2^e from it. Multiplied by
// the power of ten that makes 2^e at least 1 and less than 10, that is around at
// least one integer and at most one multiple of ten: the multiple, or else the
// nearest integer, has the shortest form's digits. In this range no product is
// rounded. (Raffaello Giulietti: The Schubfach way to render doubles.)
func appendFraction(dst []byte, f float64) []byte {
	const mantissaBits = 52
	b := math.Float64bits(f)
	m, e := b&(1<<mantissaBits-1)|1<<mantissaBits, int(b>>mantissaBits)-1023-mantissaBits
	if m == 1<<mantissaBits { // the numbers below lie closer than those above
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	decimals := -e*78913>>18 + 1 // by log10 2
	five := powersOfFive[decimals]
	high, low := bits.Mul64(m<<2, five)
	shift := uint(2 - e - decimals) // 2 to 52: what is below the point
	n := high<<(64-shift) | low>>shift
	above := low & (1<<shift - 1) // of f over n
	reach := 2*five - m&1         // what lies halfway reads back as the even one

	ten := n % 10
	switch {
	case ten<<shift+above <= reach:
		n -= ten
	case (10-ten)<<shift-above <= reach:
		n += 10 - ten
	case above > 1<<(shift-1) || above == 1<<(shift-1) && n&1 == 1:
		n++
	}
	return appendDecimal(dst, n, decimals)
}

var powersOfFive = func() (p [23]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 5
	}
	return p
}()

// maxDigits is how many appendDecimal takes.
const maxDigits = 1 + 8 + 8

// appendDecimal appends n with so many decimals, 1 to 22, but for the zeros at
// their end. They are not all zero.
func appendDecimal(dst []byte, n uint64, decimals int) []byte {
	var digits [maxDigits]byte
	upper, lower := n/1e8, eightDigits(n%1e8)
	digits[0] = byte('0' + upper/1e8)
	middle := eightDigits(upper % 1e8)
	const zeros = 0x3030303030303030
	binary.LittleEndian.PutUint64(digits[1:], middle|zeros)
	binary.LittleEndian.PutUint64(digits[9:], lower|zeros)

	end := maxDigits - bits.LeadingZeros64(lower)/8
	if lower == 0 {
		end -= bits.LeadingZeros64(middle) / 8
	}
	point := maxDigits - decimals
	if point <= 0 {
		dst = append(append(dst, '0', '.'), "00000"[:-point]...)
		return append(dst, digits[:end]...)
	}
	start := 0
	for start < point-1 && digits[start] == '0' {
		start++
	}
	dst = append(append(dst, digits[start:point]...), '.')
	return append(dst, digits[point:end]...)
}

// eightDigits returns the decimal digits of n, which is less than 1e8, a byte each
// and the first of them lowest.
func eightDigits(n uint64) uint64 {
	x := n/1e4 | n%1e4<<32                    // fours
	y := x * 10486 >> 20 & 0x0000007f0000007f // their upper halves
	x = y | (x-100*y)<<16
	y = x * 103 >> 10 & 0x000f000f000f000f
	return y | (x-10*y)<<8
}
