package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/keylift/keylift/source/redis/resp"
)

// A conn is one connection to a server. It is never replaced: a new one may lead
// to another process. Pipelines are sent one after another, without waiting for
// the replies of those before, and answered in that order.
type conn struct {
	net     net.Conn
	timeout time.Duration // of one read or write
	replies *resp.Reader
	free    chan struct{} // holds one for each pipeline in flight

	sending sync.Mutex
	sent    chan *pipeline // in flight, in order
	idle    chan struct{}  // closed when no more pipelines will be answered
}

// dial connects. Up to depth pipelines may be in flight at once, and replies
// longer than limit bytes are dropped.
func (n *node) dial(ctx context.Context, depth, limit int) (*conn, error) {
	o := n.options
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	plain := &net.Dialer{}
	var dialed net.Conn
	var err error
	if config := n.tls(); config != nil {
		dialed, err = (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, o.Network, o.Address)
	} else {
		dialed, err = plain.DialContext(ctx, o.Network, o.Address)
	}
	if err != nil {
		return nil, err
	}
	c := &conn{
		net:     dialed,
		timeout: o.IOTimeout,
		free:    make(chan struct{}, depth),
		sent:    make(chan *pipeline, depth),
		idle:    make(chan struct{}),
	}
	c.replies = resp.NewReader(timedReader{c}, limit)
	go c.answer()
	return c, nil
}

// A timedReader reads from a connection, each time within its timeout.
type timedReader struct{ c *conn }

func (r timedReader) Read(b []byte) (int, error) {
	if err := r.c.net.SetReadDeadline(time.Now().Add(r.c.timeout)); err != nil {
		return 0, err
	}
	return r.c.net.Read(b)
}

// answer reads the replies to what is sent.
func (c *conn) answer() {
	defer close(c.idle)
	var err error
	for p := range c.sent {
		if err == nil {
			err = c.replies.Read(p.commands, &p.replies)
		}
		<-c.free
		p.done <- err
	}
}

// send sends p when there is room for it in flight; the replies come with wait.
// The error says why p was not sent.
func (c *conn) send(ctx context.Context, p *pipeline) error {
	select {
	case c.free <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	p.sent = time.Now()
	if p.failed = c.net.SetWriteDeadline(p.sent.Add(c.timeout)); p.failed == nil {
		_, p.failed = c.net.Write(p.request)
	}
	if p.failed != nil {
		c.abort() // half a command may have been sent
	}
	c.sent <- p
	return nil
}

// wait waits for the replies to p, which was sent. An error ends the session;
// error replies are among the replies.
func (p *pipeline) wait() error {
	err := <-p.done
	return cmp.Or(p.failed, err)
}

// exchange sends p and waits for the replies.
func (c *conn) exchange(ctx context.Context, p *pipeline) error {
	if err := c.send(ctx, p); err != nil {
		return err
	}
	return p.wait()
}

// abort breaks the connection off: reads and writes in progress return at once.
func (c *conn) abort() { _ = c.net.Close() } // nothing was written that could be lost

// close ends the connection, when nobody sends any more.
func (c *conn) close() {
	c.abort()
	close(c.sent)
	<-c.idle
}
