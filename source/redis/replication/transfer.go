package replication

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A transfer reads the RDB file that follows a full Start. The server says how it
// ends: after a number of bytes, or by a mark that it announces, behind which it
// sends nothing until the link gives a sign.
type transfer struct {
	l     *Link
	begun bool
	left  int64  // bytes to come; of those with a mark nothing is known
	mark  []byte // nil: left counts
	tail  []byte // the last bytes read, which may be the mark or its beginning
	rest  []byte // read and not yet returned
	page  []byte // for readers with little room
	err   error
}

const (
	markBytes = 40
	pageBytes = 16 << 10
)

// Snapshot returns the RDB file that follows a full Start. Its io.EOF says that the
// server has sent all of it, and that the stream may be read. A link that breaks
// before is another error.
func (l *Link) Snapshot() io.Reader { return &transfer{l: l} }

func (t *transfer) Read(b []byte) (int, error) {
	if !t.begun && t.err == nil {
		t.begun = true
		t.err = t.header()
	}
	for len(t.rest) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		if len(b) >= pageBytes {
			n := t.fill(b)
			if n > 0 {
				return n, nil
			}
			continue
		}
		if t.page == nil {
			t.page = make([]byte, pageBytes)
		}
		t.rest = t.page[:t.fill(t.page)]
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// header reads how the file ends: $<length> or $EOF:<mark>.
func (t *transfer) header() error {
	line, err := t.l.line()
	if err != nil {
		return err
	}
	if mark, ok := strings.CutPrefix(line, "$EOF:"); ok && len(mark) == markBytes {
		t.mark = []byte(mark)
		t.l.from.gather(true)
		return nil
	}
	length, err := strconv.ParseInt(strings.TrimPrefix(line, "$"), 10, 64)
	if line[0] == '-' {
		return &ReplyError{Command: "PSYNC", Text: line[1:]}
	}
	if err != nil || line[0] != '$' || length < 0 {
		return fmt.Errorf("the server announced its snapshot with %.60q, which this version does not understand", line)
	}
	if t.left = length; length == 0 {
		t.l.begin()
		return io.EOF
	}
	t.l.from.gather(true)
	return nil
}

// fill reads more of the file into b, which has room for more than a mark, and
// returns how much; it sets t.err when that was the last.
func (t *transfer) fill(b []byte) int {
	if t.mark == nil {
		n, err := t.l.read(b[:min(int64(len(b)), t.left)])
		if t.left -= int64(n); t.left == 0 {
			t.l.begin()
			err = io.EOF
		}
		t.err = err
		return n
	}
	have := copy(b, t.tail)
	n, err := t.l.read(b[have:])
	t.err = err
	have += n
	keep := min(have, markBytes)
	t.tail = append(t.tail[:0], b[have-keep:have]...)
	if bytes.Equal(t.tail, t.mark) {
		t.l.begin()
		t.err = io.EOF
	}
	return have - keep
}
