package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/snapshot"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/resp"
)

// A replicaReader reads as a replica does: a snapshot of one moment, unless it goes
// on from a position, then the changes that follow.
type replicaReader struct {
	source     *Source
	node       *node
	link       *replication.Link
	stream     *replication.Spool // nil: nothing is read behind the snapshot yet
	generation int64
	history    string               // replication id
	from       replication.Position // where the changes begin
	seen       int64                // offset as of which rows may be that are in the destination
	target     int64                // offset to reach, unless the source follows
	runID      string

	rows    *snapshot.Reader // nil: the snapshot is read, or there is none
	later   *later           // what the snapshot cannot show
	marks   *marks
	closed  bool           // the last batch has been returned
	changes *changesReader // nil: not begun
}

// A linkStart is a link that the server has let begin.
type linkStart struct {
	node   *node
	link   *replication.Link
	start  replication.Start
	server server
	at     time.Time // by the server's clock
}

// openReplica starts reading behind from.
func (s *Source) openReplica(ctx context.Context, from row.Position) (source.Reader, error) {
	p, fresh, err := s.replicaPlace(from)
	if err != nil {
		return nil, err
	}
	l := s.waiting
	s.waiting = nil
	if l == nil || !fresh {
		if l != nil {
			_ = l.link.Close()
		}
		n, err := s.pick(ctx)
		if err != nil {
			return nil, err
		}
		if l, err = s.begin(ctx, n, p); err != nil {
			return nil, err
		}
	}
	if !fresh && l.start.Full {
		// The snapshot is on its way already: the next Open takes it.
		s.waiting = l
		return nil, &source.PositionLostError{Reason: lostHistory(p, l.start)}
	}
	if !fresh && l.start.ID != p.History && (p.Seen == anyOffset || p.Seen >= branchedAt(l.server.info)) {
		_ = l.link.Close()
		return nil, &source.PositionLostError{Reason: "the server took over from another, perhaps without its last writes, of which some may have been read"}
	}
	r := &replicaReader{
		source: s, node: l.node, link: l.link, runID: l.server.runID,
		generation: from.Generation, history: l.start.ID,
		from: replication.Position{Offset: l.start.Offset, Database: p.Database}, seen: p.Seen,
		target: max(l.start.Offset, offsetOf(l.server.info)), marks: newMarks(),
	}
	if l.start.Full {
		r.generation, r.from.Database, r.seen = from.Generation+1, 0, 0 // the server selects one before the first command
		r.later = &later{source: s, node: l.node, server: l.server, generation: r.generation, marks: r.marks}
		r.later.connect = func(ctx context.Context) (*session, error) { return s.connect(ctx, l.node) }
		r.rows = snapshot.NewReader(s.options.pacer.paced(l.link.Snapshot()), s.snapshotOptions(l, r.later))
	} else {
		r.marks.restore(p.Marks)
	}
	if !r.reached() {
		r.receive()
	}
	return r, nil
}

// receive begins to receive what is behind the snapshot, or returns what has begun.
func (r *replicaReader) receive() *replication.Spool {
	if r.stream == nil {
		r.stream = replication.NewSpool(r.link, r.node.spoolOptions())
	}
	return r.stream
}

// reached reports whether a source that does not follow has no changes to read.
func (r *replicaReader) reached() bool {
	return !r.source.options.Follow && r.from.Offset >= r.target
}

// begin makes a link to n that begins at p, or with a snapshot.
func (s *Source) begin(ctx context.Context, n *node, p replicaPosition) (*linkStart, error) {
	ss, err := s.connect(ctx, n)
	if err != nil {
		return nil, err
	}
	return ss.link(ctx, p.History, p.Offset)
}

