package redis

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/source/redis/topology"
)

// goOn makes new links for streams that have broken off, or whose node was taken over
// from, and forgets those that have told everything.
func (c *clusterReplica) goOn(ctx context.Context, v *view) error {
	var fallen []*nodeStream
	for _, st := range c.streams {
		if n := v.Node(st.id); n == nil || n.Failed || st.over() {
			fallen = append(fallen, st)
		}
	}
	if len(fallen) == 0 {
		return nil
	}
	h := succession{view: v, holders: v.holders(), heirs: map[string]*topology.Node{}}
	// Whoever has slots and is followed by nobody may have taken over from one of them.
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Slots.IsEmpty() || c.stream(n.ID) != nil {
			continue
		}
		info, err := c.lookout.info(ctx, c.source.nodeOf(n))
		if err != nil {
			return err
		}
		h.heirs[info["master_replid"]], h.heirs[info["master_replid2"]] = n, n
	}
	links, heirs := make([]*nodeLink, len(fallen)), make([]*topology.Node, len(fallen))
	for i, st := range fallen {
		var err error
		if heirs[i], err = c.heir(ctx, st, &h); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(clusterNodes)
	for i, st := range fallen {
		if heirs[i] != nil {
			g.Go(func() (err error) {
				links[i], err = c.beginAgain(gctx, st, heirs[i])
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		for _, l := range links {
			if l != nil {
				_ = l.link.Close() // nothing was written that could be lost
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	for i, st := range fallen {
		if l := links[i]; l != nil {
			c.takeOver(st, l, heirs[i])
		} else {
			c.drop(st)
		}
	}
	return nil
}

// A succession tells who has taken over from whom.
type succession struct {
	*view
	holders map[string]bool           // by id
	heirs   map[string]*topology.Node // whose history goes on from one, by its replication id
}

// heir returns the node where a stream that has fallen goes on; nil: it has told
// everything.
func (c *clusterReplica) heir(ctx context.Context, st *nodeStream, h *succession) (*topology.Node, error) {
	if err := st.fall(); err != nil {
		return nil, err
	}
	n := h.Node(st.id)
	if n != nil && h.holders[st.id] {
		return n, nil
	}
	if to := h.heirs[st.history]; to != nil && (n == nil || !h.Told(st.id)) {
		return to, nil
	}
	switch {
	case c.toldAll(ctx, st):
		return nil, nil
	case n != nil && !n.Failed:
		return n, nil
	case st.window != nil && st.window.Position() != st.drained:
		return nil, st.node.outage(errSucceeded)
	}
	return nil, st.lost("it has left the cluster, or holds no slots any more, before all its changes were read")
}

// toldAll reports whether everything was drained that a node without slots has had to
// tell. A primary that has given away its last slot may become a replica of another:
// as long as it has not received the other's data, it tells where its history ended.
func (c *clusterReplica) toldAll(ctx context.Context, st *nodeStream) bool {
	c.findBare(ctx, st)
	return st.done()
}

// fallenFor is how long a node that is no primary any more may leave its link open.
const fallenFor = 3 * time.Second

// fall returns an outage while the link of a stream that has fallen may bring more.
func (st *nodeStream) fall() error {
	if st.over() {
		return nil
	}
	if st.fallen.IsZero() {
		st.fallen = time.Now()
	} else if time.Since(st.fallen) > fallenFor {
		_ = st.link.Close() // nobody is there who could
	}
	return st.node.outage(errSucceeded)
}

// beginAgain makes a link that goes on with a stream.
func (c *clusterReplica) beginAgain(ctx context.Context, st *nodeStream, n *topology.Node) (*nodeLink, error) {
	from := st.drained
	if st.window != nil {
		from = st.window.Position()
	}
	l, err := c.beginNode(ctx, n, st.history, from.Offset)
	if err != nil {
		return nil, err
	}
	if l.start.Full {
		err = st.lost("%s", lostHistory(replicaPosition{History: st.history, Offset: from.Offset}, l.start))
	} else if l.start.ID != st.history {
		err = c.inherit(ctx, st, l)
	}
	if err != nil {
		_ = l.link.Close()
		return nil, err
	}
	return l, nil
}

// inherit returns an error unless the node of a link, whose history goes on from that of
// a stream, holds all that was read of the stream's node.
func (c *clusterReplica) inherit(ctx context.Context, st *nodeStream, l *nodeLink) error {
	c.askSeen(ctx, st)
	info, err := c.lookout.info(ctx, l.node)
	if err != nil {
		return err
	}
	if info["run_id"] != l.server.runID || info["master_replid"] != l.start.ID || info["master_replid2"] != st.history {
		return l.node.outage(errSucceeded)
	}
	l.server.info = info
	if st.seen == anyOffset || st.seen >= branchedAt(l.server.info) {
		return st.lost("%s took over from it, perhaps without its last writes, of which some may have been read", l.node.address)
	}
	return nil
}

// takeOver goes on with a stream over a new link.
func (c *clusterReplica) takeOver(st *nodeStream, l *nodeLink, n *topology.Node) {
	log := c.source.options.Logger
	switch {
	case st.node == nil:
	case st.id == n.ID:
		log.Info("the link to a primary was made again", "node", l.node.address, "reason", st.broken)
	default:
		log.Info("a primary was taken over from, and its changes are read on from the new one", "node", st.node.address, "primary", l.node.address)
	}
	_ = st.stop() // it has ended
	c.forgetNode(st.id)
	for i := range c.known {
		if c.known[i].ID == st.id { // the slots did not move
			c.known[i].ID, c.known[i].Epoch = n.ID, n.ConfigEpoch
		}
	}
	st.fallen, st.bare = time.Time{}, 0
	st.take(l, n.ID, c)
	if c.aimed {
		st.target.Store(offsetOf(l.server.info)) // what came after the old one's last is not the same
	}
}

// askSeen asks a node that keys were read of as of which offset their rows may be.
func (c *clusterReplica) askSeen(ctx context.Context, st *nodeStream) {
	if !st.shown {
		return
	}
	st.seen = anyOffset
	if st.node != nil {
		if info, err := c.lookout.info(ctx, st.node); err == nil {
			st.seen = st.upTo(info)
		}
	}
	st.shown = st.seen == anyOffset
}

// drop forgets a stream that has told everything.
func (c *clusterReplica) drop(st *nodeStream) {
	_ = st.stop() // nothing of it is missed
	c.streams = slices.DeleteFunc(c.streams, func(other *nodeStream) bool { return other == st })
	c.forgetNode(st.id)
}

func (c *clusterReplica) forgetNode(id string) {
	c.forget(nodeReading{id, false})
	c.forget(nodeReading{id, true})
}

// stream returns that of a node.
func (c *clusterReplica) stream(id string) *nodeStream {
	for _, st := range c.streams {
		if st.id == id {
			return st
		}
	}
	return nil
}
