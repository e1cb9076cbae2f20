package replication

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say whom a Link follows and how.
type Options struct {
	Network, Address   string // "tcp" and host:port, or "unix" and a path
	TLS                *tls.Config
	Username, Password string
	ConnectTimeout     time.Duration
	ReplyTimeout       time.Duration // of one command of the handshake
	// Silence is how long a server may send nothing before the link counts as dead.
	// Servers send something every 10 s unless they are told otherwise. 0: a minute,
	// as replicas have it.
	Silence time.Duration
}

const (
	defaultSilence = time.Minute
	ackEvery       = time.Second
	linkBuffer     = 64 << 10

	// version is told to servers of Valkey, which send older files to older replicas.
	version = "9.0.0"
)

// A ReplyError is an error reply of the server to a command of the handshake.
type ReplyError struct {
	Command string // its first word
	Text    string // of the reply, without the leading minus
}

func (e *ReplyError) Error() string { return e.Command + ": " + e.Text }

// A Link is a connection to a server that takes it for one to a replica. One
// goroutine reads it; Close may be called by any.
//
// Once a second it sends a sign of life. That acknowledges nothing: what the
// server sends is stored nowhere, so the link must not count as a copy of the data
// for WAIT or a failover.
type Link struct {
	options Options
	conn    net.Conn
	from    *patient
	r       *bufio.Reader // of from

	mu        sync.Mutex
	held      bool          // no signs of life are sent
	streaming chan struct{} // closed when the snapshot, if any, has been read

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
}

// Dial connects to the server and introduces the link as a replica's. An error
// reply is a *ReplyError.
func Dial(ctx context.Context, o Options) (*Link, error) {
	if o.Silence == 0 {
		o.Silence = defaultSilence
	}
	dialer := net.Dialer{Timeout: o.ConnectTimeout}
	conn, err := dialer.DialContext(ctx, o.Network, o.Address)
	if err != nil {
		return nil, err
	}
	if o.TLS != nil {
		conn = tls.Client(conn, o.TLS)
	}
	l := &Link{options: o, conn: conn, streaming: make(chan struct{}), stop: make(chan struct{})}
	l.from = &patient{conn: conn, silence: &l.options.Silence}
	l.r = bufio.NewReaderSize(l.from, linkBuffer)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := l.shakeHands(ctx); err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	l.done.Go(l.live)
	return l, nil
}

// A patient reader waits for silence at the most.
type patient struct {
	conn    net.Conn
	silence *time.Duration
	gathers bool // reads wait until gatherBytes have come, or for gatherFor
}

// While a snapshot comes, it is not read in the small pieces that the server sends: to
// be woken for each takes both processes longer than what is done with it.
const (
	gatherBytes = 256 << 10
	gatherFor   = 10 * time.Millisecond
)

// gather says whether what comes next is much.
func (p *patient) gather(much bool) {
	bytes := 1
	if much {
		bytes = gatherBytes
	}
	p.gathers = gather(p.conn, bytes) && much
}

func (p *patient) Read(b []byte) (int, error) {
	for end := time.Now().Add(*p.silence); ; {
		until := end
		if p.gathers {
			until = time.Now().Add(gatherFor)
		}
		if err := p.conn.SetReadDeadline(until); err != nil {
			return 0, err
		}
		n, err := p.conn.Read(b)
		if n == 0 && p.gathers && errors.Is(err, os.ErrDeadlineExceeded) && until.Before(end) {
			continue // what has come meanwhile is read by the next call, be it little
		}
		return n, err
	}
}

// shakeHands does what a replica does before PSYNC.
func (l *Link) shakeHands(ctx context.Context) error {
	o := &l.options
	silence := o.Silence
	o.Silence = o.ReplyTimeout
	defer func() { o.Silence = silence }()
	if t, ok := l.conn.(*tls.Conn); ok {
		deadline, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
		defer cancel()
		if err := t.HandshakeContext(deadline); err != nil {
			return err
		}
	}
	if o.Password != "" {
		auth := []string{"AUTH", o.Password}
		if o.Username != "" {
			auth = []string{"AUTH", o.Username, o.Password}
		}
		if err := l.ask(auth...); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		words    []string
		optional bool // servers that do not know it may say so
	}{
		{[]string{"REPLCONF", "listening-port", "0"}, true},
		{[]string{"REPLCONF", "capa", "eof", "capa", "psync2"}, false},
		{[]string{"REPLCONF", "version", version}, true},
	} {
		err := l.ask(c.words...)
		if _, isReply := errors.AsType[*ReplyError](err); c.optional && isReply && !refused(err) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refused reports whether a command is not permitted.
func refused(err error) bool {
	reply, ok := errors.AsType[*ReplyError](err)
	return ok && strings.HasPrefix(reply.Text, "NOPERM")
}

// ask sends a command and reads its reply, one line.
func (l *Link) ask(words ...string) error {
	if err := l.send(words...); err != nil {
		return err
	}
	_, err := l.answer(words[0])
	return err
}

func (l *Link) send(words ...string) error {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return l.write(b)
}

func (l *Link) write(b []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.options.ReplyTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(b)
	return err
}

// answer reads the reply to a command: a line, before which a server that is busy
// sends empty ones.
func (l *Link) answer(command string) (string, error) {
	line, err := l.line()
	if err != nil {
		return "", err
	}
	switch line[0] {
	case '+':
		return line[1:], nil
	case '-':
		return "", &ReplyError{Command: command, Text: line[1:]}
	}
	return "", fmt.Errorf("the server answered %s with %.40q, which is no reply to it; check that it is a Redis or Valkey server", command, line)
}

// line reads the next line that is not empty.
func (l *Link) line() (string, error) {
	for {
		line, err := l.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return "", fmt.Errorf("the server sent a line without end, beginning with %.40q", line)
		}
		if err != nil {
			return "", ended(err)
		}
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			return text, nil
		}
	}
}

