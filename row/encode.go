package row

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// base64Prefix marks a byte string that is not written as the text it holds.
const base64Prefix = "base64:"

// AppendText appends the text form of a Redis byte string: the bytes themselves,
// or, where they are not valid UTF-8, hold a NUL or begin with "base64:",
// "base64:" and their standard base64. ParseText is its inverse.
func AppendText(dst, b []byte) []byte {
	if IsText(b) {
		return append(dst, b...)
	}
	return appendBase64(dst, b)
}

// ParseText returns the bytes that AppendText wrote as text. The result may
// share text's memory. An error means that AppendText never writes text.
func ParseText(text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte(base64Prefix)) {
		return text, nil
	}
	return base64.StdEncoding.AppendDecode(nil, text[len(base64Prefix):])
}

func appendBase64(dst, b []byte) []byte {
	return base64.StdEncoding.AppendEncode(append(dst, base64Prefix...), b)
}

// IsText reports whether AppendText writes b as it is.
func IsText(b []byte) bool {
	return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) && !bytes.HasPrefix(b, []byte(base64Prefix))
}

// AppendString appends the JSON string that holds the text form of a Redis byte
// string (see AppendText), escaped as RFC 8785 does: nothing but quotes,
// backslashes and control characters.
func AppendString(dst, b []byte) []byte {
	if len(b) >= 4 && len(b) <= maxShort {
		if short, ok := appendShort(dst, b); ok {
			return short
		}
	}
	n := plainLen(b)
	if n < len(b) && !IsText(b) || bytes.HasPrefix(b, []byte(base64Prefix)) {
		return append(appendBase64(append(dst, '"'), b), '"')
	}
	dst = slices.Grow(dst, len(b)+2)
	dst = append(dst, '"')
	dst = append(dst, b[:n]...)
	if n < len(b) {
		dst = appendEscaped(dst, b[n:])
	}
	return append(dst, '"')
}

// maxShort is the longest string that appendShort takes. Most are shorter: names, members,
// numbers.
const maxShort = 32

// appendShort is AppendString for 4 to maxShort bytes; ok is false for those that are
// not held as they are. It looks at words and copies them, which may overlap.
func appendShort(dst, b []byte) (_ []byte, ok bool) {
	const prefixWord = 'b' | 'a'<<8 | 's'<<16 | 'e'<<24
	if binary.LittleEndian.Uint32(b) == prefixWord {
		return dst, false // perhaps that of base64
	}
	n := len(b)
	dst = slices.Grow(dst, maxShort+2)
	to := dst[len(dst) : len(dst)+maxShort+2]
	text := to[1 : 1+n]
	switch {
	case n > 16:
		w, x := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		y, z := binary.LittleEndian.Uint64(b[n-16:]), binary.LittleEndian.Uint64(b[n-8:])
		if specialBytes(w)|specialBytes(x)|specialBytes(y)|specialBytes(z) != 0 {
			return dst, false
		}
		binary.LittleEndian.PutUint64(text, w)
		binary.LittleEndian.PutUint64(text[8:], x)
		binary.LittleEndian.PutUint64(text[n-16:], y)
		binary.LittleEndian.PutUint64(text[n-8:], z)
	case n >= 8:
		w, z := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
		if specialBytes(w)|specialBytes(z) != 0 {
			return dst, false
		}
		binary.LittleEndian.PutUint64(text, w)
		binary.LittleEndian.PutUint64(text[n-8:], z)
	default:
		w, z := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		if specialBytes(uint64(w)|uint64(z)<<32) != 0 {
			return dst, false
		}
		binary.LittleEndian.PutUint32(text, w)
		binary.LittleEndian.PutUint32(text[n-4:], z)
	}
	to[0], to[n+1] = '"', '"'
	return dst[:len(dst)+n+2], true
}

// plainLen returns how many bytes at the beginning of b are ASCII that a JSON
// string holds as it is.
func plainLen(b []byte) int {
	i := 0
	if len(b) >= 8 {
		for ; i+8 < len(b); i += 8 {
			if special := specialBytes(binary.LittleEndian.Uint64(b[i:])); special != 0 {
				return i + bits.TrailingZeros64(special)/8
			}
		}
		i = len(b) - 8
		if special := specialBytes(binary.LittleEndian.Uint64(b[i:])); special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
		return len(b)
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// specialBytes looks at 8 bytes, the first of them the lowest of w. The result is 0
// if all of them are plain; otherwise the lowest bit set lies in the first that is not.
func specialBytes(w uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	quote, backslash := w^ones*'"', w^ones*'\\'
	// A byte's high bit is set here if it is not ASCII, or less than a space, or
	// has become zero. What is borrowed from a byte above it changes only that one.
	return (w | (w - ones*' ') | (quote - ones) | (backslash - ones)) & highs
}

func appendEscaped(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i, c := range b {
		if plain[c] || c >= utf8.RuneSelf {
			continue
		}
		dst = append(dst, b[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, b[start:]...)
}

// plain[c] is set for the bytes that plainLen counts.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()
