package redis

import (
	"cmp"
	"context"
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
	pacer   *pacer        // counts what comes
	replies *resp.Reader
	idle    chan struct{} // closed when no more pipelines will be answered

	login      Credentials // of introduce
	endRenewal func()      // of renew; nil: there is none

	mu       sync.Mutex
	waiting  []*pipeline    // to be sent
	inFlight chan *pipeline // sent, in order
}

// dial connects. Up to depth pipelines may be in flight at once, and replies
// longer than limit bytes are dropped.
func (n *node) dial(ctx context.Context, depth, limit int) (*conn, error) {
	o := n.options
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	dialed, err := (&net.Dialer{}).DialContext(ctx, n.network, n.address)
	if err != nil {
		return nil, err
	}
	if config := n.tls(); config != nil {
		if dialed, err = n.handshake(ctx, dialed, config); err != nil {
			return nil, err
		}
	}
	c := &conn{
		net:     dialed,
		timeout: o.IOTimeout,
		pacer:   o.pacer,
		idle:    make(chan struct{}),

		inFlight: make(chan *pipeline, depth-1), // beside the one that is being answered
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
	n, err := r.c.net.Read(b)
	r.c.pacer.received(n)
	return n, err
}

// answer reads the replies to what is sent, and sends what waits as soon as there
// is room for it in flight: the server should not have to wait for who asks.
func (c *conn) answer() {
	defer close(c.idle)
	var err error
	for p := range c.inFlight {
		if err == nil {
			err = p.read(c.replies)
		}
		p.received = time.Now()
		c.sendWaiting()
		p.done <- err
	}
}

// send has p sent when there is room for it in flight; the replies come with wait.
func (c *conn) send(p *pipeline) {
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	c.mu.Unlock()
	c.sendWaiting()
}

func (c *conn) sendWaiting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) > 0 && len(c.inFlight) < cap(c.inFlight) {
		p := c.waiting[0]
		c.waiting = append(c.waiting[:0], c.waiting[1:]...)
		p.sent = time.Now()
		if p.failed = c.net.SetWriteDeadline(p.sent.Add(c.timeout)); p.failed == nil {
			_, p.failed = c.net.Write(p.request)
		}
		if p.failed != nil {
			c.abort() // half a command may have been sent
		}
		c.inFlight <- p
	}
}

// wait waits for the replies to p, which was sent. An error ends the session and
// leaves p to the connection; error replies are among the replies.
func (p *pipeline) wait(ctx context.Context) error {
	select {
	case err := <-p.done:
		return cmp.Or(p.failed, err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exchange sends p and waits for the replies.
func (c *conn) exchange(ctx context.Context, p *pipeline) error {
	c.send(p)
	return p.wait(ctx)
}

// abort breaks the connection off: reads and writes in progress return at once.
func (c *conn) abort() { _ = c.net.Close() } // nothing was written that could be lost

// close ends the connection, when nobody sends any more. What waits is forgotten.
func (c *conn) close() {
	c.abort()
	if c.endRenewal != nil {
		c.endRenewal()
	}
	c.mu.Lock()
	c.waiting = nil
	close(c.inFlight)
	c.mu.Unlock()
	<-c.idle
}
