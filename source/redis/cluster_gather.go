package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
)

// gather takes what the histories have told so far, and then looks at the cluster.
func (c *clusterReplica) gather(ctx context.Context) (*view, error) {
	if err := c.drain(); err != nil {
		return nil, err
	}
	return c.look(ctx)
}

// look looks at the cluster until the history of every node that has slots is being
// received.
func (c *clusterReplica) look(ctx context.Context) (*view, error) {
	var failing time.Time
	for {
		v, err := c.lookout.settled(ctx)
		if err == nil {
			err = c.attend(ctx, v)
		}
		if err == nil && c.aiming && !c.aimed {
			err = c.aim(ctx)
		}
		if err == nil {
			return v, c.observe(v)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := c.bear(err, &failing); err != nil {
			return nil, err
		}
		if err := sleep(ctx, lookAgain, nil); err != nil {
			return nil, err
		}
		if err := c.drain(); err != nil { // nodes that are gone may be done with it
			return nil, err
		}
	}
}

// bear returns err unless it may pass and has not lasted too long since it began.
func (c *clusterReplica) bear(err error, since *time.Time) error {
	outage, passing := errors.AsType[*outageError](err)
	switch {
	case !passing, c.tick == nil: // nothing was read yet
		return err
	case since.IsZero():
		*since = time.Now()
	case time.Since(*since) > patience:
		return err
	case time.Since(*since) > toldAfter && !c.waits:
		c.waits = true
		c.source.options.Logger.Info("changes wait for the cluster", "reason", outage)
	}
	return nil
}

// drain takes what the histories have told.
func (c *clusterReplica) drain() error {
	for _, st := range c.streams {
		if c.pending.full() {
			return nil // it waits in the windows and spools
		}
		changes := st.drain()
		if changes == nil {
			continue
		}
		if err := c.source.lostBy(changes); err != nil {
			if lost, ok := errors.AsType[*source.PositionLostError](err); ok {
				lost.Reason = st.name() + ": " + lost.Reason
			}
			return err
		}
		for i := range changes.Databases {
			for _, k := range changes.Databases[i].Keys {
				c.pending.touch(changes.Databases[i].Database, k, st)
			}
		}
	}
	return nil
}

// aim asks every node how far its history has come by now.
func (c *clusterReplica) aim(ctx context.Context) error {
	for _, st := range c.streams {
		info, err := c.lookout.info(ctx, st.node)
		if err != nil {
			return err
		}
		if !st.tells(info) {
			return st.node.outage(errSucceeded)
		}
		st.target.Store(offsetOf(info))
	}
	c.aimed = true
	c.wake() // a history may have come there before it had a target
	return nil
}

var errSucceeded = errors.New("it is not the primary any more that it was")

// observe takes note of a look at the cluster.
func (c *clusterReplica) observe(v *view) error {
	moved := topology.Changed(mapOf(c.known), v.Map)
	if !moved.IsEmpty() {
		for _, st := range c.streams {
			if !st.tellsMoves {
				return st.lost("slots were moved (%s), and this version may move them without telling of each key", slotsText(moved))
			}
		}
	}
	c.unsteady = c.unsteady.Union(moved).Union(v.Open())
	c.known = seenNodes(v.Map)
	return nil
}

// attend sees to it that the history of every primary that has slots, or is given
// some, is received, and that of any other until it has told of its last keys.
func (c *clusterReplica) attend(ctx context.Context, v *view) error {
	if !v.Disputed.IsEmpty() {
		return c.source.node.outage(fmt.Errorf("slots of the cluster are claimed by more than one node (%s); where that lasts, redis-cli --cluster fix mends it", slotsText(v.Disputed)))
	}
	if err := c.goOn(ctx, v); err != nil {
		return err
	}
	if err := c.agreed(v); err != nil {
		return err
	}
	holders := v.holders()
	for _, st := range c.streams {
		if holders[st.id] {
			st.bare = 0
		} else if c.findBare(ctx, st) > 0 {
			return st.lost("it holds keys of slots that were taken from it without moving them")
		}
	}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; holders[n.ID] && c.stream(n.ID) == nil {
			if err := c.join(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// agreed returns an outage where slots were taken from a node that does not say so
// itself: it may not have told of their last keys.
func (c *clusterReplica) agreed(v *view) error {
	for _, was := range c.known {
		st := c.stream(was.ID)
		if st == nil || v.Told(was.ID) {
			continue
		}
		left := was.Slots
		if is := v.Node(was.ID); is != nil {
			left = left.Minus(is.Slots)
		}
		if !left.IsEmpty() {
			return st.node.outage(fmt.Errorf("its slots are said to be another node's now (%s), and it does not answer; start it, or wait until the cluster says that it has failed", slotsText(left)))
		}
	}
	return nil
}

// findBare asks a node without slots whether it holds no keys any more: then its
// history has told of all that there were. It returns how many it holds.
func (c *clusterReplica) findBare(ctx context.Context, st *nodeStream) (keys int64) {
	if st.bare > 0 || st.node == nil {
		return 0
	}
	info, err := c.lookout.info(ctx, st.node)
	if err != nil || !st.tells(info) {
		return 0 // another look tells more
	}
	for _, n := range keyspace(info) {
		keys += n
	}
	if keys == 0 {
		st.bare = max(offsetOf(info), 1) // there is a sign of life soon
	}
	return keys
}

// join begins to follow a primary that is new in the cluster. All of its keys count as
// touched: those that came before are in nobody's history.
func (c *clusterReplica) join(ctx context.Context, n *topology.Node) error {
	l, err := c.beginNode(ctx, n, "", 0)
	if err != nil {
		return err
	}
	st := &nodeStream{}
	st.take(l, n.ID, c)
	st.target.Store(l.start.Offset)
	if err := c.readNames(ctx, l); err != nil {
		return errors.Join(err, st.stop())
	}
	c.streams = append(c.streams, st)
	c.source.options.Logger.Info("a primary has joined, and its changes are read", "node", l.node.address, "slots", n.Slots.Len())
	return nil
}
