package redis

import (
	"context"
	"errors"
	"sync"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/source/redis/topology"
)

// A touchedKey names a key that changed.
type touchedKey struct {
	database int
	name     string
}

// A touch is what is known of a key that changed.
type touch struct {
	change replication.Change
	by     *nodeStream // the only one that told of it; nil: several did
	asked  bool        // its node said that it may be where its slot is going
	missed bool        // it was not there either: perhaps it was on its way back
}

// touchedKeys are keys that are to be read. Several goroutines may touch keys.
type touchedKeys struct {
	mu    sync.Mutex
	keys  map[touchedKey]touch
	bytes int // about what they take
}

const touchBytes = 200 // of a key beside its name and its value

func (t *touchedKeys) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.keys)
}

// full reports whether no more keys should be touched before these are read.
func (t *touchedKeys) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes > windowBytes
}

// touch adds what a stream tells of a key.
func (t *touchedKeys) touch(database int, k replication.Change, by *nodeStream) {
	t.add(touchedKey{database, k.Key}, touch{change: k, by: by})
}

func (t *touchedKeys) add(k touchedKey, is touch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = map[touchedKey]touch{}
	}
	was, known := t.keys[k]
	if known && was.by != is.by {
		is.by = nil
	}
	is.asked, is.missed = is.asked || was.asked, is.missed || was.missed // it may change faster than it is looked for
	if !known {
		t.bytes += touchBytes + len(k.name)
	}
	t.bytes += len(is.change.Value) - len(was.change.Value)
	t.keys[k] = is
}

// take returns the keys and forgets them.
func (t *touchedKeys) take() map[touchedKey]touch {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := t.keys
	t.keys, t.bytes = nil, 0
	return keys
}

// A nodeReading says where keys are read: on a node, or on one that is only importing
// their slots.
type nodeReading struct {
	node   string // id
	asking bool
}

// nodeKeys reads keys of one node.
type nodeKeys struct {
	*rereader
	stream *nodeStream
	todo   chan *replication.Changes
	mu     sync.Mutex
	stray  map[touchedKey]bool // whether what said so was ASK
	sure   map[touchedKey]bool // keys of the portion that were missed before
	missed []touchedKey        // keys of the portion that are missed now
}

// keysOf returns who reads keys of a node.
func (c *clusterReplica) keysOf(ctx context.Context, at nodeReading, v *view) (*nodeKeys, error) {
	if k := c.readers[at]; k != nil {
		return k, nil
	}
	n, st := v.Node(at.node), c.stream(at.node)
	ss, err := c.lookout.session(ctx, n)
	if err != nil {
		return nil, err
	}
	if is := ss.server.runID; is != st.runID {
		ss.close()
		return nil, ss.node.outage(&replacedError{was: st.runID, is: is})
	}
	if at.asking {
		if err := ss.beginAsking(ctx); err != nil {
			ss.close()
			return nil, err
		}
	}
	k := &nodeKeys{
		rereader: c.source.newRereader(ss, c.generation), stream: st,
		todo: make(chan *replication.Changes, 1), stray: map[touchedKey]bool{},
	}
	k.marks, k.notices = c.marks, c.notices
	k.ahead = newBudget(c.source.options.MemoryBytes / int64(max(len(c.known), 1)))
	k.share = &share{slots: topology.All(), stray: k.noteStray}
	k.strayed = func(database int, name string) bool {
		key := touchedKey{database, name}
		k.mu.Lock()
		_, stray := k.stray[key]
		k.mu.Unlock()
		if stray || !at.asking || k.sure[key] {
			return stray
		}
		k.missed = append(k.missed, key)
		return true
	}
	if err := k.begin(ctx, k.feed); err != nil {
		ss.close()
		return nil, err
	}
	c.readers[at] = k
	return k, nil
}

// noteStray notes a key that is not there.
func (k *nodeKeys) noteStray(database int, key string, answer resp.Error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stray[touchedKey{database, key}] = hasPrefix(answer, "ASK ")
}

