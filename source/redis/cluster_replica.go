package redis

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/topology"
)

// A clusterReplica reads a cluster as a replica of each of its primaries does: a
// snapshot of each, unless it goes on from a position, and then what changes.
//
// A key moves between nodes: its deletion is in the history of one and its arrival in
// that of another, and nobody tells which came first. So histories only tell which
// keys were touched. A run of changes takes what all histories have told, looks at
// the cluster, makes sure that the history of every node that has slots is being
// received, and reads the keys where they are now: what comes later will touch them
// again. Of a node that joins, all keys count as touched.
type clusterReplica struct {
	source  *Source
	lookout *lookout
	marks   *marks
	notices *notices

	generation int64
	streams    []*nodeStream
	snapshots  *nodeSnapshots  // nil: they are read, or there are none
	whole      bool            // the snapshot is complete
	aiming     bool            // something is complete when every stream has reached its target
	aimed      bool            // the targets are known
	committed  *clusterHistory // where the destination is; nil: nowhere yet
	published  time.Time

	known    []seenNode     // of the cluster, at the last look
	unsteady topology.Slots // moved, or were open, since changes are read
	pending  touchedKeys
	readers  map[nodeReading]*nodeKeys
	run      *changesRun // nil: none is being read
	passes   int         // of reading keys that were not where they were looked for
	failing  time.Time   // since when keys of the run are not to be read; zero: they are

	awake  chan struct{} // receives when there is something to do before the next tick
	tick   *time.Ticker
	waits  bool // it was told that changes wait
	done   bool // the last batch has been returned
	closed bool
}

const (
	// patience is how long a cluster may be without some of its primaries, as while one
	// is taken over from, before the reading fails: until then the others' histories are
	// received.
	patience = time.Minute
	// lookAgain is how soon a cluster is looked at again that is not as it should be, as
	// it is for a moment whenever a slot changes hands.
	lookAgain = 50 * time.Millisecond
	// toldAfter is after how long that is told.
	toldAfter = 2 * time.Second
	// minWindowBytes is the least that the names of keys of one node may take.
	minWindowBytes = 1 << 20
)

// noStandIn says what becomes of Options.ReadReplica.
const noStandIn = "in mode replica the primaries of a cluster are followed themselves, and no replicas in their place; set mode to scan, or read_from to primary"

