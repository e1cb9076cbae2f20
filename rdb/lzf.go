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

	// lzfSlack is how far runs are copied beyond their end, in steps of 16 bytes.
	lzfSlack = 16
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
		run := int(src[in])
		in++
		if run < lzfMaxLiteral {
			run++
			if run > len(src)-in || run > end-out {
				return false
			}
			if len(src)-in >= 2*16 {
				copy16(dst[out:], src[in:])
				if run > 16 {
					copy16(dst[out+16:], src[in+16:])
				}
			} else {
				copy(dst[out:], src[in:in+run])
			}
			in += run
			out += run
			continue
		}
		length := run >> 5
		if length == 7 && in < len(src) {
			length += int(src[in])
			in++
		}
		length += 2
		if in == len(src) {
			return false
		}
		from := out - (run&31)<<8 - int(src[in]) - 1
		in++
		if from < 0 || length > end-out {
			return false
		}
		copyWithin(dst, out, from, length)
		out += length
	}
	return out == end
}

// copyWithin copies n bytes of b at from to a later place as if byte by byte:
// where they overlap, what was copied is copied again. It may overwrite 15 bytes
// more.
func copyWithin(b []byte, to, from, n int) {
	if to-from < 16 {
		for i := range n {
			b[to+i] = b[from+i]
		}
		return
	}
	for i := 0; i < n; i += 16 {
		copy16(b[to+i:], b[from+i:])
	}
}

func copy16(dst, src []byte) { *(*[16]byte)(dst) = [16]byte(src) }
