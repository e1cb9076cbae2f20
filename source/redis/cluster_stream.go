package redis

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/topology"
)

// A nodeStream is the history of one primary of a cluster as it arrives: a goroutine
// reads commands into a window. It goes on over a new link when one breaks, to the
// same node or to the one that took over.
type nodeStream struct {
	id      string // of the node
	node    *node  // nil: it was never linked to
	runID   string
	history string               // replication id
	at      replication.Position // up to which all is in the destination
	drained replication.Position // up to which changes were taken from the window
	seen    int64                // as in replicaPosition
	shown   bool                 // rows that the node showed were handed on since seen was asked for
	fallen  time.Time            // since when the node is no primary any more; zero: it is
	bare    int64                // offset of the history when the node was found without slots and keys; 0: it was not
	target  atomic.Int64         // offset to reach; 0: there is none

	tellsMoves bool // the history tells of each key that leaves the node with its slot

	link   *replication.Link
	spool  *replication.Spool
	ended  chan struct{} // closed when nothing more arrives; nil: never linked
	broken error         // why; set before ended is closed

	mu      sync.Mutex
	room    *sync.Cond // the window was drained
	window  *replication.Window
	stopped bool
}

// over reports whether nothing more arrives.
func (st *nodeStream) over() bool { return st.ended == nil || closed(st.ended) }

// reached reports whether what was drained comes up to the target.
func (st *nodeStream) reached() bool { return st.drained.Offset >= st.target.Load() }

// tells reports whether what a server says of itself is said by the process whose
// history the stream is, as the primary.
func (st *nodeStream) tells(info map[string]string) bool {
	return info["run_id"] == st.runID && info["master_replid"] == st.history && info["master_repl_offset"] != ""
}

// upTo returns the offset as of which rows may be that were read of the stream's node,
// by what it says of itself; anyOffset: it does not tell.
func (st *nodeStream) upTo(info map[string]string) int64 {
	switch {
	case st.tells(info):
		return offsetOf(info)
	case info["run_id"] == st.runID && info["master_replid2"] == st.history && branchedAt(info) > 0:
		return branchedAt(info) - 1
	}
	return anyOffset
}

// done reports whether everything was drained that a node had to tell which has neither
// slots nor keys.
func (st *nodeStream) done() bool { return st.bare > 0 && st.drained.Offset >= st.bare }

// A nodeLink is a link to a primary that has begun.
type nodeLink struct {
	*linkStart
	commands *replication.Commands
}

// beginNode makes a link to a primary of a cluster that begins at a place in a
// history, or with a snapshot.
func (c *clusterReplica) beginNode(ctx context.Context, n *topology.Node, history string, offset int64) (*nodeLink, error) {
	ss, err := c.lookout.session(ctx, n)
	if err != nil {
		return nil, err
	}
	commands, err := ss.commands(ctx)
	if err != nil {
		ss.close()
		return nil, ss.node.commandsError(ctx, err)
	}
	l, err := ss.link(ctx, history, offset)
	if err != nil {
		return nil, err
	}
	return &nodeLink{l, commands}, nil
}

// take takes over a link. What the window holds stays.
func (st *nodeStream) take(l *nodeLink, id string, c *clusterReplica) {
	st.id, st.node, st.runID, st.history, st.link = id, l.node, l.server.runID, l.start.ID, l.link
	st.tellsMoves = l.server.tellsMoves()
	if st.window == nil {
		from := replication.Position{Offset: l.start.Offset, Database: st.at.Database}
		st.window = replication.NewWindow(l.commands, from, c.windowBytes(), c.source.keeps)
		st.room = sync.NewCond(&st.mu)
		st.at, st.drained = from, from
	}
	spool := l.node.spoolOptions()
	spool.Bytes /= int64(max(len(c.known), 1))
	st.spool = replication.NewSpool(l.link, spool)
	st.ended = make(chan struct{})
	ended, parser := st.ended, replication.NewParser(st.spool, st.window.Position(), replication.DefaultHold)
	go func() {
		st.broken = st.receive(parser, c.wake)
		close(ended)
		c.wake()
	}()
}

// receive reads commands until the link breaks or the stream is stopped.
func (st *nodeStream) receive(p *replication.Parser, wake func()) error {
	for {
		command, err := p.Next()
		if err != nil {
			return err
		}
		if command.WantsAck() {
			if err := st.link.Acknowledge(); err != nil {
				return err
			}
		}
		st.mu.Lock()
		for st.window.Full() && st.window.Whole() && !st.stopped {
			wake()
			st.room.Wait()
		}
		stopped := st.stopped
		st.window.Add(command)
		st.mu.Unlock()
		if stopped {
			return errClosed
		}
		if t := st.target.Load(); t > 0 && command.End >= t {
			wake()
		}
	}
}

// drain returns what changed and empties the window; nil within a transaction.
func (st *nodeStream) drain() *replication.Changes {
	if st.window == nil {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.window.Whole() {
		return nil
	}
	changes := st.window.Drain()
	st.room.Broadcast()
	st.drained = changes.After
	return changes
}

// stop ends the link and waits until nothing more arrives.
func (st *nodeStream) stop() error {
	if st.ended == nil {
		return nil
	}
	err := st.link.Close()
	st.mu.Lock()
	st.stopped = true
	st.room.Broadcast()
	st.mu.Unlock()
	if spoolErr := st.spool.Close(); err == nil {
		err = spoolErr
	}
	<-st.ended
	st.stopped = false
	return err
}

// lost tells that the stream's changes are not to be had, and why, a clause.
func (st *nodeStream) lost(format string, args ...any) error {
	return &source.PositionLostError{Reason: st.name() + ": " + fmt.Sprintf(format, args...)}
}

// name returns what the node is called.
func (st *nodeStream) name() string {
	if st.node == nil {
		return "node " + st.id
	}
	return st.node.address
}