// openClusterReplica starts reading the cluster behind from.
func (s *Source) openClusterReplica(ctx context.Context, from row.Position) (_ source.Reader, err error) {
	p, err := s.clusterPlace(from)
	if err != nil {
		return nil, err
	}
	c := &clusterReplica{
		source: s, lookout: s.newLookout(), marks: newMarks(), notices: newNotices(s.options.Logger, s.options.LogKeys),
		generation: from.Generation, published: time.Now(),
		readers: map[nodeReading]*nodeKeys{}, awake: make(chan struct{}, 1),
	}
	c.aiming = p == nil || !s.options.Follow
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	v, sessions, err := c.lookout.prepare(ctx)
	if err != nil {
		return nil, err
	}
	for _, ss := range sessions {
		if ss.server.info["master_replid"] == "" {
			return nil, ss.node.refuse("INFO is not permitted, which tells how far a node's history has come; grant +info to the user, or set mode to scan")
		}
	}
	if s.options.ReadReplica {
		s.options.Logger.Warn(noStandIn)
	}
	if p == nil {
		c.generation++
		c.known = seenNodes(v.Map)
		c.snapshots = c.readSnapshots(ctx, v)
		return c, nil
	}
	c.whole, c.committed, c.known = true, p, p.Nodes
	c.marks.restore(p.Marks)
	for _, h := range p.Parts {
		at := replication.Position{Offset: h.Offset, Database: h.Database}
		c.streams = append(c.streams, &nodeStream{id: h.Node, history: h.History, at: at, drained: at, seen: h.Seen, shown: h.Seen == anyOffset})
	}
	if _, err := c.gather(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// windowBytes returns what the names of one node's changed keys may take.
func (c *clusterReplica) windowBytes() int {
	return max(windowBytes/max(len(c.known), 1), minWindowBytes)
}

// wake has the next run of changes begin before its time.
func (c *clusterReplica) wake() {
	select {
	case c.awake <- struct{}{}:
	default:
	}
}

// Next returns the batches of the snapshots, then those of what changed meanwhile, of
// which the last closes the snapshot, and then those of what changes.
func (c *clusterReplica) Next(ctx context.Context) (*row.Batch, error) {
	if c.closed {
		return nil, errClosed
	}
	if c.snapshots != nil {
		b, err := c.snapshots.next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		c.snapshots.cancel(nil)
		c.streams, c.snapshots = c.snapshots.streams, nil
	}
	for !c.done {
		if c.run == nil {
			if err := c.begin(ctx); err != nil {
				return nil, err
			}
			continue
		}
		b, err := c.run.next(ctx)
		if b != nil || err != nil {
			return b, err
		}
		if b, err = c.complete(ctx); b != nil || err != nil {
			return b, err
		}
	}
	return nil, io.EOF
}

// begin waits for its time and begins a run of changes, if there is reason for one.
func (c *clusterReplica) begin(ctx context.Context) error {
	if c.tick == nil {
		c.tick = time.NewTicker(c.source.options.PublishInterval)
	} else {
		select {
		case <-c.tick.C:
		case <-c.awake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	v, err := c.gather(ctx)
	if err != nil || !c.due() {
		return err
	}
	return c.beginRun(ctx, v)
}

// due reports whether there is reason for a run of changes. Where the histories told of
// nothing that is read, Lag is told so.
func (c *clusterReplica) due() bool {
	if c.aiming {
		return c.reached() || c.pending.full()
	}
	if c.pending.len() > 0 {
		return true
	}
	moved := false
	for _, st := range c.streams {
		if st.done() {
			return true // it may leave as soon as nothing is asked of it
		}
		moved = moved || st.drained != st.at
	}
	if !moved || time.Since(c.published) >= idleCommit {
		return moved
	}
	for _, st := range c.streams {
		c.source.blanks.set(st.history, st.at.Offset, st.drained.Offset)
	}
	return false
}

// reached reports whether what was drained comes up to all targets.
func (c *clusterReplica) reached() bool {
	for _, st := range c.streams {
		if !st.reached() {
			return false
		}
	}
	return true
}

// complete returns the batch that closes a run of changes all of whose keys were
// read; nil: there is more to be read.
func (c *clusterReplica) complete(ctx context.Context) (*row.Batch, error) {
	if c.pending.len() > 0 { // keys that were not where they were looked for
		v, err := c.look(ctx)
		if err != nil {
			return nil, err
		}
		return nil, c.beginRun(ctx, v)
	}
	for _, st := range c.streams {
		c.askSeen(ctx, st)
	}
	if ctx.Err() != nil { // they may not have been asked
		return nil, context.Cause(ctx)
	}
	c.run, c.failing, c.waits, c.published = nil, time.Time{}, false, time.Now()
	b := row.NewBatch(c.source.plan.Tables()[0])
	b.After = row.Position{Generation: c.generation}
	reached := c.aiming && c.reached()
	if !c.whole && !reached {
		return b, nil
	}
	b.Closes = row.Changes
	if !c.whole {
		c.marks.forgetUnmet()
		b.Closes, b.Scope = row.Snapshot, c.source.scope()
	}
	c.committed, c.whole = c.place(), true
	b.After = c.marks.into(c.committed.at(c.generation))
	if reached {
		c.aiming, c.aimed, c.done = false, false, !c.source.options.Follow
	}
	return b, nil
}

// place returns the place up to which everything was drained and read, takes note of it,
// and forgets streams that have told everything.
func (c *clusterReplica) place() *clusterHistory {
	p := &clusterHistory{Version: positionVersion, Mode: modeClusterReplica, Filter: c.source.options.fingerprint(), Nodes: c.known}
	for _, st := range slices.Clone(c.streams) {
		if st.done() {
			c.drop(st)
			continue
		}
		st.at = st.drained
		p.Parts = append(p.Parts, nodeHistory{Node: st.id, History: st.history, Offset: st.at.Offset, Seen: st.seen, Database: st.at.Database})
	}
	return p
}

// Close ends the links and the reading.
func (c *clusterReplica) Close() error {
	var errs []error
	if c.snapshots != nil {
		errs = append(errs, c.snapshots.close())
	}
	for _, k := range c.readers {
		errs = append(errs, k.Close())
	}
	for _, st := range c.streams {
		errs = append(errs, st.stop())
	}
	if c.tick != nil {
		c.tick.Stop()
	}
	c.lookout.close()
	c.readers, c.streams, c.snapshots, c.closed = nil, nil, nil, true
	return errors.Join(errs...)
}

var _ source.Reader = (*clusterReplica)(nil)
