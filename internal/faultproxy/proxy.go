// Package faultproxy is a TCP proxy on loopback that delays, cuts, refuses and
// swallows, so that tests and benchmarks can see what a bad network does.
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
	conns      map[net.Conn]struct{}
	cuts       int // how often all was cut: what was being connected then is not kept
	closed     bool
}

// Start starts a proxy to an address of network "tcp" or "unix".
func Start(network, target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p := &Proxy{network: network, target: target, listener: l, conns: map[net.Conn]struct{}{}}
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

func (p *Proxy) cut() {
	p.cuts++
	for c := range p.conns {
		_ = c.Close() // it may be closed already
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
	if !p.hold(cuts, client, server) {
		return
	}
	defer p.release(client, server)
	var wg sync.WaitGroup
	wg.Go(func() { p.forward(server, client, false) })
	wg.Go(func() { p.forward(client, server, true) })
	wg.Wait()
}

// hold keeps a pair of connections for the next cut, unless there has been one
// since cuts was read.
func (p *Proxy) hold(cuts int, conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.cuts != cuts {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

func (p *Proxy) release(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// A parcel is what was read at once, and when it is due at the other end.
type parcel struct {
	data []byte
	due  time.Time
}

// forward copies from one connection to the other until either breaks. Reading
// goes on while earlier parcels are still under way.
func (p *Proxy) forward(to, from net.Conn, answers bool) {
	under := make(chan parcel, 1024)
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		for x := range under {
			if err != nil {
				continue // nobody hears the rest: it is not waited for
			}
			time.Sleep(time.Until(x.due))
			if _, err = to.Write(x.data); err != nil {
				_ = from.Close() // ends the reading
			}
		}
		_ = to.Close()
	})
	defer wg.Wait()
	defer close(under)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if delay, pass := p.treat(n, answers); pass && n > 0 {
			under <- parcel{data: append([]byte(nil), buf[:n]...), due: time.Now().Add(delay)}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			return
		}
	}
}

// treat decides what becomes of n bytes.
func (p *Proxy) treat(n int, answers bool) (delay time.Duration, pass bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answers && p.cutAfter > 0 {
		if p.cutAfter -= int64(n); p.cutAfter <= 0 {
			p.cutAfter = 0
			p.cut()
			return 0, false
		}
	}
	delay = p.delay
	if now := time.Now(); answers && p.rate > 0 {
		if p.busy.Before(now) {
			p.busy = now
		}
		p.busy = p.busy.Add(time.Duration(int64(n) * int64(time.Second) / p.rate))
		delay += p.busy.Sub(now)
	}
	return delay, !p.swallowing
}
