package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

const (
	// windowBytes is what the names of changed keys may take before the link is read
	// no further.
	windowBytes = 64 << 20
	// changedKeys is how many changed keys a page has.
	changedKeys = 500
	editsAhead  = 64
	// idleCommit is how often the place is committed while nothing changes.
	idleCommit = 30 * time.Second
)

// A changesReader reads what changed behind a place. One goroutine reads commands
// into a window, another drains it and makes pages of the keys, which the workers
// of a reader read again; Next adds deletes for those that are gone.
type changesReader struct {
	*reader
	replica *replicaReader
	edits   chan *edit // of the pages, in their order
	current *edit
	shaper  *table.ValueShaper
	seen    map[string]struct{}
	text    []byte

	mu      sync.Mutex
	room    *sync.Cond // the window was drained
	window  *replication.Window
	reached chan struct{} // closed when the target is
	full    chan struct{} // receives when the window is
}

// An edit is what is to be done beside reading a page's keys again.
type edit struct {
	page  *page
	known []replication.Change // need not be read
}

func (s *Source) newChangesReader(ctx context.Context, replica *replicaReader) (*changesReader, error) {
	ss, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if is := ss.server.runID; is != replica.runID {
		ss.close()
		return nil, s.node.outage(&replacedError{was: replica.runID, is: is})
	}
	commands, err := ss.commands(ctx)
	if err != nil {
		ss.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, s.node.readError(err)
	}
	c := &changesReader{
		reader: s.readerOf(ss), replica: replica,
		edits:   make(chan *edit, editsAhead),
		shaper:  table.NewValueShaper(s.table, s.options.MaxValueBytes),
		seen:    map[string]struct{}{},
		window:  replication.NewWindow(commands, replica.from, windowBytes, s.keeps),
		reached: make(chan struct{}), full: make(chan struct{}, 1),
	}
	c.generation = replica.generation
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
	return s.filter.AnyKey() || s.filter.Key(string(key))
}