// link ends the session for a link to its node that begins at a place in a history, or,
// where that is empty or lost, with a snapshot.
func (s *session) link(ctx context.Context, history string, offset int64) (*linkStart, error) {
	n := s.node
	s.close()
	link, err := n.dialLink(ctx)
	if err != nil {
		return nil, n.linkError(ctx, err)
	}
	start, err := link.Sync(ctx, history, offset)
	if err != nil {
		_ = link.Close()
		return nil, n.linkError(ctx, err)
	}
	return &linkStart{node: n, link: link, start: start, server: s.server, at: s.server.clock(time.Now())}, nil
}

func (n *node) linkOptions(with Credentials) replication.Options {
	o := n.options
	return replication.Options{
		Network: n.network, Address: n.address, TLS: n.tls(), Username: with.Username, Password: with.Password,
		ConnectTimeout: o.ConnectTimeout, ReplyTimeout: o.IOTimeout, Silence: o.silence,
	}
}

func (n *node) spoolOptions() replication.SpoolOptions {
	o := n.options
	return replication.SpoolOptions{Folder: o.SpoolFolder, Bytes: o.SpoolBytes, Logger: o.Logger.With("node", n.address)}
}

// snapshotOptions say how the snapshot is read that a link begins with.
func (s *Source) snapshotOptions(l *linkStart, later *later) snapshot.Options {
	o := &s.options
	databases := o.Databases
	if o.AllDatabases {
		databases = nil
	}
	return snapshot.Options{
		Plan: s.plan, Filter: s.filter.Filter, Databases: databases,
		Generation: later.generation, ReadAt: l.at, MemoryBytes: o.MemoryBytes,
		Notices: source.NewNotices(o.Logger, o.LogKeys), Later: later.wants,
		Tail: later.marks.note,
	}
}

// Next returns the batches of the snapshot, of which the last, without rows,
// closes it, and then those of the changes.
func (r *replicaReader) Next(ctx context.Context) (*row.Batch, error) {
	if r.rows != nil {
		b, err := r.rows.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			_ = r.rows.Close() // it has ended
			r.rows = nil
			return r.Next(ctx)
		case err != nil && ctx.Err() == nil:
			return nil, r.source.snapshotError(r.node, err)
		}
		return b, err
	}
	if r.later != nil {
		b, err := r.later.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		r.target, r.seen = max(r.target, r.later.offset), r.later.offset
		err = r.later.Close()
		r.later = nil
		return r.endOfSnapshot(), err
	}
	if r.closed && r.reached() {
		return nil, io.EOF
	}
	if r.changes == nil {
		var err error
		if r.changes, err = r.source.newChangesReader(ctx, r); err != nil {
			return nil, err
		}
	}
	return r.changes.Next(ctx)
}

// endOfSnapshot returns the batch that closes the snapshot.
func (r *replicaReader) endOfSnapshot() *row.Batch {
	r.closed, r.source.broken = true, false
	b := row.NewBatch(r.source.plan.Tables()[0])
	b.After, b.Closes, b.Scope = r.marks.into(seenUpTo(r.seen, r.position(r.from))), row.Snapshot, r.source.scope()
	return b
}

// position returns the place behind everything up to p.
func (r *replicaReader) position(p replication.Position) row.Position {
	return row.Position{Generation: r.generation, Token: replicaPosition{
		Version: positionVersion, Mode: modeReplica, History: r.history, Offset: p.Offset, Database: p.Database,
		Filter: r.source.options.fingerprint(),
	}.token()}
}

// Close ends the link and the reading.
func (r *replicaReader) Close() error {
	err := r.link.Close()
	if r.rows != nil {
		err = errors.Join(err, r.rows.Close())
	}
	if r.later != nil {
		err = errors.Join(err, r.later.Close())
	}
	if r.changes != nil {
		err = errors.Join(err, r.changes.Close())
	}
	if r.stream != nil {
		err = errors.Join(err, r.stream.Close())
	}
	return err
}

