package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
)

const (
	// windowBytes is what the names of changed keys may take before the link is read
	// no further.
	windowBytes = 64 << 20
	// idleCommit is how often the place is committed while nothing changes.
	idleCommit = 30 * time.Second
)

// A changesReader reads what changed behind a place. One goroutine reads commands
// into a window, another drains it and has the keys read again.
type changesReader struct {
	*rereader
	replica *replicaReader

	mu      sync.Mutex
	room    *sync.Cond // the window was drained
	window  *replication.Window
	reached chan struct{} // closed when the target is, or the link is broken
	broken  error         // why the link is; set before reached is closed
	full    chan struct{} // receives when the window is
	shown   bool          // rows were handed on since replica.seen was asked for
}

func (s *Source) newChangesReader(ctx context.Context, replica *replicaReader) (*changesReader, error) {
	ss, err := s.connect(ctx, replica.node)
	if err != nil {
		return nil, err
	}
	if is := ss.server.runID; is != replica.runID {
		ss.close()
		return nil, replica.node.outage(&replacedError{was: replica.runID, is: is})
	}
	commands, err := ss.commands(ctx)
	if err != nil {
		ss.close()
		return nil, replica.node.commandsError(ctx, err)
	}
	c := &changesReader{
		rereader: s.newRereader(ss, replica.generation), replica: replica,
		window:  replication.NewWindow(commands, replica.from, windowBytes, s.keeps),
		reached: make(chan struct{}), full: make(chan struct{}, 1),
		shown: replica.seen == anyOffset,
	}
	c.marks = replica.marks
	c.room = sync.NewCond(&c.mu)
	if err := c.begin(ctx, c.listen, c.feed, c.interrupt); err != nil {
		ss.close()
		return nil, err
	}
	return c, nil
}

// interrupt makes listen return when the reading has ended.
func (c *changesReader) interrupt(ctx context.Context) error {
	<-ctx.Done()
	err := c.replica.link.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room.Broadcast()
	return err
}

// keeps reports whether changes of a key matter.
func (s *Source) keeps(database int, key []byte) bool {
	if !s.options.AllDatabases && !slices.Contains(s.options.Databases, database) {
		return false
	}
	return (s.filter.AnyKey() || s.filter.Key(string(key))) && s.plan.Reads(key)
}

