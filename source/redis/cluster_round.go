package redis

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/source/redis/topology"
)

// A part is what one round reads of one node.
type part struct {
	node  string // id
	from  string // id of the node that the slots are being imported from; empty: the node owns them
	slots topology.Slots
	at    json.RawMessage // position behind what was handed on; empty: at the start

	reader *reader
	page   *page         // of the turn
	more   chan struct{} // receives when page was handed on
	err    error         // why there is none; io.EOF at the end
}

// goOn has the part offer its next page.
func (p *part) goOn() { p.more <- struct{}{} }

// close ends the reading.
func (p *part) close() {
	_ = p.reader.Close() // it returns none
	if owner := p.reader.share.owner; owner != nil {
		owner.close()
	}
}

// failure puts an error of the reading into the terms of the contract. What is lost
// when a node is replaced by another concerns this part alone.
func (p *part) failure(err error) error {
	if lost, ok := errors.AsType[*source.PositionLostError](err); ok {
		return p.reader.session.node.outage(errors.New(lost.Reason))
	}
	return err
}

// done reports whether the part was read to its end.
func (p *part) done() bool {
	at, err := parsePosition(string(p.at))
	return err == nil && at.Done
}

// A clusterRound reads parts of a cluster, several at once. Each offers page after
// page.
type clusterRound struct {
	reader *clusterReader
	cancel context.CancelCauseFunc
	group  sync.WaitGroup
	turns  chan *part
	left   int           // parts that have not come to their end
	places chan struct{} // as many as nodes are read at once
	ahead  *budget

	primaries *topology.Map // when the round began
	looking   sync.WaitGroup

	mu      sync.Mutex
	tracker *tracker
}

func (c *clusterReader) newRound(ctx context.Context, t *tracker) *clusterRound {
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &clusterRound{
		reader: c, tracker: t, primaries: t.seen.Map, cancel: cancel,
		turns: make(chan *part), left: len(t.parts), places: make(chan struct{}, clusterNodes),
		ahead: newBudget(c.source.options.MemoryBytes),
	}
	for _, p := range t.parts {
		p.more = make(chan struct{}, 1)
		r.group.Go(func() { r.read(running, p) })
	}
	if r.left > 0 {
		r.looking.Go(func() { r.watch(running) })
	}
	return r
}

// close ends the reading of all parts.
func (r *clusterRound) close() {
	r.cancel(errClosed)
	r.group.Wait()
	r.looking.Wait()
}

// turn returns the next part that has a page to be handed on; io.EOF follows when
// all have come to their ends.
func (r *clusterRound) turn(ctx context.Context) (*part, error) {
	for r.left > 0 {
		select {
		case p := <-r.turns:
			switch {
			case p.err == nil:
				return p, nil
			case !errors.Is(p.err, io.EOF):
				return nil, p.err
			}
			r.left--
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, io.EOF
}

// read reads one part and offers its pages, until its end or until all that it
// reads has to be read again anyway.
func (r *clusterRound) read(ctx context.Context, p *part) {
	select {
	case r.places <- struct{}{}: // one of clusterNodes
		defer func() { <-r.places }()
	case <-ctx.Done():
		return
	}
	var err error
	if p.done() {
		err = io.EOF
	} else if err = r.start(ctx, p); err == nil {
		defer p.close()
	}
	for err == nil && !r.useless(p) {
		if p.page, err = p.reader.page(ctx); err != nil {
			break
		}
		select {
		case r.turns <- p:
		case <-ctx.Done():
			return
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return
		}
	}
	if p.err = p.failure(err); err == nil || r.useless(p) {
		p.err = io.EOF
	}
	select {
	case r.turns <- p:
	case <-ctx.Done():
	}
}

func (r *clusterRound) useless(p *part) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracker.useless(p)
}

// watch looks at the cluster again and again.
func (r *clusterRound) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		v, err := r.reader.lookout.look(ctx)
		if err != nil {
			continue // who reads sees why, and the look at the round's end
		}
		r.mu.Lock()
		moved := r.tracker.observe(v)
		r.mu.Unlock()
		r.reader.tellMoved(moved)
	}
}

// stray notes that a key was not where it was looked for.
func (r *clusterRound) stray(_ int, key string, _ resp.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracker.strayed.Add(topology.Slot([]byte(key)))
}

// describe fills in where the round is.
func (r *clusterRound) describe(p *clusterPosition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tracker
	p.Nodes, p.Dirty = seenNodes(t.seen.Map), t.again()
	for _, at := range t.parts {
		p.Parts = append(p.Parts, partPosition{Node: at.node, From: at.from, Slots: at.slots, At: at.at})
	}
}

// primary returns what the round knew of a primary when it began.
func (r *clusterRound) primary(id string) *topology.Node { return r.primaries.Node(id) }

// start connects to a part's node and begins to read it where it was left.
func (r *clusterRound) start(ctx context.Context, p *part) error {
	c := r.reader
	ss, err := c.lookout.session(ctx, r.primary(p.node))
	if err != nil {
		return err
	}
	// A replica does not tell which keys of a slot that is being moved are gone.
	if n := r.primary(p.node); p.from == "" && len(n.Migrating) == 0 && len(n.Importing) == 0 {
		if ss, err = c.source.standIn(ctx, ss); err != nil {
			return err
		}
	}
	rd := c.source.readerOf(ss)
	rd.marks, rd.notices, rd.ahead, rd.generation = c.marks, c.notices, r.ahead, c.generation
	rd.batchBytes = max(rd.batchBytes/int64(min(len(r.tracker.parts), clusterNodes)), minBatchBytes)
	rd.filterTypes()
	rd.changes = c.number > 0
	rd.share = &share{slots: p.slots, stray: r.stray}
	rd.start = rd.beginning()
	if len(p.at) > 0 {
		at, err := parsePosition(string(p.at))
		if err == nil {
			err = at.check(ss.server.runID, rd.start.Origin, rd.start.Filter)
		}
		if err == nil {
			rd.start = at
		} else {
			rd.changes = true
			c.source.options.Logger.Info("a node is read from its beginning", "node", ss.node.address, "reason", err)
		}
	}
	if p.from != "" {
		if err := r.importing(ctx, rd, p.from); err != nil {
			ss.close()
			return err
		}
	}
	if err := rd.begin(ctx, rd.scan); err != nil {
		ss.close()
		if rd.share.owner != nil {
			rd.share.owner.close()
		}
		return err
	}
	p.reader = rd
	return nil
}

// importing has rd read slots that its node is importing.
func (r *clusterRound) importing(ctx context.Context, rd *reader, from string) (err error) {
	if err := rd.session.beginAsking(ctx); err != nil {
		return err
	}
	if owner := r.primary(from); owner != nil { // it has given all away otherwise
		rd.share.owner, err = r.reader.lookout.session(ctx, owner)
	}
	return err
}
