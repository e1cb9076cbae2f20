package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/source/redis/topology"
)

// A lookout looks at a cluster, over connections of its own. It takes one look at a
// time; beside looks, one goroutine at a time may ask a node.
type lookout struct {
	source *Source

	mu    sync.Mutex
	conns map[string]*conn // by address
}

const (
	// tornLooks is how often a slot may be found open on one side alone, or with nobody,
	// before it is taken for a fault: the nodes are told, and asked, one after the other.
	tornLooks = 5
	tornPause = 200 * time.Millisecond
)

func (s *Source) newLookout() *lookout {
	return &lookout{source: s, conns: map[string]*conn{}}
}

// settled looks at the cluster until every slot has an owner that is well, and none
// is open on one side alone, or reports what is wrong.
func (l *lookout) settled(ctx context.Context) (*view, error) {
	for n := 1; ; n++ {
		v, err := l.look(ctx)
		if err != nil {
			return nil, err
		}
		fault := v.fault()
		if fault == "" {
			return v, nil
		}
		if n == tornLooks || v.torn.IsEmpty() && v.missing().IsEmpty() {
			return nil, l.source.node.outage(errors.New(fault))
		}
		if err := sleep(ctx, tornPause, nil); err != nil {
			return nil, err
		}
	}
}

// fault tells what keeps a cluster from being read completely; empty: nothing does.
func (v *view) fault() string {
	var failed topology.Slots
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Failed {
			failed = failed.Union(n.Slots)
		}
	}
	missing := v.missing()
	switch {
	case !missing.IsEmpty():
		return fmt.Sprintf("slots of the cluster belong to no node (%s), so not all keys can be read; "+
			"assign them (redis-cli --cluster fix), and run keylift again", slotsText(missing))
	case !failed.IsEmpty():
		return fmt.Sprintf("slots of the cluster belong to a node that has failed, and no replica has taken over (%s); "+
			"start the node, or let a replica take over (CLUSTER FAILOVER TAKEOVER), and run keylift again", slotsText(failed))
	case !v.torn.IsEmpty():
		return fmt.Sprintf("slots are being migrated to a node that does not import them (%s), so keys that are there cannot be read; "+
			"finish the move (redis-cli --cluster fix), and run keylift again", slotsText(v.torn))
	}
	return ""
}

// missing returns the slots that belong to nobody.
func (v *view) missing() topology.Slots { return topology.All().Minus(v.Owned()) }

// slotsText writes slots for people, not all of many.
func slotsText(s topology.Slots) string {
	text := s.String()
	if len(text) > 60 {
		return fmt.Sprintf("%d of them: %.60s…", s.Len(), text)
	}
	return text
}

// look asks one node for all, and then each primary for what it knows of itself.
func (l *lookout) look(ctx context.Context) (*view, error) {
	m, err := l.any(ctx)
	if err != nil {
		return nil, err
	}
	asked := map[string]bool{m.Asked: true}
	for maps := []*topology.Map{m}; ; m = topology.Merge(maps...) {
		var unasked []*topology.Node
		for i := range m.Nodes {
			if n := &m.Nodes[i]; !asked[n.ID] && !n.Failed {
				asked[n.ID] = true
				unasked = append(unasked, n)
			}
		}
		if len(unasked) == 0 {
			l.source.roster.set(m, l.source)
			l.retain(l.source.seeds())
			return viewOf(m), nil
		}
		more, err := l.askAll(ctx, unasked)
		if err != nil {
			return nil, err
		}
		maps = append(maps, more...)
	}
}

