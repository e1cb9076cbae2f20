package redis

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/source/redis/topology"
)

// roster has the addresses at which a cluster was found: it can be reached while
// the node that was given is down.
type roster struct {
	mu        sync.Mutex
	addresses []string
}

func (r *roster) set(is *topology.Map, s *Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = r.addresses[:0]
	for i := range is.Nodes {
		if n := &is.Nodes[i]; !n.Failed {
			r.addresses = append(r.addresses, s.nodeOf(n).address)
		}
	}
}

// seeds returns the nodes by which the source is found: the one that was given, those
// that stand in for it, and those that were met.
func (s *Source) seeds() []*node {
	all := []*node{&s.node}
	s.roster.mu.Lock()
	defer s.roster.mu.Unlock()
	for _, address := range slices.Concat(s.options.Nodes, s.roster.addresses) {
		if !slices.ContainsFunc(all, func(n *node) bool { return n.address == address }) {
			all = append(all, &node{options: &s.options, network: "tcp", address: address, reached: s.node.reached})
		}
	}
	return all
}

// nodeOf returns a primary as it is reached. The cluster has told of it, so that an
// outage will pass.
func (s *Source) nodeOf(n *topology.Node) *node {
	named := map[string]string{}
	for _, r := range n.Replicas {
		named[r.Address] = s.addressOf(r.Address, r.Hostname)
	}
	return &node{options: &s.options, network: "tcp", address: s.addressOf(n.Address, n.Hostname), reached: true, named: named}
}

// addressOf returns the address at which a node of a cluster is reached that announces
// a hostname, or none.
func (s *Source) addressOf(address, hostname string) string {
	_, port, err := net.SplitHostPort(address)
	if s.options.TLS == nil || hostname == "" || err != nil {
		return address
	}
	return net.JoinHostPort(hostname, port) // certificates hold names
}

// reach makes a session with the primary that sentinels name, or with the first node
// that answers.
func (s *Source) reach(ctx context.Context) (*session, error) {
	if s.sentinels != nil {
		n, err := s.primary(ctx)
		if err != nil {
			return nil, err
		}
		ss, err := n.connect(ctx)
		if err == nil && ss.server.cluster {
			ss.close()
			return nil, n.refuse("the server is part of a cluster, which is found by host; give that in place of sentinel_name")
		}
		return ss, err
	}
	var first error
	for _, n := range s.seeds() {
		ss, err := n.connect(ctx)
		if err == nil || ctx.Err() != nil {
			return ss, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// prepare makes the plan for what the primaries of a cluster can tell.
func (s *Source) prepare(sessions []*session) error {
	exact := true
	for _, ss := range sessions {
		exact = exact && ss.server.can.pexpiretime
	}
	s.node.reached = true
	return s.planWith(exact)
}

// sessions makes a session with each primary that owns slots, in the order of v.
func (l *lookout) sessions(ctx context.Context, v *view) ([]*session, error) {
	all := make([]*session, len(v.Nodes))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(clusterNodes)
	for i := range v.Nodes {
		if n := &v.Nodes[i]; !n.Slots.IsEmpty() {
			g.Go(func() (err error) {
				all[i], err = l.session(gctx, n)
				return unreached(err)
			})
		}
	}
	err := g.Wait()
	all = slices.DeleteFunc(all, func(ss *session) bool { return ss == nil })
	if err != nil {
		closeAll(all)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return all, nil
}

// prepare looks at a cluster and makes the plan for what its primaries tell. Their
// sessions are closed.
func (l *lookout) prepare(ctx context.Context) (*view, []*session, error) {
	v, err := l.settled(ctx)
	if err != nil {
		return nil, nil, err
	}
	sessions, err := l.sessions(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	closeAll(sessions)
	return v, sessions, l.source.prepare(sessions)
}

func closeAll(sessions []*session) {
	for _, ss := range sessions {
		ss.close()
	}
}

// primaries looks at the cluster and makes a session with each primary.
func (s *Source) primaries(ctx context.Context) ([]*session, error) {
	l := s.newLookout()
	defer l.close()
	v, err := l.settled(ctx)
	if err != nil {
		return nil, err
	}
	return l.sessions(ctx, v)
}

// isCluster reports whether the source is a cluster.
func (s *Source) isCluster(ctx context.Context) (bool, error) {
	ss, err := s.reach(ctx)
	if err != nil {
		return false, err
	}
	ss.close()
	return ss.server.cluster, nil
}

// errCluster says how a cluster is not followed.
var errCluster = errors.New("the server is part of a cluster, which is not followed by keyspace notifications; set mode to replica, where the servers permit PSYNC, or leave follow out")

// probes is how many keys are asked for to find out whether a server holds all slots.
const probes = 32

// clustered finds out whether a server is part of a cluster, where INFO may not be
// asked for.
func (s *session) clustered(ctx context.Context) (bool, error) {
	commands := [][]string{{"CLUSTER", "NODES"}}
	for i := range probes {
		commands = append(commands, []string{"TYPE", probeKey + strconv.Itoa(i)}, []string{"PTTL", probeKey + strconv.Itoa(i)})
	}
	replies, err := s.do(ctx, commands...)
	if err != nil {
		return false, err
	}
	if replies.Next().Err() == nil {
		return true, nil
	}
	for replies.Len() > 0 {
		if answer, refused := asReply(replies.Next().Err()); refused && (redirects(answer) || hasPrefix(answer, "CLUSTERDOWN")) {
			return true, nil
		}
	}
	return false, nil
}
