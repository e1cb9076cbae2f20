package redis

import (
	"context"
	"errors"

	"github.com/keylift/keylift/source/redis/resp"
)

const clientName = "keylift"

// A session is two connections to one server process: one for whole pipelines of
// values, of which several are in flight at once, and one for everything else; and a
// third where the time is measured that the server takes to answer. None is ever
// replaced.
type session struct {
	node    *node
	server  server
	control *conn
	values  *conn // nil until open
	probe   *conn // nil where nobody wants to know
	asking  bool  // each command asks for slots that the node is only importing
}

// controlDepth is how many pipelines may be in flight on the connection for
// everything else: chunks of big keys are asked for ahead of their time.
const controlDepth = maxAhead + 4

// maxReply returns the length of the longest reply that is kept.
func (o *Options) maxReply() int { return int(max(o.MaxValueBytes, 2*o.BigKeyBytes)) + 1<<20 }

// connect makes a session with a single connection and looks at the server.
func (n *node) connect(ctx context.Context) (*session, error) {
	s := &session{node: n}
	err := s.begin(ctx)
	if err != nil {
		s.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, n.connectError(err)
	}
	return s, nil
}

func (s *session) begin(ctx context.Context) (err error) {
	if s.control, err = s.node.dial(ctx, controlDepth, s.node.options.maxReply()); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.abort)()
	if err := s.control.introduce(ctx, s.node); err != nil {
		return err
	}
	s.control.renew(s.node)
	if s.server, err = s.node.look(ctx, s); err != nil {
		return err
	}
	if s.node.sentinels != nil && s.server.role == "replica" {
		return errDemoted
	}
	return nil
}

// errDemoted says that the sentinels named a primary that is none: a failover is
// under way, or a sentinel does not know of it yet.
var errDemoted = errors.New("the server is a replica now")

// open makes the connection for values, with up to depth pipelines in flight, and
// checks that it leads to the same process as the first.
func (s *session) open(ctx context.Context, depth int) (err error) {
	if s.values, err = s.node.dial(ctx, depth, s.node.options.maxReply()); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.abort)()
	if err := s.values.introduce(ctx, s.node); err != nil {
		return err
	}
	s.values.renew(s.node)
	p := newPipeline()
	p.add("INFO", "server")
	if err := s.values.exchange(ctx, p); err != nil {
		return err
	}
	text, err := p.next().Bytes()
	if _, refused := asReply(err); err != nil && !refused {
		return err
	}
	if is := parseInfo(string(text))["run_id"]; is != s.server.runID {
		return &replacedError{was: s.server.runID, is: is}
	}
	return nil
}

// introduce logs in, chooses the database, names the connection and has it leave no
// trace in what the server knows of its keys' use.
func (c *conn) introduce(ctx context.Context, n *node) error {
	return n.options.logIn(ctx, func(with Credentials) error {
		c.login = with
		return c.greet(ctx, n)
	})
}

func (c *conn) greet(ctx context.Context, n *node) error {
	p, o := newPipeline(), n.options
	p.addAuth(c.login)
	if !o.manyDatabases() && o.Databases[0] != 0 {
		p.add("SELECT", itoa(o.Databases[0]))
	}
	if n.readOnly {
		p.add("READONLY")
	}
	needed := p.commands
	p.add("CLIENT", "SETNAME", clientName)
	// What is read is not used for that: the server goes on as if it had not been. Refused
	// courtesies are no errors.
	p.add("CLIENT", "NO-TOUCH", "ON")
	p.add("CLIENT", "NO-EVICT", "ON")
	if err := c.exchange(ctx, p); err != nil {
		return err
	}
	for range needed {
		if err := p.next().Err(); err != nil {
			return err
		}
	}
	if err, ok := asReply(p.next().Err()); ok && unavailable(err) {
		return err
	}
	return nil
}

// do sends commands on the connection for everything else and waits for their
// replies. An error ends the session; error replies are among the replies.
func (s *session) do(ctx context.Context, commands ...[]string) (*resp.Replies, error) {
	p := s.pipeline()
	for _, command := range commands {
		p.add(command...)
	}
	if err := s.control.exchange(ctx, p); err != nil {
		return nil, err
	}
	return &p.replies, nil
}

// one sends one command; an error reply is an error.
func (s *session) one(ctx context.Context, command ...string) (resp.Reply, error) {
	replies, err := s.do(ctx, command)
	if err != nil {
		return nil, err
	}
	reply := replies.Next()
	return reply, reply.Err()
}

// abort breaks all connections off; reads in progress return at once.
func (s *session) abort() {
	for _, c := range []*conn{s.control, s.values, s.probe} {
		if c != nil {
			c.abort()
		}
	}
}

// close ends the session, when nobody uses it any more.
func (s *session) close() {
	for _, c := range []*conn{s.control, s.values, s.probe} {
		if c != nil {
			c.close()
		}
	}
}
