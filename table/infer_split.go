package table

import (
	"encoding/binary"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A form says what the text of a part looks like.
type form uint8

const (
	formWord   form = iota // may be a literal: words tell by their number
	formInt                // decimal digits
	formHex                // eight or more hexadecimal digits
	formUUID               // of 36 characters
	formDate               // 2026-03-09
	formMonth              // 2026-03
	formTime               // 2026-03-09T10:00:00Z
	formToken              // letters and digits at random, an address, a number with a point
	formBinary             // no text
)

// A part of a name is what stands between separators.
type part struct {
	sep      string // before it; empty only for the first
	text     string
	form     form
	skeleton string // of a word that holds numbers and the like: a mark for each; empty: it holds none
}

// firmSeparators separate parts wherever they stand. Points do mostly, hyphens and
// underscores where a name has nothing else.
const (
	firmSeparators  = ":/|#;,=&?()[]{}<> "
	looseSeparators = "-_"
)

// mark stands in a skeleton for what is no literal.
const mark = "\x00"

// maxParts bounds the parts of a name; the last one has the rest.
const maxParts = 24

// split returns the parts of a name.
func split(name string) []part {
	if !isText(name) {
		return splitBinary(name)
	}
	parts := splitAt(name, func(s string, i int) bool {
		return strings.IndexByte(firmSeparators, s[i]) >= 0 || s[i] == '.' && pointed(s, i)
	})
	if len(parts) == 1 && parts[0].form == formWord {
		parts = splitAt(name, func(s string, i int) bool { return strings.IndexByte(looseSeparators, s[i]) >= 0 })
	}
	return parts
}

// isText reports whether a name is UTF-8 that a terminal may show: without control
// characters and the like.
func isText(name string) bool {
	return utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0
}

// splitBinary keeps what is text up to a separator, and takes the rest for one part.
func splitBinary(name string) []part {
	text := 0
	for text < len(name) {
		r, n := utf8.DecodeRuneInString(name[text:])
		if !unicode.IsGraphic(r) || r == utf8.RuneError && n == 1 {
			break
		}
		text += n
	}
	end := strings.LastIndexAny(name[:text], firmSeparators) + 1
	rest := part{text: name[end:], form: formBinary}
	if end == 0 {
		return []part{rest}
	}
	parts := split(name[:end])
	last := &parts[len(parts)-1] // empty, behind the separator
	rest.sep = last.sep
	*last = rest
	return parts
}

func splitAt(name string, separates func(s string, i int) bool) []part {
	var parts []part
	at := 0
	for {
		start := at
		for at < len(name) && separates(name, at) {
			at++
		}
		p := part{sep: name[start:at]}
		begin := at
		if n, f := known(name[at:]); n > 0 {
			at += n
			p.form = f
		} else {
			for at < len(name) && (len(parts) == maxParts-1 || !separates(name, at)) {
				at++
			}
		}
		p.text = name[begin:at]
		if p.form == formWord {
			p.form, p.skeleton = classify(p.text)
		}
		parts = append(parts, p)
		if at == len(name) {
			return parts
		}
	}
}

// pointed reports whether the point at s[i] separates parts: not within a number,
// an address, or a file's or domain's name.
func pointed(s string, i int) bool {
	start, end := i, i
	for start > 0 && strings.IndexByte(firmSeparators, s[start-1]) < 0 {
		start--
	}
	for end < len(s) && strings.IndexByte(firmSeparators, s[end]) < 0 {
		end++
	}
	word := s[start:end]
	if strings.IndexByte(word, '@') > 0 {
		return false
	}
	digits := strings.Trim(word, "0123456789.") == ""
	if n := strings.Count(word, "."); digits && (n == 1 || n == 3) {
		return false
	}
	switch strings.ToLower(word[strings.LastIndexByte(word, '.')+1:]) {
	case "com", "net", "org", "io", "dev", "app", "gg", "html", "json", "css", "js", "png", "jpg", "jpeg", "gif", "svg", "webp", "txt", "csv", "xml", "pdf", "zip":
		return false
	}
	return true
}

// known returns the length of a UUID, a time, a date or a month that s begins
// with and that ends there or at a separator; zero: of none.
func known(s string) (length int, f form) {
	for _, k := range []struct {
		form  form
		shape string
	}{
		{formUUID, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"},
		{formTime, "0000-00-00T00:00:00Z"},
		{formTime, "0000-00-00T00:00:00"},
		{formTime, "0000-00-00T00:00"},
		{formTime, "0000-00-00T00"},
		{formDate, "0000-00-00"},
		{formMonth, "0000-00"},
	} {
		if n := len(k.shape); len(s) >= n && shaped(s[:n], k.shape) && (len(s) == n || strings.IndexByte(firmSeparators+looseSeparators+".", s[n]) >= 0) {
			if k.form != formUUID && s[0] != '1' && s[0] != '2' {
				continue
			}
			if k.form == formMonth && (len(s) > n && s[n] == '-' || s[5] > '1') {
				continue
			}
			return n, k.form
		}
	}
	return 0, formWord
}

// shaped reports whether s has a shape: x stands for a hexadecimal digit, 0 for a
// decimal one, all else for itself.
func shaped(s, shape string) bool {
	for i := range len(shape) {
		switch shape[i] {
		case 'x':
			if !isHexDigit(s[i]) {
				return false
			}
		case '0':
			if !isDigit(s[i]) {
				return false
			}
		default:
			if s[i] != shape[i] {
				return false
			}
		}
	}
	return true
}

func isDigit(c byte) bool    { return c-'0' <= 9 }
func isHexDigit(c byte) bool { return isDigit(c) || c|0x20-'a' < 6 }
func isLetter(c byte) bool   { return c|0x20-'a' < 26 }

// classify returns the form of a part, and the skeleton of a word that holds
// something of another form.
func classify(text string) (form, string) {
	if len(text) == 0 {
		return formWord, ""
	}
	if strings.Trim(text, "0123456789.") == "" && isDigit(text[0]) && strings.IndexByte(text, '.') > 0 {
		return formToken, ""
	}
	segments := segmentsOf(text)
	if len(segments) == 1 {
		return segments[0].form, ""
	}
	var skeleton strings.Builder
	held, last := false, formWord
	for _, s := range segments {
		if s.form == formWord {
			skeleton.WriteString(s.text)
		} else {
			if last != formWord {
				return formToken, "" // captures cannot stand side by side
			}
			held = true
			skeleton.WriteString(mark)
		}
		last = s.form
	}
	if !held {
		return formWord, ""
	}
	return formWord, skeleton.String()
}

// A segment of a part is a run of what has one form.
type segment struct {
	text string
	form form
}

// segmentsOf takes a part to pieces: what stands between hyphens and underscores,
// and runs of digits in that.
func segmentsOf(text string) (segments []segment) {
	literal := func(s string) {
		if n := len(segments); n > 0 && segments[n-1].form == formWord {
			segments[n-1].text += s
			return
		}
		segments = append(segments, segment{s, formWord})
	}
	for at := 0; at < len(text); {
		if strings.IndexByte(looseSeparators, text[at]) >= 0 {
			literal(text[at : at+1])
			at++
			continue
		}
		if n, f := known(text[at:]); n > 0 {
			segments = append(segments, segment{text[at : at+n], f})
			at += n
			continue
		}
		end := at
		for end < len(text) && strings.IndexByte(looseSeparators, text[end]) < 0 {
			end++
		}
		chunk := text[at:end]
		at = end
		if f := formOf(chunk); f != formWord {
			segments = append(segments, segment{chunk, f})
			continue
		}
		if n := hexTail(chunk); n > 0 {
			literal(chunk[:len(chunk)-n])
			segments = append(segments, segment{chunk[len(chunk)-n:], formHex})
			continue
		}
		for len(chunk) > 0 {
			n := 1
			for n < len(chunk) && isDigit(chunk[n]) == isDigit(chunk[0]) {
				n++
			}
			if isDigit(chunk[0]) {
				segments = append(segments, segment{chunk[:n], formInt})
			} else {
				literal(chunk[:n])
			}
			chunk = chunk[n:]
		}
	}
	return segments
}

// Letters and digits of these lengths look drawn at random, where no run of
// letters is long enough for a word.
const (
	minHex    = 8
	minToken  = 6
	maxLetter = 3
	longToken = 20
)

// formOf returns the form of letters and digits.
func formOf(s string) form {
	digits, hex, turns := 0, true, 0
	lower, upper := false, false
	letters, longest := 0, 0
	for i := range len(s) {
		c := s[i]
		if isDigit(c) {
			digits++
			letters = 0
		} else {
			letters++
			longest = max(longest, letters)
			hex = hex && isHexDigit(c)
			lower, upper = lower || c >= 'a' && c <= 'z', upper || c >= 'A' && c <= 'Z'
		}
		if i > 0 && isDigit(c) != isDigit(s[i-1]) {
			turns++
		}
	}
	switch {
	case digits == len(s):
		return formInt
	case hex && digits > 0 && len(s) >= minHex && (!lower || !upper):
		return formHex
	case len(s) >= minToken && turns >= 3 && longest <= maxLetter:
		return formToken
	case len(s) >= longToken && digits > 0 && lower && upper:
		return formToken
	}
	return formWord
}

// hexTail returns the length of the hexadecimal digits that follow letters in a
// chunk: that of a number of bytes that is usual, for the letters may end in some,
// too. It is zero where there are none, or decimal digits alone.
func hexTail(chunk string) int {
	n, digits := 0, 0
	for n < len(chunk) && isHexDigit(chunk[len(chunk)-1-n]) {
		n++
	}
	for _, usual := range []int{64, 40, 32, 24, 16, 8} {
		if n < usual || n == len(chunk) {
			continue
		}
		tail := chunk[len(chunk)-usual:]
		for i := range len(tail) {
			if isDigit(tail[i]) {
				digits++
			}
		}
		if head := chunk[:len(chunk)-usual]; digits < 2 || digits == usual || strings.ContainsAny(head, "0123456789") {
			return 0
		}
		return usual
	}
	return 0
}

// tails returns for each part the hash of the shape of the name from it on, with
// the key's type; words count as they are. The last is that of the type alone.
func tails(parts []part, kind string) []uint64 {
	hashes := make([]uint64, len(parts)+1)
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind))
	hashes[len(parts)] = h.Sum64()
	var behind [8]byte
	for i := len(parts) - 1; i >= 0; i-- {
		p := &parts[i]
		h.Reset()
		binary.LittleEndian.PutUint64(behind[:], hashes[i+1])
		_, _ = h.Write(behind[:])
		_, _ = h.Write([]byte(p.sep))
		switch {
		case p.form != formWord:
			_, _ = h.Write([]byte(mark))
		case p.skeleton != "":
			_, _ = h.Write([]byte(p.skeleton))
		default:
			_, _ = h.Write([]byte(p.text))
		}
		hashes[i] = h.Sum64()
	}
	return hashes
}
