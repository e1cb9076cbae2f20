package main

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns s so that a terminal only prints it: line breaks, control
// characters, what changes the direction of text and bytes that are no text are
// escaped as Go does.
func visible(s string) string { return shorten(s, math.MaxInt) }

// shorten cuts s to n characters and makes them visible.
func shorten(s string, n int) string {
	var b strings.Builder
	for i, r := range s {
		if n--; n < 0 {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			_, _ = fmt.Fprintf(&b, "\\x%02x", s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			_, _ = fmt.Fprintf(&b, "\\x%02x", r)
		case r < 0x10000:
			_, _ = fmt.Fprintf(&b, "\\u%04x", r)
		default:
			_, _ = fmt.Fprintf(&b, "\\U%08x", r)
		}
	}
	return b.String()
}
