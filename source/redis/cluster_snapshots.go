package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/snapshot"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/source/redis/topology"
)

// snapshotsAtOnce is how many primaries of a cluster may make a snapshot at once: each
// forks.
const snapshotsAtOnce = 4

// nodeSnapshots read a snapshot of each primary of a cluster, several at once.
type nodeSnapshots struct {
	reader  *clusterReplica
	streams []*nodeStream // in the order of the nodes
	cancel  context.CancelCauseFunc
	group   sync.WaitGroup
	batches chan *row.Batch
	ended   chan struct{} // closed when all are read, or one has failed
	failed  error         // why; set before ended is closed
}

// readSnapshots begins to read a snapshot of each primary that has slots, or is given
// some. It outlives the call.
func (c *clusterReplica) readSnapshots(ctx context.Context, v *view) *nodeSnapshots {
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &nodeSnapshots{reader: c, cancel: cancel, batches: make(chan *row.Batch), ended: make(chan struct{})}
	var nodes []*topology.Node
	holders := v.holders()
	for i := range v.Nodes {
		if n := &v.Nodes[i]; holders[n.ID] {
			nodes = append(nodes, n)
			s.streams = append(s.streams, &nodeStream{})
		}
	}
	g, gctx := errgroup.WithContext(running)
	g.SetLimit(snapshotsAtOnce)
	s.group.Go(func() {
		for i, n := range nodes {
			g.Go(func() error { return s.read(gctx, n, s.streams[i]) })
		}
		s.failed = g.Wait()
		close(s.ended)
	})
	return s
}

// next returns the next batch; io.EOF follows the last.
func (s *nodeSnapshots) next(ctx context.Context) (*row.Batch, error) {
	select {
	case b := <-s.batches:
		return b, nil
	case <-s.ended:
		if s.failed == nil {
			return nil, io.EOF
		}
		if failure, ok := errors.AsType[*snapshotError](s.failed); ok {
			return nil, s.reader.source.snapshotError(failure.node, failure.err)
		}
		return nil, s.failed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close ends the reading, and the streams that have begun.
func (s *nodeSnapshots) close() error {
	s.cancel(errClosed)
	s.group.Wait()
	var errs []error
	for _, st := range s.streams {
		errs = append(errs, st.stop())
	}
	return errors.Join(errs...)
}

// A snapshotError is an error of reading a node's snapshot. It is for next to put into
// the terms of the contract: what comes of it concerns the whole source.
type snapshotError struct {
	node *node
	err  error
}

func (f *snapshotError) Error() string { return f.err.Error() }

// read reads the snapshot of one node.
func (s *nodeSnapshots) read(ctx context.Context, n *topology.Node, st *nodeStream) error {
	c := s.reader
	l, err := c.beginNode(ctx, n, "", 0)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.link.Close() })() // reads in progress end
	st.take(l, n.ID, c)
	slots := n.Slots
	late := &later{source: c.source, node: l.node, server: l.server, generation: c.generation, marks: c.marks}
	late.connect = func(ctx context.Context) (*session, error) { return c.lookout.session(ctx, n) }
	late.share = &share{slots: slots, stray: func(int, string, resp.Error) {}} // what moves is touched
	o := c.source.snapshotOptions(l.linkStart, late)
	o.MemoryBytes /= snapshotsAtOnce
	reading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	touch := c.touching(func() { cancel(l.node.outage(errOpenSlots)) })
	o.Owns = func(database int, key []byte) bool {
		if slots.Has(topology.Slot(key)) {
			return true
		}
		touch(database, key)
		return false
	}
	rows := snapshot.NewReader(c.source.options.pacer.paced(l.link.Snapshot()), o)
	if err := s.pass(reading, rows); err != nil {
		_ = l.link.Close() // reads in progress end
		_ = rows.Close()   // it returns none
		return failedBy(reading, &snapshotError{l.node, err})
	}
	_ = rows.Close()
	err = s.pass(ctx, late)
	return errors.Join(err, late.Close())
}

// touching returns what touches keys, and calls full when there are too many of them.
func (c *clusterReplica) touching(full func()) func(database int, key []byte) {
	return func(database int, key []byte) {
		name := string(key)
		c.pending.add(touchedKey{database, name}, touch{change: replication.Change{Key: name}})
		if c.pending.full() {
			full()
		}
	}
}

// failedBy returns why the context has ended, or err if it has not.
func failedBy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pass hands on the batches of from.
func (s *nodeSnapshots) pass(ctx context.Context, from interface {
	Next(context.Context) (*row.Batch, error)
},
) error {
	for {
		b, err := from.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case s.batches <- b:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readNames reads the snapshot that a link begins with and takes all keys in it for
// touched.
func (c *clusterReplica) readNames(ctx context.Context, l *nodeLink) error {
	reading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	touch := c.touching(func() {
		cancel(&source.PositionLostError{
			Reason: fmt.Sprintf("%s: it has joined the cluster, with more keys than names fit into %d MiB", l.node.address, windowBytes>>20),
		})
	})
	o := c.source.snapshotOptions(l.linkStart, &later{server: l.server, marks: c.marks})
	o.Owns = func(database int, key []byte) bool {
		touch(database, key)
		return false
	}
	rows := snapshot.NewReader(c.source.options.pacer.paced(l.link.Snapshot()), o)
	_, err := rows.Next(reading)
	if errors.Is(err, io.EOF) {
		return rows.Close()
	}
	_ = l.link.Close() // reads in progress end
	_ = rows.Close()   // it returns none
	return failedBy(reading, c.source.snapshotError(l.node, err))
}

// errOpenSlots says that keys of which nothing but the name is known do not fit into
// memory.
var errOpenSlots = errors.New("it holds more keys of slots that are being moved than can be looked for; run keylift again when they have been moved")
