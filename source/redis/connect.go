package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"
)

const clientName = "keylift"

// errReplaced says that a connection broke after its session was complete.
var errReplaced = errors.New("a connection to the server was lost")

// A dialer makes the connections of one session and keeps hold of them.
type dialer struct {
	network string
	timeout time.Duration
	tls     *tls.Config

	mu     sync.Mutex
	conns  []net.Conn
	sealed bool
}

// dial is the rueidis client's way to a connection. The client dials again
// whenever a connection breaks, and the new one may lead to another process: a
// sealed dialer refuses, so that a broken connection is always an error.
func (d *dialer) dial(ctx context.Context, address string) (net.Conn, error) {
	d.mu.Lock()
	sealed := d.sealed
	d.mu.Unlock()
	if sealed {
		return nil, errReplaced
	}
	plain := &net.Dialer{Timeout: d.timeout}
	var conn net.Conn
	var err error
	if d.tls != nil {
		conn, err = (&tls.Dialer{NetDialer: plain, Config: d.tls}).DialContext(ctx, d.network, address)
	} else {
		conn, err = plain.DialContext(ctx, d.network, address)
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, conn)
	return conn, nil
}

func (d *dialer) seal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = true
}

// close breaks every connection off; reads in progress return at once.
func (d *dialer) close() {
	d.seal()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close() // nothing was written that could be lost
	}
}

// A session is a set of connections to one server process: one for commands
// with replies of any form, and lanes for pipelines whose replies stream.
// None of them is ever replaced.
type session struct {
	dialer *dialer
	client rueidis.Client
	server server
	lanes  int
}

// Buffers of a connection. Replies longer than the read buffer bypass it.
const (
	readBufferBytes  = 64 << 10
	writeBufferBytes = 32 << 10
)

// connect makes a session with a single connection and looks at the server.
func (n *node) connect(ctx context.Context) (*session, error) {
	o := n.options
	d := &dialer{network: o.Network, timeout: o.ConnectTimeout, tls: n.tls()}
	option := rueidis.ClientOption{
		InitAddress: []string{o.Address},
		Username:    o.Username,
		Password:    o.Password,
		ClientName:  clientName,
		DialCtxFn: func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.dial(ctx, address)
		},
		Dialer:              net.Dialer{Timeout: o.ConnectTimeout},
		ConnWriteTimeout:    o.IOTimeout,
		ClientSetInfo:       rueidis.DisableClientSetInfo,
		ForceSingleClient:   true,
		DisableRetry:        true,
		DisableCache:        true,
		PipelineMultiplex:   -1, // one connection
		BlockingPoolSize:    maxLanes,
		ReadBufferEachConn:  readBufferBytes,
		WriteBufferEachConn: writeBufferBytes,
	}
	if !o.manyDatabases() {
		option.SelectDB = o.Databases[0]
	}
	// The client dials without a context: cancelling breaks the connection.
	stop := context.AfterFunc(ctx, d.close)
	defer stop()
	client, err := rueidis.NewClient(option)
	s := &session{dialer: d, client: client}
	if err == nil {
		s.server, err = n.look(ctx, client)
	}
	if err != nil {
		s.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, n.connectError(err)
	}
	return s, nil
}

// close ends the session. It interrupts reads in progress.
func (s *session) close() {
	s.dialer.close()
	if s.client != nil {
		s.client.Close()
	}
}

// open adds lanes to the session, each a connection that is known to lead to the
// same process as the first, and allows no connection after them.
func (s *session) open(ctx context.Context, lanes int) error {
	streams := make([]rueidis.MultiRedisResultStream, lanes)
	var g errgroup.Group
	for i := range streams {
		// A stream that has not been read yet keeps its connection to itself, so
		// that each of these is a connection of its own.
		g.Go(func() error {
			streams[i] = s.client.DoMultiStream(ctx, s.introduction()...)
			return streams[i].Error()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range streams {
		if err := s.check(&streams[i]); err != nil {
			return err
		}
	}
	s.lanes = lanes
	s.dialer.seal()
	return nil
}

// introduction returns what is said first on a lane.
func (s *session) introduction() []rueidis.Completed {
	b := s.client.B()
	return []rueidis.Completed{
		b.Info().Section("server").Build(),
		b.ClientNoTouch().On().Build(),
		b.ClientNoEvict().On().Build(),
	}
}

// check reads the replies to an introduction.
func (s *session) check(stream *rueidis.MultiRedisResultStream) error {
	var reply buffer
	for i := 0; stream.HasNext(); i++ {
		reply.b = reply.b[:0]
		_, err := stream.WriteTo(&reply)
		if _, refused := asReply(err); err != nil && !refused {
			return err
		}
		if i > 0 {
			continue // a refused courtesy is no error
		}
		if is := parseInfo(string(reply.b))["run_id"]; is != s.server.runID {
			return &replacedError{was: s.server.runID, is: is}
		}
	}
	return nil
}
