package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
	"github.com/redis/rueidis"
)

// A page is full with pageKeys keys or pageBytes of their names, or after
// pageScans SCAN calls: where few keys match, the cursor must not run far without
// a place to resume from.
const (
	pageKeys  = 1000
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
	seen := make(map[string]struct{}, pageKeys)
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
		entry, err := r.scanOnce(ctx, p.database, at.Cursor)
		if err != nil {
			return err
		}
		for _, key := range entry.Elements {
			// A key repeats where the server's table is growing or shrinking.
			if _, repeated := seen[key]; !repeated && r.source.filter.key(key) {
				seen[key] = struct{}{}
				p.keys = append(p.keys, key)
				bytes += len(key)
			}
		}
		at.Cursor = entry.Cursor
		if at.Cursor == 0 || len(p.keys) >= pageKeys || bytes >= pageBytes {
			break
		}
	}
	return nil
}

// scanOnce asks for one SCAN reply.
func (r *reader) scanOnce(ctx context.Context, database int, cursor uint64) (rueidis.ScanEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, r.source.options.IOTimeout)
	defer cancel()
	commands := make([]rueidis.Completed, 0, 2)
	if r.source.options.manyDatabases() {
		commands = append(commands, r.session.client.B().Select().Index(int64(database)).Build())
	}
	replies := r.session.client.DoMulti(ctx, append(commands, r.scanCommand(cursor))...)
	for _, reply := range replies {
		if err := reply.Error(); err != nil {
			return rueidis.ScanEntry{}, fmt.Errorf("scan database %d: %w", database, err)
		}
	}
	return replies[len(replies)-1].AsScanEntry()
}

func (r *reader) scanCommand(cursor uint64) rueidis.Completed {
	f, count := &r.source.filter, int64(max(r.source.options.BatchSize, r.scanKeys()))
	scan := r.session.client.B().Scan().Cursor(cursor)
	pattern, matched := f.match()
	kind, typed := r.serverType()
	switch {
	case matched && typed:
		return scan.Match(pattern).Count(count).Type(kind).Build()
	case matched:
		return scan.Match(pattern).Count(count).Build()
	case typed:
		return scan.Count(count).Type(kind).Build()
	}
	return scan.Count(count).Build()
}

// A SCAN call should visit few keys, for it holds up the server's other clients
// for a microsecond a key; over a network, where the cursor can only take so many
// steps a second, it must visit many.
const (
	scanKeysNear = 250
	nearRTT      = 300 * time.Microsecond // a round trip
)

func (r *reader) scanKeys() int {
	if r.session.server.rtt < nearRTT {
		return scanKeysNear
	}
	return pageKeys
}

// serverType returns the type that the server itself can restrict SCAN to.
func (r *reader) serverType() (name string, ok bool) {
	types := r.source.filter.types
	if len(types) != 1 || kindOf(types[0]) == value.Module || r.session.server.major() < 6 {
		return "", false
	}
	return types[0], true
}
