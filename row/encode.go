package row

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
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

// plain[c] is set for bytes that a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends the JSON string that holds the text form of a Redis byte
// string (see AppendText), escaped as RFC 8785 does: nothing but quotes,
// backslashes and control characters.
func AppendString(dst, b []byte) []byte {
	dst = append(dst, '"')
	i := 0
	for i < len(b) && plain[b[i]] {
		i++
	}
	if i == len(b) && !bytes.HasPrefix(b, []byte(base64Prefix)) {
		return append(append(dst, b...), '"')
	}
	if !IsText(b) {
		return append(appendBase64(dst, b), '"')
	}
	return append(appendEscaped(dst, b), '"')
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

// AppendNumber appends f as JSON: the shortest decimal that reads back as f,
// with an exponent only below 1e-6 and from 1e21 on; infinities and NaN, which
// JSON numbers cannot say, as the strings "inf", "-inf" and "nan".
func AppendNumber(dst []byte, f float64) []byte {
	if i := int64(f); float64(i) == f && i > -1e15 && i < 1e15 && (i != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, i, 10)
	}
	switch a := math.Abs(f); {
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
