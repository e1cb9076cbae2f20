package replication

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A Position is a place in a replication history from which its commands can
// be read on. It belongs to one replication id.
type Position struct {
	// Offset is the number of bytes of the history before this place, as the
	// server's master_repl_offset counts them: PSYNC asks for Offset+1.
	Offset int64
	// Database is the database selected there. The stream says SELECT only when it
	// changes, so a partial resync needs it. After a full resync it is the
	// repl-stream-db of the RDB file, or 0 without one.
	Database int
}

// A Command is one command of the stream. It and its arguments are valid until
// the next call of the Parser.
type Command struct {
	// Database is the database that the command runs in: for SELECT, the new one.
	Database int
	// Args are the name and the arguments. An argument that is too long to be held
	// is nil; an empty one is not.
	Args [][]byte
	// Cut is the number of arguments after Args, too many to be held.
	Cut int
	// Start and End are the offsets before the command and after it. Start is the
	// End of the command before.
	Start, End int64
	// Transaction says where the command stands in a transaction.
	Transaction Transaction
}

// A Transaction is the place of a command in MULTI … EXEC.
type Transaction uint8

// Outside of any transaction; Begins is MULTI; Within lies between; Ends is EXEC.
const (
	Outside Transaction = iota
	Begins
	Within
	Ends
)

// Whole reports whether the stream may be left after the command: its End is not
// inside a transaction.
func (c *Command) Whole() bool { return c.Transaction == Outside || c.Transaction == Ends }

// WantsAck reports whether the command is REPLCONF GETACK: the server waits for
// REPLCONF ACK at once. A replica answers with the command's Start.
func (c *Command) WantsAck() bool {
	return len(c.Args) > 1 && isWord(c.Args[0], "replconf") && isWord(c.Args[1], "getack")
}

// A SyntaxError says that what came is not a replication stream. What was parsed
// before it holds.
type SyntaxError struct {
	Offset int64  // of the command
	Reason string // a clause: `an argument begins with "x"`
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the replication stream is broken at offset %d: %s", e.Offset, e.Reason)
}

// DefaultHold is how many bytes of one command a Parser is usually told to hold.
const DefaultHold = 32 << 20

// Sizes in bytes.
const (
	maxBuffer   = 256 << 10
	minHold     = 64 * 4 << 10
	argOverhead = 24      // what an argument takes beside its bytes
	maxArg      = 1 << 40 // no server takes longer ones
	idleArena   = 1 << 20 // what is kept of the memory for arguments
)

// A Parser reads the commands of a replication stream: what follows the RDB file
// after +FULLRESYNC, or +CONTINUE. It serves one goroutine.
//
// Every byte counts for offsets, line feeds between commands too: a replica
// counts what it reads. (Those that a server sends to keep the link alive while it
// prepares the RDB file come before the stream and do not count.)
type Parser struct {
	r             *bufio.Reader
	hold          int
	position      Position // after the last command
	inTransaction bool
	command       Command
	read          int64  // bytes of the command that were read
	left          int    // of hold, for the command
	arena         []byte // arguments that were copied out of the buffer
	err           error
}

// NewParser returns a Parser of what r yields from a position on. Of one command
// it holds up to hold bytes, 256 KiB at least: an argument is left out that would
// take more than a 32nd of what is left of them, so that short arguments (keys)
// are held after long ones (values).
func NewParser(r io.Reader, from Position, hold int) *Parser {
	hold = max(hold, minHold)
	// The buffer is so small that all of a command within it may be held.
	return &Parser{r: bufio.NewReaderSize(r, min(hold/64, maxBuffer)), position: from, hold: hold}
}

// Next returns the next command, also those that change nothing (PING, SELECT).
// The error is io.EOF at the end between commands, io.ErrUnexpectedEOF within one,
// a *SyntaxError, or that of the reader; then a new Parser may read on from the
// End of the last command that was Whole.
func (p *Parser) Next() (*Command, error) {
	if p.err == nil {
		p.err = p.next()
	}
	if p.err != nil {
		return nil, p.err
	}
	return &p.command, nil
}

func (p *Parser) next() error {
	c := &p.command
	c.Start, p.read = p.position.Offset, 0
	for {
		if _, err := p.r.Peek(1); err != nil {
			return p.wrap(err)
		}
		found, err := p.nextInBuffer()
		if err != nil {
			return err
		}
		if !found {
			if found, err = p.nextInPieces(); err != nil {
				return err
			}
		}
		if found {
			break
		}
	}
	c.End = c.Start + p.read
	return p.follow()
}

// nextInBuffer takes a command that lies in the buffer whole, where it lies.
func (p *Parser) nextInBuffer() (found bool, err error) {
	buffer, err := p.r.Peek(p.r.Buffered())
	if err != nil || buffer[0] != '*' {
		return false, err
	}
	n, at := line(buffer, 1)
	if at == 0 || n < 1 {
		return false, nil
	}
	args := p.command.Args[:0]
	for ; n > 0; n-- {
		if at >= len(buffer) || buffer[at] != '$' {
			return false, nil
		}
		length, begin := line(buffer, at+1)
		if begin == 0 || length < 0 || length > int64(len(buffer)-begin-2) {
			return false, nil
		}
		end := begin + int(length)
		if buffer[end] != '\r' || buffer[end+1] != '\n' {
			return false, nil
		}
		args = append(args, buffer[begin:end:end])
		at = end + 2
	}
	p.command.Args, p.command.Cut = args, 0
	p.read += int64(at)
	_, err = p.r.Discard(at)
	return true, err
}