// any asks the first node that answers.
func (l *lookout) any(ctx context.Context) (*topology.Map, error) {
	var first error
	for _, n := range l.source.seeds() {
		m, err := l.ask(ctx, n)
		if err == nil || ctx.Err() != nil {
			return m, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// askAll asks primaries, several at once. Those without slots may not answer.
func (l *lookout) askAll(ctx context.Context, nodes []*topology.Node) ([]*topology.Map, error) {
	maps := make([]*topology.Map, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(clusterNodes)
	for i, n := range nodes {
		g.Go(func() error {
			at := l.source.nodeOf(n)
			m, err := l.ask(ctx, at)
			if err == nil && m.Asked != n.ID {
				err = at.outage(errAnother)
			}
			if err != nil && n.Slots.IsEmpty() {
				return nil
			}
			maps[i] = m
			return unreached(err)
		})
	}
	err := g.Wait()
	return slices.DeleteFunc(maps, func(m *topology.Map) bool { return m == nil }), err
}

var errAnother = errors.New("another node answers there than the cluster tells")

// unreached adds to an outage of a node that the cluster told of what to do about it.
func unreached(err error) error {
	if outage, ok := errors.AsType[*outageError](err); ok {
		return &outageError{node: outage.node, err: fmt.Errorf("%w; every primary of a cluster is read, at the address that the cluster tells: "+
			"check that it runs, and that this machine can reach it there (cluster-announce-ip, cluster-announce-hostname)", outage.err)}
	}
	return err
}

// ask asks a node for CLUSTER NODES.
func (l *lookout) ask(ctx context.Context, n *node) (*topology.Map, error) {
	reply, err := l.one(ctx, n, "CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	return n.parseNodes(reply)
}

// one sends a node one command. An error reply is no error.
func (l *lookout) one(ctx context.Context, n *node, command ...string) (resp.Reply, error) {
	for {
		c, kept, err := l.conn(ctx, n)
		if err != nil {
			return nil, err
		}
		p := newPipeline()
		p.add(command...)
		if err = c.exchange(ctx, p); err == nil {
			return p.next(), nil
		}
		l.drop(n.address)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !kept {
			return nil, n.outage(err)
		}
	}
}

// parseNodes reads what n answered to CLUSTER NODES.
func (n *node) parseNodes(reply resp.Reply) (*topology.Map, error) {
	text, err := reply.Bytes()
	if answer, refused := asReply(err); refused && !unavailable(answer) {
		return nil, n.refuse("CLUSTER NODES is not permitted (%w); grant +cluster|nodes to the user", answer)
	}
	if err != nil {
		return nil, n.outage(err)
	}
	host, _, err := net.SplitHostPort(n.address)
	if err != nil {
		host = n.address // of a socket: the cluster has to tell hosts
	}
	m, err := topology.Parse(string(text), host)
	if err != nil {
		return nil, n.outage(err)
	}
	return m, nil
}

// conn returns the connection to a node, and whether it was kept from before.
func (l *lookout) conn(ctx context.Context, n *node) (c *conn, kept bool, err error) {
	l.mu.Lock()
	c = l.conns[n.address]
	l.mu.Unlock()
	if c != nil {
		return c, true, nil
	}
	if c, err = n.dial(ctx, 2, clusterReply); err == nil {
		stop := context.AfterFunc(ctx, c.abort)
		if err = c.introduce(ctx, n); err != nil {
			c.close()
		}
		stop()
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		return nil, false, n.connectError(err)
	}
	c.renew(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[n.address] = c
	return c, false, nil
}

// info asks a node what it tells of itself.
func (l *lookout) info(ctx context.Context, n *node) (map[string]string, error) {
	reply, err := l.one(ctx, n, "INFO")
	if err != nil {
		return nil, err
	}
	text, err := reply.Bytes()
	if answer, refused := asReply(err); refused && !unavailable(answer) {
		return nil, n.refuse("INFO is not permitted (%w), which tells how far a node's history has come; grant +info to the user, or set mode to scan", answer)
	}
	if err != nil {
		return nil, n.outage(err)
	}
	return parseInfo(string(text)), nil
}

// clusterReply is the longest description of a cluster.
const clusterReply = 16 << 20

// drop ends the connection to an address.
func (l *lookout) drop(address string) {
	l.mu.Lock()
	c := l.conns[address]
	delete(l.conns, address)
	l.mu.Unlock()
	if c != nil {
		c.close()
	}
}

// retain ends the connections to all but some nodes: who has left the cluster closes
// its end alone.
func (l *lookout) retain(nodes []*node) {
	l.mu.Lock()
	addresses := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, address := range addresses {
		if !slices.ContainsFunc(nodes, func(n *node) bool { return n.address == address }) {
			l.drop(address)
		}
	}
}

// close ends all connections.
func (l *lookout) close() {
	for address := range l.conns {
		l.drop(address)
	}
}

// session connects to a primary that a look has shown.
func (l *lookout) session(ctx context.Context, n *topology.Node) (*session, error) {
	at := l.source.nodeOf(n)
	ss, err := at.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = at.readable(&ss.server); err == nil {
		err = ss.is(ctx, n.ID)
	}
	if err != nil {
		ss.close()
		return nil, err
	}
	return ss, nil
}

// is returns an error where the session's node has another id.
func (s *session) is(ctx context.Context, id string) error {
	replies, err := s.do(ctx, []string{"CLUSTER", "NODES"})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return s.node.outage(err)
	}
	m, err := s.node.parseNodes(replies.Next())
	if err == nil && m.Asked != id {
		return s.node.outage(errAnother)
	}
	return err
}
