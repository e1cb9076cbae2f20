// Package resp is the wire format between a Redis client and a server, version 2
// of the Redis serialisation protocol: it writes commands and reads replies, a
// pipeline at a time and without allocating for each. Connections are not its
// business. Source: redis.io/docs/latest/develop/reference/protocol-spec.
package resp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// AppendCommand appends a command in its wire form: an array of bulk strings.
func AppendCommand(b []byte, args ...string) []byte {
	b = appendHeader(b, '*', len(args))
	for _, arg := range args {
		b = appendHeader(b, '$', len(arg))
		b = append(b, arg...)
		b = append(b, '\r', '\n')
	}
	return b
}

func appendHeader(b []byte, kind byte, n int) []byte {
	b = append(b, kind)
	if n < 10 {
		return append(b, '0'+byte(n), '\r', '\n')
	}
	return append(strconv.AppendInt(b, int64(n), 10), '\r', '\n')
}

// An Error is an error reply: "WRONGTYPE Operation against …".
type Error string

func (e Error) Error() string { return string(e) }

// ErrNil says that a reply is nil.
var ErrNil = errors.New("the server answered nil")

// ErrTooLong stands for a reply longer than the Reader's limit, which was dropped.
var ErrTooLong = errors.New("the server's answer is too long")

// tooLong takes the place of a reply that was dropped. Servers never send it.
const tooLong = "!\r\n"

// A Reply is one reply in its wire form, as a Reader has checked it.
type Reply []byte

// header returns the number or text of the reply's first line, and what follows
// the line.
func (r Reply) header() (line, rest []byte) {
	for i := 1; ; i++ {
		if r[i] == '\r' {
			return r[1:i], r[i+2:]
		}
	}
}

// A MisplacedError says that a reply is not of the kind that its command has: what
// came is not to be relied on, nor is what comes after it.
type MisplacedError struct {
	Got  []byte // the reply
	Want string // "an integer"
}

func (e *MisplacedError) Error() string {
	return fmt.Sprintf("the server answered %.40q where %s belongs", e.Got, e.Want)
}

// Bytes returns a string, simple or bulk. The error is ErrNil, ErrTooLong, an Error or
// a *MisplacedError.
func (r Reply) Bytes() ([]byte, error) {
	line, rest := r.header()
	switch r[0] {
	case '$':
		n, err := number(line)
		if err != nil || n < 0 {
			return nil, ErrNil
		}
		return rest[:n], nil
	case '+':
		return line, nil
	}
	return nil, r.unexpected("a string")
}

// Int returns an integer. Errors are those of Bytes.
func (r Reply) Int() (int64, error) {
	if r[0] != ':' {
		return 0, r.unexpected("an integer")
	}
	line, _ := r.header()
	return number(line)
}

// Elements returns the elements of an array. Errors are those of Bytes.
func (r Reply) Elements() (Elements, error) {
	if r[0] != '*' {
		return Elements{}, r.unexpected("an array")
	}
	line, rest := r.header()
	n, err := number(line)
	if err != nil || n < 0 {
		return Elements{}, ErrNil
	}
	return Elements{rest, int(n)}, nil
}

// IsNothing reports whether the reply is nil, an empty string or an empty array.
func (r Reply) IsNothing() bool {
	return (r[0] == '$' || r[0] == '*') && (r[1] == '0' || r[1] == '-')
}

// Err returns the error of an error reply, or of a reply that was dropped; nil
// replies are none.
func (r Reply) Err() error {
	switch r[0] {
	case '-':
		line, _ := r.header()
		return Error(line)
	case '!':
		return ErrTooLong
	}
	return nil
}

func (r Reply) unexpected(want string) error {
	if err := r.Err(); err != nil {
		return err
	}
	if string(r) == "*-1\r\n" || string(r) == "$-1\r\n" {
		return ErrNil
	}
	return &MisplacedError{bytes.Clone(r[:min(len(r), 40)]), want}
}

// Elements are the elements of an array that have not been read yet.
type Elements struct {
	rest []byte
	n    int
}

// Len returns the number of elements that are left.
func (e *Elements) Len() int { return e.n }

// Next returns the next element. There must be one.
func (e *Elements) Next() Reply {
	end := 0
	for left := 1; left > 0; left-- {
		line, rest := Reply(e.rest[end:]).header()
		kind := e.rest[end]
		end = len(e.rest) - len(rest)
		if kind != '$' && kind != '*' {
			continue
		}
		switch n, err := number(line); {
		case err != nil || n < 0:
		case kind == '$':
			end += int(n) + 2
		default:
			left += int(n)
		}
	}
	r := Reply(e.rest[:end])
	e.rest = e.rest[end:]
	e.n--
	return r
}

// Bytes returns the next element, a string, as Reply.Bytes does.
func (e *Elements) Bytes() ([]byte, error) { return e.Next().Bytes() }

var errNumber = errors.New("not a number")

// number reads a decimal integer.
func number(b []byte) (int64, error) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, errNumber
	}
	n := int64(0)
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, errNumber
		}
		n = n*10 + int64(c)
	}
	if len(digits) < len(b) {
		n = -n
	}
	return n, nil
}
