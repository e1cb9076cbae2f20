package rdb

// foldBytes is how much foldCRC64 takes at a time.
const foldBytes = 64

// folds reports whether the processor multiplies without carries (PCLMULQDQ).
var folds = hasCLMUL()

// foldFactors move 16 bytes to where 64 and 16 bytes more have followed: each a pair,
// for their first 8 bytes and for the others. A product of two reflected numbers is
// one power of x too high.
var foldFactors = [4]uint64{
	powerOfX(8*foldBytes + 64 - 1), powerOfX(8*foldBytes - 1),
	powerOfX(8*16 + 64 - 1), powerOfX(8*16 - 1),
}

// powerOfX returns the remainder of a power of x divided by the polynomial, bits
// reversed.
func powerOfX(n int) uint64 {
	r := uint64(1) << 63
	for range n {
		r = r>>1 ^ r&1*crcPolynomial
	}
	return r
}

// fold returns 16 bytes that have the same checksum from zero as b has from crc, but
// for the rest of b, which is to follow them; ok is false where that is not worth while.
func fold(crc uint64, b []byte) (folded [16]byte, rest []byte, ok bool) {
	n := len(b) &^ (foldBytes - 1)
	if !folds || n == 0 {
		return folded, b, false
	}
	foldCRC64(crc, b[:n], &foldFactors, &folded)
	return folded, b[n:], true
}

// foldCRC64 sets folded to 16 bytes that have the same checksum from zero as b has
// from crc. b is a multiple of foldBytes long, and not empty.
//
//go:noescape
func foldCRC64(crc uint64, b []byte, factors *[4]uint64, folded *[16]byte)

// hasCLMUL reports whether there is PCLMULQDQ.
func hasCLMUL() bool
