// Package faultproxy is a TCP proxy on loopback that delays, cuts, refuses,
// swallows, corrupts and leaves connections half open, so that tests and benchmarks
// can see what a bad network does.
package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Proxy forwards connections to one address. Its methods may be called by
// several goroutines at once.
type Proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu         sync.Mutex
	network    string        // of target
	target     string        // of new connections
	delay      time.Duration // of each direction
	rate       int64         // bytes a second from the server; 0: unlimited
	busy       time.Time     // until when the bytes on their way take the line
	refusing   bool
	swallowing bool
	cutAfter   int64 // bytes from the server until all is cut; 0: never
	cutEach    int64 // bytes from the server over each connection until that is cut; 0: never
	corrupt    int64 // bytes from the server up to the one that is corrupted; 0: none is
	mask       byte  // of the bits of it that are turned over
	pairs      map[*pair]struct{}
	cuts       int // how often all was cut: what was being connected then is not kept
	closed     bool
}

// A pair is a connection of a client and the one that it is led on to.
type pair struct {
	client, server net.Conn
	lost           [Server + 1]bool // by Half
	answered       int64            // bytes from the server
}

// A Half is what a half-open connection has lost.
type Half uint8

// Answers is what the server sends, Requests what the client sends. With Server the
// server's end is gone, as after a crash that nobody hears of.
const (
	Answers Half = iota
	Requests
	Server
)

// Start starts a proxy to an address of network "tcp" or "unix".
func Start(network, target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p := &Proxy{network: network, target: target, listener: l, pairs: map[*pair]struct{}{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Address returns host:port to connect to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Delay makes a round trip take rtt longer from now on.
func (p *Proxy) Delay(rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = rtt / 2
}

// Slow lets no more than so many bytes a second come from the server from now on,
// on all connections together; 0 lifts the limit.
func (p *Proxy) Slow(bytesPerSecond int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate, p.busy = bytesPerSecond, time.Time{}
}

// Cut breaks all connections. New ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// CutAfter breaks all connections once, after n more bytes have come from the
// server.
func (p *Proxy) CutAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAfter = n
}

// CutEach breaks every connection once n bytes have come over it from the server, from
// now on; 0: none. The client gets just those.
func (p *Proxy) CutEach(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutEach = n
}

func (p *Proxy) cut() {
	p.cuts++
	for c := range p.pairs {
		_ = c.client.Close() // it may be closed already
		_ = c.server.Close()
	}
}

// Corrupt turns over bits of one byte: of the n-th from now on, from 1, that comes
// from the server. mask says which bits. Corrupted tells when it is done.
func (p *Proxy) Corrupt(n int64, mask byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.corrupt, p.mask = n, mask
}

// Corrupted reports whether no byte is left to be corrupted.
func (p *Proxy) Corrupted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.corrupt <= 0
}

// HalfOpen makes all connections lose a half, silently and for good: for their
// clients they stay as they are. New ones are served.
func (p *Proxy) HalfOpen(lost Half) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.lost[lost] = true
		if lost == Server {
			_ = c.server.Close()
		}
	}
}

// Redirect leads new connections to another address, as a name does after a
// failover, and breaks those that there are.
func (p *Proxy) Redirect(network, target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.target = network, target
	p.cut()
}

// Refuse makes new connections end at once, as long as on is true.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = on
}

// Swallow makes the proxy pass nothing on in either direction, as a broken route
// does, as long as on is true. What was swallowed is lost.
func (p *Proxy) Swallow(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallowing = on
}

// Close breaks all connections and stops listening.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.cut()
	p.mu.Unlock()
	err := p.listener.Close()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	refusing, network, target, cuts := p.refusing, p.network, p.target, p.cuts
	p.mu.Unlock()
	if refusing {
		return
	}
	server, err := net.Dial(network, target)
	if err != nil {
		return
	}
	defer server.Close()
	c := &pair{client: client, server: server}
	if !p.hold(cuts, c) {
		return
	}
	defer p.release(c)
	var wg sync.WaitGroup
	wg.Go(func() { p.forward(c, Requests) })
	wg.Go(func() { p.forward(c, Answers) })
	wg.Wait()
}

// hold keeps a pair for the next cut, unless there has been one since cuts was read.
func (p *Proxy) hold(cuts int, c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.cuts != cuts {
		return false
	}
	p.pairs[c] = struct{}{}
	return true
}

func (p *Proxy) release(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pairs, c)
}

// lost reports whether a pair has lost a half, for either reason.
func (p *Proxy) lost(c *pair, half Half) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.lost[half] || c.lost[Server]
}

// end closes the end of a pair that a half leads to, unless that is lost: a half-open
// connection does not tell that it has ended.
func (p *Proxy) end(c *pair, half Half) {
	switch {
	case p.lost(c, half):
	case half == Answers:
		_ = c.client.Close() // it may be closed already
	default:
		_ = c.server.Close()
	}
}

// A parcel is what was read at once, and when it is due at the other end.
type parcel struct {
	data []byte
	due  time.Time
}

// forward copies requests or answers until either connection breaks. Reading goes on
// while earlier parcels are still under way.
func (p *Proxy) forward(c *pair, half Half) {
	to, from, back := c.server, c.client, Answers
	if half == Answers {
		to, from, back = c.client, c.server, Requests
	}
	under := make(chan parcel, 1024)
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		for x := range under {
			if err != nil {
				continue // nobody hears the rest: it is not waited for
			}
			time.Sleep(time.Until(x.due))
			if p.lost(c, half) {
				continue
			}
			if _, err = to.Write(x.data); err != nil {
				p.end(c, back) // ends the reading
			}
		}
		p.end(c, half)
	})
	defer wg.Wait()
	defer close(under)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if left := p.left(c, half, int64(n)); left < int64(n) {
			n, err = int(left), io.EOF
			_ = from.Close()
		}
		if delay, pass := p.treat(buf[:n], half); pass && n > 0 {
			under <- parcel{data: append([]byte(nil), buf[:n]...), due: time.Now().Add(delay)}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.end(c, half)
			}
			return
		}
	}
}

// left returns how many of n bytes may still come over a connection.
func (p *Proxy) left(c *pair, half Half, n int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if half != Answers {
		return n
	}
	c.answered += n
	if p.cutEach == 0 || c.answered <= p.cutEach {
		return n
	}
	return max(0, p.cutEach-(c.answered-n))
}

// treat decides what becomes of bytes.
func (p *Proxy) treat(b []byte, half Half) (delay time.Duration, pass bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int64(len(b))
	if half == Answers && p.corrupt > 0 {
		if p.corrupt <= n {
			b[p.corrupt-1] ^= p.mask
		}
		p.corrupt -= n
	}
	if half == Answers && p.cutAfter > 0 {
		if p.cutAfter -= n; p.cutAfter <= 0 {
			p.cutAfter = 0
			p.cut()
			return 0, false
		}
	}
	delay = p.delay
	if now := time.Now(); half == Answers && p.rate > 0 {
		if p.busy.Before(now) {
			p.busy = now
		}
		p.busy = p.busy.Add(time.Duration(n * int64(time.Second) / p.rate))
		delay += p.busy.Sub(now)
	}
	return delay, !p.swallowing
}
