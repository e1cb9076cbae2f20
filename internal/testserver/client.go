package testserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// A client sends the commands by which clusters and Sentinels are arranged. It
// knows nothing of redirections, and serves one goroutine.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

// replyWithin is how long a server may take to answer.
const replyWithin = time.Minute

// A replyError is an error reply.
type replyError string

func (e replyError) Error() string { return string(e) }

// connect connects to the server.
func (s *Server) connect(ctx context.Context) (*client, error) {
	var d interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if s.options.TLS {
		config := s.ClientTLS()
		config.InsecureSkipVerify = s.options.Expired
		d = &tls.Dialer{Config: config}
	}
	conn, err := d.DialContext(ctx, s.Network(), s.address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, r: bufio.NewReader(conn)}, nil
}

// dial connects to the server and logs in.
func (s *Server) dial(ctx context.Context) (*client, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if s.options.Password != "" {
		if _, err := c.do(ctx, "AUTH", s.options.Password); err != nil {
			c.close()
			return nil, fmt.Errorf("log in: %w", err)
		}
	}
	return c, nil
}

func (c *client) close() { _ = c.conn.Close() } // nothing was written that could be lost

// do sends a command and returns its reply, flat: the strings and numbers in it, in
// order, with "" for what is null. An error reply is a replyError.
func (c *client) do(ctx context.Context, command ...string) ([]string, error) {
	deadline := time.Now().Add(replyWithin)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "*%d\r\n", len(command))
	for _, word := range command {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := c.conn.Write(b); err != nil {
		return nil, err
	}
	return c.reply(nil)
}

// reply appends the next reply to flat.
func (c *client) reply(flat []string) ([]string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return flat, err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return flat, errors.New("an empty line is no reply")
	}
	switch rest := line[1:]; line[0] {
	case '+', ':':
		return append(flat, rest), nil
	case '-':
		return flat, replyError(rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return append(flat, ""), err
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, text); err != nil {
			return flat, err
		}
		return append(flat, string(text[:n])), nil
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return append(flat, ""), err
		}
		for range n {
			if flat, err = c.reply(flat); err != nil {
				return flat, err
			}
		}
		return flat, nil
	}
	return flat, fmt.Errorf("%.40q is no reply", line)
}

// ask connects to a server, sends it one command and returns the flat reply.
func (s *Server) ask(ctx context.Context, command ...string) ([]string, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.do(ctx, command...)
}

// info returns the value of a field of INFO, "" without one.
func (s *Server) info(ctx context.Context, name string) string {
	reply, err := s.ask(ctx, "INFO")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(reply[0], "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// follows reports whether a server has the data of a primary, which knows it by an
// address and sends it what comes behind them.
func (s *Server) follows(ctx context.Context, primary *Server, known string) bool {
	if s.info(ctx, "master_link_status") != "up" {
		return false
	}
	reply, err := primary.ask(ctx, "INFO", "replication")
	_, port, _ := net.SplitHostPort(known)
	return err == nil && strings.Contains(reply[0], ",port="+port+",state=online,")
}

// until waits until a condition holds. What it waits for is said in the error.
func until(ctx context.Context, what string, holds func(ctx context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
