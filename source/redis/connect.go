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
	sealed bool // no more connections
	closed bool // nor those that there were
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
	conn, err := d.plain(ctx, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(errReplaced, conn.Close())
	}
	d.conns = append(d.conns, conn)
	return conn, nil
}

func (d *dialer) plain(ctx context.Context, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: d.timeout}
	if d.tls == nil {
		return plain.DialContext(ctx, d.network, address)
	}
	return (&tls.Dialer{NetDialer: plain, Config: d.tls}).DialContext(ctx, d.network, address)
}

func (d *dialer) seal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = true
}

// close breaks every connection off; reads in progress return at once.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed, d.closed = true, true
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
	lanes  chan struct{} // holds one for each lane that is in use
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
		DialCtxFn: func(dialing context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			// The client dials its first connection without the context.
			dialing, cancel := context.WithCancel(dialing)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			return d.dial(dialing, address)
		},
		Dialer:              net.Dialer{Timeout: o.ConnectTimeout},
		ConnWriteTimeout:    o.IOTimeout,
		ClientSetInfo:       rueidis.DisableClientSetInfo,
		ForceSingleClient:   true,
		DisableRetry:        true,
		DisableCache:        true,
		PipelineMultiplex:   -1, // one connection
		BlockingPipeline:    -1, // for long pipelines too
		BlockingPoolSize:    maxLanes,
		ReadBufferEachConn:  readBufferBytes,
		WriteBufferEachConn: writeBufferBytes,
	}
	if !o.manyDatabases() {
		option.SelectDB = o.Databases[0]
	}
	defer context.AfterFunc(ctx, d.close)()
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
	s.lanes = make(chan struct{}, lanes)
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
