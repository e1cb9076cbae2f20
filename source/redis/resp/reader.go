package resp

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Replies are the replies to a pipeline. The zero Replies holds none.
type Replies struct {
	text []byte
	ends []int // where each reply ends in the text
	next int   // reply that Next returns
}

// Reset forgets all replies and keeps up to kept bytes of memory.
func (r *Replies) Reset(kept int) {
	r.text, r.ends, r.next = r.text[:0], r.ends[:0], 0
	if cap(r.text) > kept {
		r.text = nil
	}
}

// Len returns the number of replies that Next has not returned yet.
func (r *Replies) Len() int { return len(r.ends) - r.next }

// DropOdd drops the first of every two replies: the server answered each command
// and one before it.
func (r *Replies) DropOdd() {
	kept, at, start := 0, 0, 0
	for i, end := range r.ends {
		if i%2 == 1 {
			at += copy(r.text[at:], r.text[start:end])
			r.ends[kept] = at
			kept++
		}
		start = end
	}
	r.text, r.ends = r.text[:at], r.ends[:kept]
}

// Next returns the next reply, valid until Reset. There must be one.
func (r *Replies) Next() Reply {
	start := 0
	if r.next > 0 {
		start = r.ends[r.next-1]
	}
	end := r.ends[r.next]
	r.next++
	return Reply(r.text[start:end:end])
}

// A Reader takes replies from a connection.
type Reader struct {
	from  io.Reader
	limit int    // bytes of the longest reply that is kept
	ahead []byte // read, but of replies to come
}

// NewReader returns a Reader that drops replies longer than limit bytes.
func NewReader(from io.Reader, limit int) *Reader { return &Reader{from: from, limit: limit} }

// Sizes of reads: many small replies a read, and little that belongs to the next
// pipeline.
const (
	minRead = 4 << 10
	maxRead = 64 << 10
)

// kinds are the first bytes of replies.
const kinds = "+-:$*"

// maxLine is the longest first line of a reply: error replies are text.
const maxLine = 64 << 10

// Read appends the next n replies to replies. After an error of the connection,
// or of the protocol, the Reader cannot be used any more; error replies are
// replies.
func (r *Reader) Read(n int, replies *Replies) error {
	text, at := replies.text, len(replies.text)
	text = append(text, r.ahead...)
	r.ahead = r.ahead[:0]
	var err error
	for range n {
		if text, at, err = r.reply(text, at); err != nil {
			return err
		}
		replies.ends = append(replies.ends, at)
	}
	r.ahead = append(r.ahead, text[at:]...)
	replies.text = text[:at]
	return nil
}

// reply completes the reply that starts at start in text, and returns where it
// ends.
func (r *Reader) reply(text []byte, start int) (_ []byte, end int, err error) {
	at, dropped := start, false
	for left := 1; left > 0; left-- {
		var line int // bytes, with its end
		for seen := 0; ; {
			i := bytes.IndexByte(text[at+seen:], '\n')
			if i >= 0 {
				line = seen + i + 1
				break
			}
			if seen = len(text) - at; seen > maxLine {
				return text, at, protocolError(text[at:])
			}
			if text, err = r.more(text, 1); err != nil {
				if seen > 0 && strings.IndexByte(kinds, text[at]) < 0 {
					err = protocolError(text[at:]) // whatever it was, it will not be one
				}
				return text, at, err
			}
		}
		if line < 3 || text[at+line-2] != '\r' {
			return text, at, protocolError(text[at:])
		}
		follows, elements, err := extent(text[at : at+line])
		if err != nil {
			return text, at, err
		}
		at += line
		left += elements
		if at-start+follows > r.limit {
			// What is too long is read, for what comes after it, and not kept.
			for dropped = true; at+follows > len(text); {
				drop := min(len(text)-at, follows-lineEnd)
				follows -= drop
				text, at = append(text[:start], text[at+drop:]...), start
				if text, err = r.more(text, 1); err != nil {
					return text, at, err
				}
			}
			if !ended(text[at : at+follows]) {
				return text, at, protocolError(text[at:])
			}
			text = append(text[:start], text[at+follows:]...)
			at = start
			continue
		}
		for at+follows > len(text) {
			if text, err = r.more(text, at+follows-len(text)); err != nil {
				return text, at, err
			}
		}
		if !ended(text[at : at+follows]) {
			return text, at, protocolError(text[at:])
		}
		at += follows
	}
	if dropped {
		text = slices.Replace(text, start, at, []byte(tooLong)...)
		at = start + len(tooLong)
	}
	return text, at, nil
}

// lineEnd is the length of what ends lines and strings.
const lineEnd = len("\r\n")

// ended reports whether what follows a first line, if anything does, ends as a string
// does: otherwise its length is a lie, and so would be all that comes after it.
func ended(follows []byte) bool {
	n := len(follows)
	return n == 0 || follows[n-2] == '\r' && follows[n-1] == '\n'
}

// extent returns how many bytes follow a reply's first line, and how many replies
// as its elements.
func extent(line []byte) (follows, elements int, err error) {
	switch line[0] {
	case '+', '-':
		return 0, 0, nil
	case ':', '$', '*':
	default:
		return 0, 0, protocolError(line)
	}
	n, err := number(line[1 : len(line)-2])
	switch {
	case err != nil, n < -1 && line[0] != ':', n > 1<<40 && line[0] != ':':
		return 0, 0, protocolError(line)
	case n == -1:
		return 0, 0, nil
	case line[0] == '$':
		return int(n) + lineEnd, 0, nil
	case line[0] == '*':
		return 0, int(n), nil
	}
	return 0, 0, nil
}

// maxGrowth is how much room is made at once, unless as much has come already: a
// length may be a lie.
const maxGrowth = 16 << 20

// more reads at least one byte, and makes room for wanted.
func (r *Reader) more(text []byte, wanted int) ([]byte, error) {
	wanted = min(wanted, max(len(text), maxGrowth))
	if cap(text)-len(text) < max(wanted, minRead) {
		text = slices.Grow(text, max(wanted, minRead))
	}
	size := min(cap(text)-len(text), max(wanted, maxRead))
	n, err := r.from.Read(text[len(text) : len(text)+size])
	text = text[:len(text)+n]
	if n > 0 {
		return text, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return text, err
}

// A ProtocolError says that what came is not the Redis protocol.
type ProtocolError struct{ Got string }

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("the server answered %.40q, which is not the Redis protocol", e.Got)
}

func protocolError(got []byte) error {
	return &ProtocolError{string(got[:min(len(got), 80)])}
}