// listen reads the commands of the link into the window.
func (c *changesReader) listen(ctx context.Context) error {
	follow, target := c.source.options.Follow, c.replica.target
	if !follow && c.replica.from.Offset >= target {
		close(c.reached)
		return nil
	}
	p := replication.NewParser(c.replica.link, c.replica.from, replication.DefaultHold)
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
			close(c.reached)
			return nil
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
		if changes == nil || !last && empty(changes) && (changes.After == at || time.Since(committed) < idleCommit) {
			continue
		}
		if err := c.lost(changes); err != nil {
			return err
		}
		if err := c.hand(ctx, changes, at); err != nil {
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

// lost reports, as a *source.PositionLostError, that more may have changed than
// can be told key by key.
func (c *changesReader) lost(changes *replication.Changes) error {
	switch {
	case changes.Lost != "":
		return &source.PositionLostError{Reason: changes.Lost}
	case changes.Flushed:
		return &source.PositionLostError{Reason: "all databases were emptied (FLUSHALL)"}
	}
	for i := range changes.Databases {
		d := &changes.Databases[i]
		if !c.source.options.AllDatabases && !slices.Contains(c.source.options.Databases, d.Database) {
			continue
		}
		if d.Flushed {
			return &source.PositionLostError{Reason: fmt.Sprintf("database %d was emptied (FLUSHDB)", d.Database)}
		}
		if d.Swapped {
			return &source.PositionLostError{Reason: fmt.Sprintf("database %d was exchanged for another (SWAPDB)", d.Database)}
		}
	}
	return nil
}

// hand makes pages of changes. Only the last of them moves on from at.
func (c *changesReader) hand(ctx context.Context, changes *replication.Changes, at replication.Position) error {
	e := c.newEdit(0, at)
	for i := range changes.Databases {
		d := &changes.Databases[i]
		if len(e.page.keys)+len(e.known) > 0 && e.page.database != d.Database {
			if err := c.handEdit(ctx, e); err != nil {
				return err
			}
			e = c.newEdit(d.Database, at)
		}
		e.page.database = d.Database
		for _, k := range d.Keys {
			if len(e.page.keys)+len(e.known) >= changedKeys {
				if err := c.handEdit(ctx, e); err != nil {
					return err
				}
				e = c.newEdit(d.Database, at)
			}
			if k.Outcome == replication.Reread {
				e.page.keys = append(e.page.keys, k.Key)
			} else {
				e.known = append(e.known, k)
			}
		}
	}
	e.page.closes, e.page.after = row.Changes, c.replica.position(changes.After)
	return c.handEdit(ctx, e)
}

func (c *changesReader) newEdit(database int, at replication.Position) *edit {
	p := newPage(database)
	p.after = c.replica.position(at)
	return &edit{page: p}
}

func (c *changesReader) handEdit(ctx context.Context, e *edit) error {
	select {
	case c.edits <- e:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.reader.hand(ctx, e.page)
}

// Next returns the next batch of changes.
func (c *changesReader) Next(ctx context.Context) (*row.Batch, error) {
	b, err := c.reader.Next(ctx)
	if err != nil {
		if lost, ok := errors.AsType[*source.PositionLostError](c.cause()); ok {
			return nil, lost
		}
		return nil, err
	}
	if c.current == nil {
		c.current = <-c.edits // it was sent before its page
		clear(c.seen)
	}
	key := c.table.Column("key")
	for i := range b.Len() {
		c.seen[string(b.TextAt(key, i))] = struct{}{}
	}
	if b.Closes != row.None { // the last batch of its page
		if err := c.complete(b); err != nil {
			return nil, err
		}
		c.current = nil
	}
	return b, nil
}

// complete adds to b the rows of keys that need not be read, and deletes for those
// that were to be read and are no rows.
func (c *changesReader) complete(b *row.Batch) error {
	database := c.current.page.database
	for _, key := range c.current.page.keys {
		c.text = row.AppendText(c.text[:0], []byte(key))
		if _, there := c.seen[string(c.text)]; !there {
			c.delete(b, database, key)
		}
	}
	c.shaper.Into(b)
	now := time.Now()
	for i := range c.current.known {
		k := &c.current.known[i]
		left := k.ExpiresAt - now.Add(c.session.server.ahead).UnixMilli()
		if k.Outcome == replication.Gone || k.ExpiresAt != 0 && left <= 0 || !c.source.filter.dataType(value.String.String()) {
			c.delete(b, database, k.Key)
			continue
		}
		key := value.Key{Database: database, Name: []byte(k.Key), Type: value.String, TTL: expiryNone, ReadAt: now, Elements: len(k.Value)}
		if k.ExpiresAt != 0 {
			key.ExpiresAt, key.TTL = time.UnixMilli(k.ExpiresAt), (left+500)/1000 // as TTL rounds
		}
		if err := errors.Join(c.shaper.Begin(key), c.shaper.String(k.Value), c.shaper.End()); err != nil {
			return err
		}
	}
	return nil
}

// delete adds a delete of a key to b.
func (c *changesReader) delete(b *row.Batch, database int, key string) {
	at := c.table.Column("key")
	if at > 0 {
		b.AppendInt(at-1, int64(database))
	}
	start := len(b.Text)
	b.Text = row.AppendText(b.Text, []byte(key))
	b.AppendSpan(at, start)
	b.EndRow(row.Delete)
}

// commands asks the server which commands it has and where their keys are.
func (s *session) commands(ctx context.Context) (*replication.Commands, error) {
	reply, err := s.one(ctx, "COMMAND")
	if err != nil {
		return nil, err
	}
	tree, err := treeOf(reply)
	if err != nil {
		return nil, err
	}
	return replication.ParseCommands(tree)
}

// treeOf returns a reply as slices, strings and integers.
func treeOf(r resp.Reply) (any, error) {
	elements, err := r.Elements()
	if err == nil {
		list := make([]any, 0, elements.Len())
		for elements.Len() > 0 {
			item, err := treeOf(elements.Next())
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	}
	if r[0] == ':' {
		return r.Int()
	}
	b, err := r.Bytes()
	if errors.Is(err, resp.ErrNil) {
		return nil, nil
	}
	return string(b), err
}
