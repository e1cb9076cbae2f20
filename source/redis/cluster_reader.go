package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
)

// A clusterReader reads one snapshot of a cluster, or the rest of one: in a first
// round all slots, each of the node that owns it, and in further rounds those that
// moved meanwhile, until nothing of what was read has moved.
type clusterReader struct {
	source  *Source
	lookout *lookout
	marks   *marks
	notices *notices

	generation int64
	number     int           // of the round, from 0 on
	round      *clusterRound // nil: the snapshot is complete
	current    *part         // whose page is being handed on
	pages      int           // handed on since the last that closed something
}

const (
	// clusterNodes is how many nodes of a cluster are read at once.
	clusterNodes = 8
	// maxRounds bounds how often slots are read again.
	maxRounds = 20
	// lookEvery is how often the cluster is looked at meanwhile.
	lookEvery = time.Second
	// nodesPerCommit is how many nodes' places a position may hold for each page that
	// is handed on without one: in a large cluster a position is long.
	nodesPerCommit = 8
)

// openCluster starts reading a cluster behind from.
func (s *Source) openCluster(ctx context.Context, from row.Position) (_ source.Reader, err error) {
	l := s.newLookout()
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	v, _, err := l.prepare(ctx)
	if err != nil {
		return nil, err
	}
	c := &clusterReader{source: s, lookout: l, marks: newMarks(), notices: newNotices(s.options.Logger, s.options.LogKeys)}
	t, err := c.place(from, v)
	if err != nil {
		return nil, err
	}
	c.begin(ctx, t)
	return c, nil
}

// place decides where reading starts in the cluster that v shows.
func (c *clusterReader) place(from row.Position, v *view) (*tracker, error) {
	c.generation = from.Generation + 1
	if from.Token == "" {
		return newTracker(v, firstParts(v)), nil
	}
	p, err := parseClusterPosition(from.Token, c.source.options.fingerprint())
	if err != nil {
		return nil, err
	}
	was := mapOf(p.Nodes)
	c.tellNodes(was, v)
	if p.Filter == c.source.options.fingerprint() {
		c.marks.restore(p.Marks)
	}
	if p.Done {
		return newTracker(v, firstParts(v)), nil
	}
	c.generation, c.number = from.Generation, p.Round
	t := newTracker(viewOf(was), nil)
	for _, at := range p.Parts {
		t.parts = append(t.parts, &part{node: at.Node, from: at.From, slots: at.Slots.Minus(p.Dirty), at: at.At})
	}
	t.dirty = p.Dirty
	c.tellMoved(t.observe(v))
	var left []*part
	for _, p := range t.parts {
		if p.slots = p.slots.Minus(t.dirty); !p.slots.IsEmpty() {
			left = append(left, p)
		}
	}
	t.parts = left
	return t, nil
}

// tellNodes logs which primaries have come and gone.
func (c *clusterReader) tellNodes(was *topology.Map, is *view) {
	log := c.source.options.Logger
	before := map[string]bool{}
	for i := range was.Nodes {
		before[was.Nodes[i].ID] = true
	}
	for i := range is.Nodes {
		n := &is.Nodes[i]
		if !before[n.ID] && n.Slots.Len() > 0 {
			log.Info("a primary was added to the cluster", "node", n.Address, "slots", n.Slots.Len())
		}
		delete(before, n.ID)
	}
	for id := range before {
		log.Info("a primary has left the cluster", "node", id)
	}
}

// tellMoved logs that slots have to be read again.
func (c *clusterReader) tellMoved(slots int) {
	if slots > 0 {
		c.source.options.Logger.Info("slots changed hands and are read again", "slots", slots, "round", c.number)
	}
}

// begin begins a round. It outlives the call.
func (c *clusterReader) begin(ctx context.Context, t *tracker) {
	c.pages = 0
	c.round = c.newRound(ctx, t)
}

// Next returns the next batch. The batches of one page follow each other, whatever
// the other nodes deliver meanwhile.
func (c *clusterReader) Next(ctx context.Context) (*row.Batch, error) {
	for {
		if c.round == nil {
			return nil, io.EOF
		}
		if c.current == nil {
			p, err := c.round.turn(ctx)
			if errors.Is(err, io.EOF) {
				b, err := c.end(ctx)
				if b != nil || err != nil {
					return b, err
				}
				continue
			}
			if err != nil {
				return nil, err
			}
			c.current = p
		}
		p := c.current
		b, err := p.reader.batch(ctx, p.page)
		if err != nil {
			return nil, p.failure(err)
		}
		if b.Closes == row.None {
			return b, nil
		}
		last := b.Closes == row.Snapshot // of its node
		if last {
			if err := p.reader.session.same(ctx); err != nil {
				return nil, p.failure(err)
			}
		}
		p.at, c.current = []byte(b.After.Token), nil
		b.Closes, b.Scope, b.After = row.None, nil, row.Position{Generation: c.generation}
		if c.pages++; last || c.pages*nodesPerCommit >= len(c.round.tracker.parts) {
			c.pages = 0
			b.Closes, b.After = row.Commit, c.position()
		}
		p.goOn()
		return b, nil
	}
}

// position returns the place behind what was handed on.
func (c *clusterReader) position() row.Position {
	p := &clusterPosition{Filter: c.source.options.fingerprint(), Round: c.number}
	c.round.describe(p)
	return c.marks.into(p.at(c.generation))
}

// end ends a round that has read all of its parts. It begins the next, or returns
// the batch that completes the snapshot.
func (c *clusterReader) end(ctx context.Context) (*row.Batch, error) {
	t := c.round.tracker
	c.round.close()
	v, err := c.lookout.settled(ctx)
	if err != nil {
		return nil, err
	}
	t.observe(v)
	next := t.next()
	if len(next) > 0 && c.number == maxRounds {
		again := t.again()
		return nil, c.source.node.outage(fmt.Errorf("slots of the cluster kept moving through %d rounds of reading (%s); run keylift again when they are at rest", maxRounds+1, slotsText(again)))
	}
	if len(next) > 0 {
		again := t.again()
		c.number++
		c.source.options.Logger.Info("slots moved while they were read and are read again", "slots", again.Len(), "round", c.number)
		c.begin(ctx, newTracker(v, next))
		return nil, nil
	}
	c.round = nil
	c.marks.forgetUnmet()
	b := row.NewBatch(c.source.plan.Tables()[0])
	p := &clusterPosition{Filter: c.source.options.fingerprint(), Round: c.number, Nodes: seenNodes(v.Map), Done: true}
	b.After, b.Closes, b.Scope = c.marks.into(p.at(c.generation)), row.Snapshot, c.source.scope()
	return b, nil
}

// Close ends the reading and waits for its goroutines.
func (c *clusterReader) Close() error {
	if c.round != nil {
		c.round.close()
	}
	c.lookout.close()
	return nil
}

var _ source.Reader = (*clusterReader)(nil)
