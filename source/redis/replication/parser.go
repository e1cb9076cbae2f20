package replication

import (
	"bufio"
	"fmt"
	"io"
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
// REPLCONF ACK with the command's Start, as a replica answers.
func (c *Command) WantsAck() bool { return false }

// A SyntaxError says that what came is not a replication stream. What was parsed
// before it holds.
type SyntaxError struct {
	Offset int64  // of the command
	Reason string // a clause: `an argument begins with "x"`
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the replication stream is broken at offset %d: %s", e.Offset, e.Reason)
}

// DefaultHold is how many bytes of one command a Parser holds.
const DefaultHold = 32 << 20

// A Parser reads the commands of a replication stream: what follows the RDB file
// after +FULLRESYNC, or +CONTINUE. It serves one goroutine.
//
// Every byte counts for offsets, line feeds between commands too: a replica
// counts what it reads. (Those that a server sends to keep the link alive while it
// prepares the RDB file come before the stream and do not count.)
type Parser struct {
	r        *bufio.Reader
	position Position
	command  Command
}

// NewParser returns a Parser of what r yields from a position on. Of one command
// it holds up to hold bytes: an argument is left out that would take more than a
// 32nd of what is left of them, so that short arguments (keys) are held after
// long ones (values).
func NewParser(r io.Reader, from Position, hold int) *Parser {
	return &Parser{r: bufio.NewReaderSize(r, 256<<10), position: from}
}

// Next returns the next command, also those that change nothing (PING, SELECT).
// The error is io.EOF at the end between commands, io.ErrUnexpectedEOF within one,
// a *SyntaxError, or that of the reader.
func (p *Parser) Next() (*Command, error) { return nil, io.EOF }

// Buffered returns the number of bytes that were read and not yet parsed: when it
// is 0, Next waits for the server.
func (p *Parser) Buffered() int { return p.r.Buffered() }
