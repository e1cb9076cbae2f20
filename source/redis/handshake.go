package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// doubtTLS is how long a handshake may take before the server is asked whether it
// speaks TLS at all.
const doubtTLS = 500 * time.Millisecond

// errPlain says that there is no TLS at the other end.
var errPlain = errors.New("it answers without TLS")

// handshake begins TLS on a connection. A server that speaks none waits for the end of
// a line in what it takes for a command, and says nothing, so it is asked by PING over
// a connection of its own.
func (n *node) handshake(ctx context.Context, raw net.Conn, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		select {
		case <-time.After(doubtTLS):
			if n.speaksPlain(ctx) {
				cancel(errPlain)
			}
		case <-ctx.Done():
		}
	}()
	encrypted := tls.Client(raw, config)
	err := encrypted.HandshakeContext(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errPlain) {
		err = errPlain
	}
	cancel(nil)
	<-asked
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return encrypted, nil
}

// speaksPlain reports whether the server answers a command without TLS.
func (n *node) speaksPlain(ctx context.Context) bool {
	c, err := (&net.Dialer{}).DialContext(ctx, n.network, n.address)
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	var first [1]byte
	_, err = c.Read(first[:])
	return err == nil && (first[0] == '+' || first[0] == '-')
}
