package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source/redis/resp"
)

// A page is full with as many keys as a SCAN call visits or with pageBytes of
// their names, or after pageScans SCAN calls: where few keys match, the cursor
// must not run far without a place to resume from.
const (
	pageBytes = 256 << 10
	pageScans = 32
)

// scan hands out the pages of the snapshot. Only their true end closes ordered:
// a failure must not look like it.
func (r *reader) scan(ctx context.Context) error {
	defer close(r.work)
	if err := r.handAll(ctx); err != nil {
		return err
	}
	close(r.ordered)
	return nil
}

// handAll follows the cursor through every database.
func (r *reader) handAll(ctx context.Context) error {
	at := r.start
	seen := make(map[string]struct{}, r.scanKeys())
	for i, db := range at.Databases {
		if db < at.Database {
			continue
		}
		at.Database = db
		for more := true; more; {
			p := newPage(db)
			if err := r.fill(ctx, p, &at, seen); err != nil {
				return err
			}
			more = at.Cursor != 0
			if !more && i+1 < len(at.Databases) {
				at.Database = at.Databases[i+1]
			}
			if !more && i+1 == len(at.Databases) {
				return r.hand(ctx, r.last(p, at))
			}
			p.after = row.Position{Generation: r.generation, Token: at.token()}
			if err := r.hand(ctx, p); err != nil {
				return err
			}
		}
	}
	// No database holds a key.
	return r.hand(ctx, r.last(newPage(0), at))
}

func newPage(database int) *page {
	return &page{
		database: database,
		closes:   row.Commit,
		turn:     make(chan struct{}),
		batches:  make(chan *row.Batch, batchesAhead),
	}
}

// last makes p the page that completes the snapshot.
func (r *reader) last(p *page, at position) *page {
	at.Done, at.Cursor, at.Database = true, 0, 0
	p.closes = row.Snapshot
	p.after = row.Position{Generation: r.generation, Token: at.token()}
	return p
}

// hand gives p to the workers and to Next.
func (r *reader) hand(ctx context.Context, p *page) error {
	for _, to := range []chan *page{r.work, r.ordered} {
		select {
		case to <- p:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// fill adds the keys of the next SCAN replies to p and moves at behind them.
func (r *reader) fill(ctx context.Context, p *page, at *position, seen map[string]struct{}) error {
	clear(seen)
	bytes := 0
	for range pageScans {
		count, err := r.gate.alone(ctx, max(r.source.options.BatchSize, r.scanKeys()))
		if err != nil {
			return err
		}
		sent, kept := time.Now(), len(p.keys)
		reply, err := r.scanOnce(ctx, p.database, at.Cursor, count)
		if err != nil {
			return err
		}
		r.gate.rest(1, time.Since(sent))
		found, err := parseScan(reply)
		if err != nil {
			return err
		}
		for found.elements.Len() > 0 {
			name, err := found.elements.Bytes()
			if err != nil {
				return err
			}
			// A key repeats where the server's table is growing or shrinking.
			key := string(name)
			if _, repeated := seen[key]; !repeated && r.filter.key(key) && r.plan.Reads(name) && (r.share == nil || r.share.has(name)) {
				seen[key] = struct{}{}
				p.keys = append(p.keys, key)
				bytes += len(key)
			}
		}
		if found.cursor != 0 {
			r.source.options.pacer.took(max(count-(len(p.keys)-kept), 0)) // the others count when they are read
		}
		at.Cursor = found.cursor
		if at.Cursor == 0 || len(p.keys) >= r.scanKeys() || bytes >= pageBytes {
			break
		}
	}
	if r.share == nil {
		return nil
	}
	var err error
	p.keys, err = r.share.lacking(ctx, p.keys)
	return err
}

// scanOnce asks for one SCAN reply.
func (r *reader) scanOnce(ctx context.Context, database int, cursor uint64, count int) (resp.Reply, error) {
	replies, err := r.do(ctx, database, r.scanCommand(cursor, count))
	if err != nil {
		return nil, err
	}
	reply := replies.Next()
	if err := reply.Err(); err != nil {
		return nil, fmt.Errorf("scan database %d: %w", database, err)
	}
	return reply, nil
}

func (r *reader) scanCommand(cursor uint64, count int) []string {
	command := []string{"SCAN", strconv.FormatUint(cursor, 10), "COUNT", itoa(count)}
	if pattern, ok := r.filter.match(); ok {
		command = append(command, "MATCH", pattern)
	}
	if kind, ok := r.serverType(); ok {
		command = append(command, "TYPE", kind)
	}
	return command
}

// A scanReply is the reply of SCAN and its like.
type scanReply struct {
	cursor   uint64
	elements resp.Elements
}

func parseScan(reply resp.Reply) (s scanReply, err error) {
	parts, err := reply.Elements()
	if err != nil {
		return s, err
	}
	if parts.Len() != 2 {
		return s, fmt.Errorf("the server answered a scan by %d elements, not by 2", parts.Len())
	}
	cursor, err := parts.Bytes()
	if err != nil {
		return s, err
	}
	if s.cursor, err = strconv.ParseUint(string(cursor), 10, 64); err != nil {
		return s, fmt.Errorf("read a cursor: %w", err)
	}
	s.elements, err = parts.Next().Elements()
	return s, err
}

// A SCAN call should visit few keys, for it holds up the server's other clients
// for a microsecond a key; over a network, where the cursor can only take so many
// steps a second, it must visit many.
const (
	scanKeysNear = 250
	scanKeysFar  = 1000
	nearRTT      = 300 * time.Microsecond // a round trip
)

func (r *reader) scanKeys() int {
	if r.session.server.rtt < nearRTT {
		return scanKeysNear
	}
	return scanKeysFar
}

// serverType returns the type that the server itself can restrict SCAN to.
func (r *reader) serverType() (name string, ok bool) {
	types := r.filter.Types
	if len(types) != 1 || r.session.server.major() < 6 {
		return "", false
	}
	return serverName(types[0])
}