// snapshotError puts an error of the snapshot into the terms of the contract. What
// cannot be decoded may have been changed on its way: it is asked for once more.
func (s *Source) snapshotError(n *node, err error) error {
	unsupported, isUnsupported := errors.AsType[*rdb.UnsupportedError](err)
	corrupt, isCorrupt := errors.AsType[*rdb.CorruptError](err)
	again := !s.broken && (isUnsupported || isCorrupt)
	s.broken = isUnsupported || isCorrupt
	switch {
	case again:
		return n.outage(fmt.Errorf("the snapshot is broken: %w; another one is asked for", err))
	case isUnsupported && s.options.Auto:
		s.settle(choice{modeScan, fmt.Sprintf("the snapshot cannot be read: %v", unsupported)})
		return &source.PositionLostError{Reason: s.chosen.reason}
	case isUnsupported:
		return n.refuse("the snapshot cannot be read: %w; set mode to scan", unsupported)
	case isCorrupt:
		return fmt.Errorf("%s: the snapshot is broken, as the one before it was: %w; use TLS if the network changes bytes, or set mode to scan", n.address, corrupt)
	}
	if errors.Is(err, errClosed) {
		return err
	}
	return n.outage(err)
}

// linkError puts an error of making a link into the terms of the contract.
func (n *node) linkError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	reply, ok := errors.AsType[*replication.ReplyError](err)
	if !ok {
		return n.connectError(err)
	}
	switch answer := resp.Error(reply.Text); {
	case refusesLogin(answer):
		return n.refusedLogin(explained(answer))
	case unavailable(answer), hasPrefix(answer, "NOMASTERLINK", "ERR Can't SYNC"):
		return n.outage(err)
	}
	return n.refuse("the server does not let keylift join as a replica (%w); grant +psync and +replconf to the user, or set mode to scan", reply)
}

// A replicaPosition is a place in a replication history: everything before it is
// in the destination.
type replicaPosition struct {
	Version  int    `json:"v"`
	Mode     string `json:"mode"`
	History  string `json:"replid"`
	Offset   int64  `json:"offset"`
	Seen     int64  `json:"seen"`     // offset as of which rows may be; 0: none is newer than Offset; or anyOffset
	Database int    `json:"database"` // selected there
	Filter   string `json:"filter"`   // fingerprint of the settings
	// Marks say how far keys were read whose rows are only added to.
	Marks map[string]mark `json:"marks,omitempty"`
}

const modeReplica = "replica"

// anyOffset says of rows that they may be as of any offset of the history.
const anyOffset = -1

func (p replicaPosition) token() string { return tokenOf(p) }

// seenUpTo adds to a place that rows may be as of an offset.
func seenUpTo(offset int64, at row.Position) row.Position {
	var p replicaPosition
	if err := json.Unmarshal([]byte(at.Token), &p); err != nil {
		panic(err) // token made it
	}
	p.Seen = offset
	at.Token = p.token()
	return at
}

// replicaPlace returns where to go on from; fresh says that a snapshot is due.
func (s *Source) replicaPlace(from row.Position) (p replicaPosition, fresh bool, err error) {
	if from.Token == "" {
		return p, true, nil
	}
	if err := json.Unmarshal([]byte(from.Token), &p); err != nil || p.Version != positionVersion {
		return p, false, &source.PositionLostError{Reason: "it was written by another version of keylift"}
	}
	if p.Mode != modeReplica {
		// A snapshot that was completed in another way is followed by one of its own.
		if scanned, err := parsePosition(from.Token); err == nil && scanned.Done {
			return replicaPosition{}, true, nil
		}
		return p, false, &source.PositionLostError{Reason: "it was made in another mode"}
	}
	if p.Filter != s.options.fingerprint() {
		return p, false, &source.PositionLostError{Reason: "the settings of what is read have changed"}
	}
	return p, false, nil
}

func lostHistory(p replicaPosition, start replication.Start) string {
	if p.History == start.ID {
		return fmt.Sprintf("the server's backlog does not reach back to it (%d bytes were written since): a larger repl-backlog-size would", start.Offset-p.Offset)
	}
	return fmt.Sprintf("the server has another history now (replication id %.8s became %.8s)", p.History, start.ID)
}