// Permitted tells whether the server would let a link begin, without its doing so:
// nil if it would, else what Dial or Sync would return.
func Permitted(ctx context.Context, o Options) error {
	l, err := Dial(ctx, o)
	if err != nil {
		return err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, l.abort)()
	// A server refuses PSYNC from whom it still owes a reply to another command.
	if err := l.write([]byte("REPLCONF capa eof\r\nPSYNC ? -1\r\n")); err != nil {
		return err
	}
	if _, err := l.answer("REPLCONF"); err != nil {
		return err
	}
	_, err = l.answer("PSYNC")
	if reply, ok := errors.AsType[*ReplyError](err); ok && strings.Contains(reply.Text, "pending output") {
		return nil
	}
	return err
}

// ended makes a connection that ends where it may not an error that no caller
// takes for an end.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return errClosed
	}
	return err
}

var errClosed = errors.New("the server closed the replication link; its log says why; " +
	"where client-output-buffer-limit was exceeded, raise it for replicas, and where repl-timeout was, raise that")

// A Start is where a server lets a link begin.
type Start struct {
	ID string // of the history, 40 characters
	// Offset is that of the stream's first byte, as Position.Offset counts.
	Offset int64
	// Full: a snapshot comes first, which shows the data as of Offset. Otherwise the
	// stream goes on where it was asked to.
	Full bool
}

// Sync asks the server to go on from an offset of the history id, or without an id
// for a snapshot. If the server cannot go on there it sends a snapshot: Start says
// which. It may take as long as the server needs for a fork, and waits for other
// replicas (repl-diskless-sync-delay). An error reply is a *ReplyError.
func (l *Link) Sync(ctx context.Context, id string, offset int64) (Start, error) {
	defer context.AfterFunc(ctx, l.abort)()
	next := "-1"
	if id == "" {
		id = "?"
	} else {
		next = strconv.FormatInt(offset+1, 10)
	}
	l.hold(true)
	start, err := l.psync(id, next, offset)
	l.hold(false)
	if err != nil && ctx.Err() != nil {
		return start, context.Cause(ctx)
	}
	if err == nil && !start.Full {
		close(l.streaming)
	}
	return start, err
}

// hold stops the signs of life: a server that waits for more replicas before it
// forks (repl-diskless-sync-delay) counts the time in which this one is silent.
func (l *Link) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = on
}

func (l *Link) psync(id, next string, offset int64) (Start, error) {
	if err := l.send("PSYNC", id, next); err != nil {
		return Start{}, err
	}
	reply, err := l.answer("PSYNC")
	if err != nil {
		return Start{}, err
	}
	words := strings.Fields(reply)
	switch {
	case len(words) == 3 && words[0] == "FULLRESYNC":
		at, err := strconv.ParseInt(words[2], 10, 64)
		if err == nil && at >= 0 {
			return Start{ID: words[1], Offset: at, Full: true}, nil
		}
	case len(words) == 1 && words[0] == "CONTINUE":
		return Start{ID: id, Offset: offset}, nil
	case len(words) == 2 && words[0] == "CONTINUE":
		return Start{ID: words[1], Offset: offset}, nil
	}
	return Start{}, fmt.Errorf("the server answered PSYNC with %.80q, which this version does not understand", reply)
}

// Read reads the stream of commands. After a full Start it waits until the snapshot
// has been read. It never returns io.EOF.
func (l *Link) Read(b []byte) (int, error) {
	select {
	case <-l.streaming:
		return l.read(b)
	case <-l.stop:
		return 0, net.ErrClosed
	}
}

// read reads whatever comes.
func (l *Link) read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if err != nil {
		err = ended(err)
	}
	return n, err
}

// live sends a sign of life every second. While a snapshot comes it is an empty
// line, which the server ignores; after it REPLCONF ACK, which lets the server
// begin the stream.
func (l *Link) live() {
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.stop:
			return
		}
		if l.sign() != nil {
			return // the reader sees why, behind what has come
		}
	}
}

func (l *Link) sign() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return nil
	}
	select {
	case <-l.streaming:
		return l.send("REPLCONF", "ACK", "0")
	default:
		return l.write([]byte("\n"))
	}
}

// begin says that the snapshot has been read.
func (l *Link) begin() {
	l.from.gather(false)
	close(l.streaming)
	_ = l.sign() // the reader sees that the link is dead
}

// Acknowledge answers REPLCONF GETACK.
func (l *Link) Acknowledge() error { return l.sign() }

func (l *Link) abort() { _ = l.conn.Close() }

// Close ends the link; reads in progress return at once.
func (l *Link) Close() error {
	l.once.Do(func() {
		close(l.stop)
		l.abort()
	})
	l.done.Wait()
	return nil
}
