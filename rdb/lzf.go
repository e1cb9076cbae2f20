package rdb

import "slices"

// LZF is a sequence of runs. A byte below 32 says that one byte more than it
// says follows literally. Any other byte begins a match: its upper three bits
// are the length less 2, 7 meaning that the next byte is to be added; its lower
// five bits and the byte after that are the distance back less 1, high part
// first.
const (
	lzfMaxLiteral = 32
	lzfMaxMatch   = 7 + 255 + 2
	// lzfMaxExpansion is how many times longer than its input an output can be: the
	// longest match takes 3 bytes.
	lzfMaxExpansion = lzfMaxMatch / 3

	// lzfSlack is how far a run may be copied beyond its end: a match is copied in
	// steps of 16 bytes, a literal by 32.
	lzfSlack = 32
)

// appendLZF appends the decompressed src to dst and reports whether src is valid
// and decompresses to just n bytes.
func appendLZF(dst, src []byte, n int) ([]byte, bool) {
	start := len(dst)
	dst = slices.Grow(dst, n+lzfSlack)
	ok := lzf(dst[start:start+n+lzfSlack], src)
	return dst[:start+n], ok
}

// lzf decompresses src into dst but for its last lzfSlack bytes, which it may
// overwrite, and reports whether src is valid and fills dst exactly.
func lzf(dst, src []byte) bool {
	end := len(dst) - lzfSlack
	in, out := 0, 0
	for in < len(src) {
		control := int(src[in])
		in++
		if control < lzfMaxLiteral {
			n := control + 1
			if n > len(src)-in || n > end-out {
				return false
			}
			if in+lzfMaxLiteral <= len(src) {
				// How long it is cannot be predicted: both are quicker than to ask.
				copy16(dst[out:], src[in:])
				copy16(dst[out+16:], src[in+16:])
			} else {
				copy(dst[out:], src[in:in+n])
			}
			in += n
			out += n
			continue
		}
		n := control>>5 + 2
		if n == 7+2 && in < len(src) {
			n += int(src[in])
			in++
		}
		if in == len(src) {
			return false
		}
		distance := (control&31)<<8 + int(src[in]) + 1
		in++
		if distance > out || n > end-out {
			return false
		}
		from := out - distance
		if n <= distance || distance >= 16 {
			copy16(dst[out:], dst[from:])
			for i := 16; i < n; i += 16 {
				copy16(dst[out+i:], dst[from+i:])
			}
		} else { // what is copied is copied again
			for i := range n {
				dst[out+i] = dst[from+i]
			}
		}
		out += n
	}
	return out == end
}

// copy16 copies 16 bytes, as one whole even if dst and src overlap.
func copy16(dst, src []byte) { *(*[16]byte)(dst) = [16]byte(src) }