// listen reads the commands of the stream into the window. A link that breaks ends
// it: what came before is worth having.
func (c *changesReader) listen(ctx context.Context) error {
	if !c.replica.reached() {
		c.broken = c.receive(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	close(c.reached)
	return nil
}

// receive reads commands up to the target.
func (c *changesReader) receive(ctx context.Context) error {
	follow, target := c.source.options.Follow, c.replica.target
	p := replication.NewParser(c.replica.receive(), c.replica.from, replication.DefaultHold)
	for {
		command, err := p.Next()
		if err != nil {
			return err
		}
		if command.WantsAck() {
			if err := c.replica.link.Acknowledge(); err != nil {
				return err
			}
		}
		c.mu.Lock()
		for c.window.Full() && c.window.Whole() && ctx.Err() == nil {
			select {
			case c.full <- struct{}{}:
			default:
			}
			c.room.Wait()
		}
		c.window.Add(command)
		reached := !follow && command.End >= target && c.window.Whole()
		c.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if reached {
			return c.replica.link.Close() // the server need not hold what comes behind
		}
	}
}

// feed drains the window again and again and hands on what it held.
func (c *changesReader) feed(ctx context.Context) error {
	defer close(c.work)
	at := c.replica.from
	tick := time.NewTicker(c.source.options.PublishInterval)
	defer tick.Stop()
	committed := time.Now()
	for {
		last := false
		select {
		case <-c.reached:
			last = true
		case <-c.full:
		case <-c.ticks(tick):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		changes := c.drain()
		if last && c.broken != nil && (changes == nil || empty(changes)) {
			return c.broken
		}
		if changes == nil || !last && empty(changes) && (changes.After == at || time.Since(committed) < idleCommit) {
			if changes != nil {
				c.source.blanks.set(c.replica.history, at.Offset, changes.After.Offset)
			}
			continue
		}
		if err := c.source.lostBy(changes); err != nil {
			return err
		}
		if err := c.reread(ctx, changes, c.replica.position(at), c.replica.position(changes.After)); err != nil {
			return err
		}
		at, committed = changes.After, time.Now()
		if last {
			close(c.ordered)
			return nil
		}
	}
}

// ticks returns when to publish: never, where only the end is published.
func (c *changesReader) ticks(t *time.Ticker) <-chan time.Time {
	if c.source.options.Follow {
		return t.C
	}
	return nil
}

func empty(c *replication.Changes) bool {
	return c.Lost == "" && !c.Flushed && len(c.Databases) == 0
}

// drain empties the window, or returns nil within a transaction.
func (c *changesReader) drain() *replication.Changes {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.window.Whole() {
		return nil
	}
	changes := c.window.Drain()
	c.room.Broadcast()
	return changes
}

// lostBy reports, as a *source.PositionLostError, that more may have changed than
// can be told key by key.
func (s *Source) lostBy(changes *replication.Changes) error {
	switch {
	case changes.Lost != "":
		return &source.PositionLostError{Reason: changes.Lost}
	case changes.Flushed:
		return &source.PositionLostError{Reason: "all databases were emptied (FLUSHALL)", Emptied: true}
	}
	for i := range changes.Databases {
		d := &changes.Databases[i]
		if !s.options.AllDatabases && !slices.Contains(s.options.Databases, d.Database) {
			continue
		}
		if d.Flushed {
			return &source.PositionLostError{Reason: fmt.Sprintf("database %d was emptied (FLUSHDB)", d.Database), Emptied: true}
		}
		if d.Swapped {
			return &source.PositionLostError{Reason: fmt.Sprintf("database %d was exchanged for another (SWAPDB)", d.Database), Emptied: true}
		}
	}
	return nil
}

// Next returns the next batch of changes. Its keys were read at some moment up to
// now: a server that takes over may lack what they showed.
func (c *changesReader) Next(ctx context.Context) (*row.Batch, error) {
	b, err := c.rereader.Next(ctx)
	if errors.Is(err, io.EOF) && c.broken != nil {
		return nil, c.session.node.readError(c.broken)
	}
	if err != nil {
		return nil, err
	}
	c.shown = c.shown || b.Len() > 0
	switch b.Closes {
	case row.None, row.Snapshot:
	case row.Commit:
		// Rows behind this place, which are read later, may be committed with it.
		b.After = seenUpTo(anyOffset, b.After)
	case row.Changes:
		if err := c.ask(ctx); err != nil {
			return nil, err
		}
		b.After = seenUpTo(c.replica.seen, b.After)
	}
	return b, nil
}

// ask asks the server as of which offset the rows that were handed on may be.
func (c *changesReader) ask(ctx context.Context) error {
	if !c.shown {
		return nil
	}
	now, err := c.session.offset(ctx)
	if err == nil {
		err = c.whole(ctx)
	}
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case closed(c.done): // which broke the session off
			return c.failure()
		}
		return c.session.node.readError(err)
	}
	c.replica.seen, c.shown = now, now == anyOffset
	return nil
}

// whole reports, as an error, that a replica which was read may have lost its data
// meanwhile: before it receives all of it anew it drops its links.
func (c *changesReader) whole(ctx context.Context) error {
	if c.session.node.origin == nil {
		return nil
	}
	select {
	case <-c.reached:
		if c.broken != nil {
			return c.broken
		}
	default:
	}
	info, err := c.session.replication(ctx)
	if err == nil && info["role"] == "slave" && info["master_link_status"] != "up" {
		err = errNoPrimary
	}
	return err
}

var errNoPrimary = errors.New("the replica has lost its primary, and may be about to begin anew")