// line reads the number from b[at:] to the end of its line, and returns where the
// next line begins: 0 when it is not a number or not a whole line.
func line(b []byte, at int) (n int64, next int) {
	for i := at; i < len(b) && i-at < 18; i++ {
		if b[i] == '\r' {
			if i == at || i+1 >= len(b) || b[i+1] != '\n' {
				return 0, 0
			}
			return n, i + 2
		}
		if b[i] < '0' || b[i] > '9' {
			return 0, 0
		}
		n = n*10 + int64(b[i]-'0')
	}
	return 0, 0
}

// nextInPieces reads a command that is not in the buffer whole; it copies its
// arguments. It found none when it came upon an empty line or an empty command.
func (p *Parser) nextInPieces() (found bool, err error) {
	first, err := p.r.ReadByte()
	if err != nil {
		return false, p.wrap(err)
	}
	p.read++
	switch first {
	case '\n':
		return false, nil
	case '\r':
		return false, p.expect("\n")
	case '*':
	default:
		return false, p.broken("a command begins with %q", first)
	}
	n, err := p.number()
	if err != nil {
		return false, err
	}
	p.left = p.hold
	if cap(p.arena) > idleArena {
		p.arena = nil
	}
	if cap(p.command.Args) > idleArena/argOverhead {
		p.command.Args = nil
	}
	p.arena, p.command.Args, p.command.Cut = p.arena[:0], p.command.Args[:0], 0
	for range n {
		if err := p.argument(); err != nil {
			return false, err
		}
	}
	return n > 0, nil
}

// argument reads one argument and holds it if it is short enough.
func (p *Parser) argument() error {
	if err := p.expect("$"); err != nil {
		return err
	}
	length, err := p.number()
	if err != nil {
		return err
	}
	if length < 0 || length > maxArg {
		return p.broken("an argument of %d bytes", length)
	}
	c, most := &p.command, p.left/32
	switch {
	case c.Cut > 0 || most < argOverhead:
		c.Cut++
		err = p.skip(length)
	case length+argOverhead > int64(most):
		c.Args = append(c.Args, nil)
		p.left -= argOverhead
		err = p.skip(length)
	default:
		var b []byte
		b, err = p.copy(int(length))
		c.Args = append(c.Args, b)
		p.left -= argOverhead + int(length)
	}
	if err != nil {
		return err
	}
	return p.expect("\r\n")
}

func (p *Parser) skip(n int64) error {
	skipped, err := p.r.Discard(int(n))
	p.read += int64(skipped)
	return p.wrap(err)
}

// copy reads n bytes into memory that stays as it is until the next command.
func (p *Parser) copy(n int) ([]byte, error) {
	if cap(p.arena)-len(p.arena) < n || p.arena == nil {
		p.arena = make([]byte, 0, max(4<<10, 2*cap(p.arena), n))
	}
	begin := len(p.arena)
	p.arena = p.arena[:begin+n]
	b := p.arena[begin : begin+n : begin+n]
	read, err := io.ReadFull(p.r, b)
	p.read += int64(read)
	return b, p.wrap(err)
}

// expect reads bytes that have to be there.
func (p *Parser) expect(want string) error {
	for i := range len(want) {
		b, err := p.r.ReadByte()
		if err != nil {
			return p.wrap(err)
		}
		p.read++
		if b != want[i] {
			return p.broken("%q where %q was due", b, want[i])
		}
	}
	return nil
}

// number reads a number to the end of its line.
func (p *Parser) number() (int64, error) {
	text, err := p.r.ReadSlice('\n')
	p.read += int64(len(text))
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, p.broken("a length without end")
	}
	if err != nil {
		return 0, p.wrap(err)
	}
	digits, ok := bytes.CutSuffix(text, []byte("\r\n"))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if !ok || err != nil {
		return 0, p.broken("a length of %.20q", text)
	}
	return n, nil
}

func (p *Parser) broken(format string, args ...any) error {
	return &SyntaxError{Offset: p.command.Start, Reason: fmt.Sprintf(format, args...)}
}

// wrap says where the stream ended.
func (p *Parser) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && p.read == 0:
		return io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read the replication stream after offset %d: %w", p.command.Start+p.read, err)
}

// follow keeps account of the database and the transaction.
func (p *Parser) follow() error {
	c := &p.command
	name := c.Args[0]
	c.Transaction = Outside
	if p.inTransaction {
		c.Transaction = Within
	}
	switch {
	case isWord(name, "select"):
		if len(c.Args) != 2 {
			return p.broken("SELECT with %d arguments", len(c.Args)-1)
		}
		n, err := strconv.ParseUint(string(c.Args[1]), 10, 31)
		if err != nil {
			return p.broken("SELECT of database %.20q", c.Args[1])
		}
		p.position.Database = int(n)
	case isWord(name, "multi") && !p.inTransaction:
		p.inTransaction, c.Transaction = true, Begins
	case isWord(name, "exec") && p.inTransaction:
		p.inTransaction, c.Transaction = false, Ends
	}
	c.Database = p.position.Database
	p.position.Offset = c.End
	return nil
}

// isWord reports whether b is the word in any case; the word is in lower case.
func isWord(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
