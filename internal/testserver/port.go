package testserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports that are reserved lie below those that systems give to listeners and to
// connections that ask for none: so nobody takes one while its server is down.
const (
	firstPort = 10_000
	lastPort  = 15_999
)

// A Port is a free TCP port on loopback for a program that is told where to
// listen. No other reservation, of this process or another, has it until it is
// released: its UDP port is held for that.
type Port struct {
	number int
	held   net.PacketConn
}

// ReservePort reserves a port.
func ReservePort() (*Port, error) {
	var last error
	for range 1000 {
		n := firstPort + rand.IntN(lastPort-firstPort+1)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(n))
		held, err := net.ListenPacket("udp", address)
		if err != nil {
			last = err
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			last = errors.Join(err, held.Close())
			continue
		}
		if err := l.Close(); err != nil {
			return nil, errors.Join(fmt.Errorf("try port %d: %w", n, err), held.Close())
		}
		return &Port{number: n, held: held}, nil
	}
	return nil, fmt.Errorf("find a free port: %w", last)
}

// Number returns the number of the port.
func (p *Port) Number() int { return p.number }

// Address returns host:port.
func (p *Port) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

// Release gives the port back. A nil Port has none.
func (p *Port) Release() {
	if p != nil {
		_ = p.held.Close() // nothing was sent
	}
}
