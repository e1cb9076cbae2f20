package rdb_test

import (
	"fmt"
	"math"
	"slices"
)

// The functions here build serialised values by hand, as the servers write them
// or no longer do.

// seal completes a payload with a version and its checksum, computed bit by bit.
func seal(version int, body []byte) []byte {
	b := append(slices.Clone(body), byte(version), byte(version>>8))
	return append(b, little(8, crcOf(b))...)
}

// join concatenates bytes, byte slices and texts.
func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		default:
			panic(fmt.Sprintf("join: %T", p))
		}
	}
	return b
}

// little is n in size bytes, little endian.
func little(size int, n uint64) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	return b
}

// big is n in size bytes, big endian.
func big(size int, n uint64) []byte {
	b := little(size, n)
	slices.Reverse(b)
	return b
}

func double(f float64) []byte { return little(8, math.Float64bits(f)) }

// length is a length in its shortest form.
func length(n int) []byte {
	switch {
	case n < 1<<6:
		return []byte{byte(n)}
	case n < 1<<14:
		return []byte{0x40 | byte(n>>8), byte(n)}
	}
	return join(0x80, big(4, uint64(n)))
}

// str is a string that is neither compressed nor an integer.
func str[T string | []byte](s T) []byte { return join(length(len(s)), []byte(s)) }

// lzf is a compressed string, given what it decompresses to the length of.
func lzf(plain int, compressed ...any) []byte {
	b := join(compressed...)
	return join(0xc3, length(len(b)), length(plain), b)
}

// literal is b in LZF without any compression.
func literal(b []byte) []byte {
	var out []byte
	for part := range slices.Chunk(b, 32) {
		out = append(append(out, byte(len(part)-1)), part...)
	}
	return out
}

// listpack packs entries, each given without its size at its end: a text, an
// integer, or bytes that are an entry already.
func listpack(entries ...any) []byte {
	var b []byte
	for _, e := range entries {
		var entry []byte
		switch e := e.(type) {
		case string:
			entry = join(0x80|len(e), e)
			if len(e) >= 64 {
				entry = join(0xe0|len(e)>>8, len(e), e)
			}
		case int:
			entry = join(0xf4, little(8, uint64(int64(e))))
			if e >= 0 && e < 128 {
				entry = []byte{byte(e)}
			}
		case []byte:
			entry = e
		}
		b = append(b, entry...)
		switch n := len(entry); {
		case n <= 127:
			b = append(b, byte(n))
		case n < 16383:
			b = append(b, byte(n>>7), byte(n)|0x80)
		default:
			b = append(b, byte(n>>14), byte(n>>7)|0x80, byte(n)|0x80)
		}
	}
	return join(little(4, uint64(len(b)+7)), little(2, uint64(len(entries))), b, 0xff)
}

// ziplist packs entries, each given without the size of the one before: a text of
// up to 63 bytes, or bytes that are an entry already.
func ziplist(entries ...any) []byte {
	var b []byte
	before, last := 0, 0
	for _, e := range entries {
		entry, ok := e.([]byte)
		if text, isText := e.(string); isText {
			entry, ok = join(len(text), text), true
		}
		if !ok {
			panic(fmt.Sprintf("ziplist: %T", e))
		}
		last = len(b)
		if before < 254 {
			entry = join(before, entry)
		} else {
			entry = join(0xfe, little(4, uint64(before)), entry)
		}
		before = len(entry)
		b = append(b, entry...)
	}
	return join(little(4, uint64(len(b)+11)), little(4, uint64(last+10)), little(2, uint64(len(entries))), b, 0xff)
}