// feed has keys read.
func (k *nodeKeys) feed(ctx context.Context) error {
	defer close(k.work)
	for {
		select {
		case changes := <-k.todo:
			if err := k.reread(ctx, changes, row.Position{}, row.Position{}); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// forget ends the reading of a node's keys.
func (c *clusterReplica) forget(at nodeReading) {
	if k := c.readers[at]; k != nil {
		_ = k.Close() // it returns none
		delete(c.readers, at)
	}
}

// A changesRun reads keys that changed, those of each node on its own.
type changesRun struct {
	reader   *clusterReplica
	portions []*portion
}

// A portion is the keys that are read of one node.
type portion struct {
	at      nodeReading
	of      *nodeKeys
	changes *replication.Changes
	sure    map[touchedKey]bool // keys that were missed before
}

const (
	// quickPasses is how often keys that move are looked for without a pause.
	quickPasses = 3
	maxPasses   = 1200
)

var errMoving = errors.New("keys keep moving between the nodes; the sync goes on when they are at rest")

// beginRun has all keys that were touched read, each where the cluster was seen to
// have it.
func (c *clusterReplica) beginRun(ctx context.Context, v *view) error {
	if c.run == nil {
		c.passes = 0
	}
	if c.passes++; c.passes > maxPasses {
		return c.source.node.outage(errMoving)
	} else if c.passes > quickPasses {
		if err := sleep(ctx, lookAgain, nil); err != nil {
			return err
		}
	}
	c.run = &changesRun{reader: c}
	by := map[nodeReading]*portion{}
	for key, is := range c.pending.take() {
		slot := topology.Slot([]byte(key.name))
		at := nodeReading{node: v.owner(slot)}
		if to := v.importer[slot]; is.asked && to != "" {
			at = nodeReading{to, true}
		}
		if c.unsteady.Has(slot) || is.by == nil || is.by.id != at.node || at.asking {
			is.change = replication.Change{Key: key.name} // to be read
		}
		p := by[at]
		if p == nil {
			p = &portion{at: at, changes: &replication.Changes{}, sure: map[touchedKey]bool{}}
			by[at] = p
			c.run.portions = append(c.run.portions, p)
		}
		p.add(key.database, is.change)
		if is.missed {
			p.sure[key] = true
		}
	}
	for _, p := range c.run.portions {
		var err error
		if p.of, err = c.keysOf(ctx, p.at, v); err != nil {
			if err := c.giveBack(ctx, p, err); err != nil {
				return err
			}
			continue
		}
		p.of.sure, p.of.missed = p.sure, nil
		p.of.todo <- p.changes // it has none other
	}
	return nil
}

func (p *portion) add(database int, k replication.Change) {
	for i := range p.changes.Databases {
		if d := &p.changes.Databases[i]; d.Database == database {
			d.Keys = append(d.Keys, k)
			return
		}
	}
	p.changes.Databases = append(p.changes.Databases, replication.DatabaseChanges{Database: database, Keys: []replication.Change{k}})
}

// giveBack has the keys of a portion read later that could not be read now, unless
// that will not help.
func (c *clusterReplica) giveBack(ctx context.Context, p *portion, why error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if lost, ok := errors.AsType[*source.PositionLostError](why); ok {
		why = c.stream(p.at.node).node.outage(errors.New(lost.Reason))
	}
	if err := c.bear(why, &c.failing); err != nil {
		return err
	}
	for i := range p.changes.Databases {
		d := &p.changes.Databases[i]
		for _, k := range d.Keys {
			c.pending.add(touchedKey{d.Database, k.Key}, touch{change: replication.Change{Key: k.Key}})
		}
	}
	p.of = nil
	c.forget(p.at)
	return nil
}

// next returns the next batch; nil when there are no more.
func (r *changesRun) next(ctx context.Context) (*row.Batch, error) {
	c := r.reader
	for len(r.portions) > 0 {
		p := r.portions[0]
		if p.of == nil {
			r.portions = r.portions[1:]
			continue
		}
		b, err := p.of.Next(ctx)
		if err != nil {
			if err := c.giveBack(ctx, p, err); err != nil {
				return nil, err
			}
			continue
		}
		p.of.stream.shown = p.of.stream.shown || b.Len() > 0
		if b.Closes == row.Changes {
			c.takeStrays(p)
			r.portions = r.portions[1:]
		}
		commit := b.Closes == row.Commit && c.whole
		b.Closes, b.After = row.None, row.Position{Generation: c.generation}
		if commit {
			// Rows behind this place, which are read later, may be committed with it.
			b.Closes, b.After = row.Commit, c.marks.into(c.committed.shownAny().at(c.generation))
		}
		return b, nil
	}
	return nil, nil
}

// takeStrays has keys that were not on their node looked for again. One that is neither
// where its slot was nor where that is going may have been moved back in between, so
// both are asked twice before it counts as gone.
func (c *clusterReplica) takeStrays(p *portion) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	for key, asked := range p.of.stray {
		c.pending.add(key, touch{change: replication.Change{Key: key.name}, asked: asked, missed: p.sure[key]})
	}
	clear(p.of.stray)
	for _, key := range p.of.missed {
		c.pending.add(key, touch{change: replication.Change{Key: key.name}, missed: true})
	}
}
