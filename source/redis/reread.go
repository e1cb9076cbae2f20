package redis

import (
	"context"
	"errors"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

const (
	// changedKeys is how many changed keys a page has.
	changedKeys = 500
	editsAhead  = 64
)

// A rereader reads keys that changed. The workers of a reader read pages of them;
// Next adds deletes for those that are gone. Whoever begins it calls reread.
type rereader struct {
	*reader
	edits   chan *edit // of the pages, in their order
	current *edit
	shaper  *table.Shaper
	seen    map[string]struct{}
	strayed func(database int, key string) bool // a key could not be read, and is read again; nil: none is
	text    []byte
	waiting []*row.Batch // behind the one handed on last
}

// An edit is what is to be done beside reading a page's keys again.
type edit struct {
	page  *page
	known []replication.Change // need not be read
}

// newRereader returns a rereader that has not begun.
func (s *Source) newRereader(ss *session, generation int64) *rereader {
	r := &rereader{
		reader: s.readerOf(ss),
		edits:  make(chan *edit, editsAhead),
		shaper: s.plan.NewChangesShaper(),
		seen:   map[string]struct{}{},
	}
	r.generation, r.changes = generation, true
	return r
}

// reread makes pages of changes, of which the last closes them. Only that one moves
// on from at to after.
func (r *rereader) reread(ctx context.Context, changes *replication.Changes, at, after row.Position) error {
	e, now := newEdit(0, at), r.session.server.clock(time.Now())
	for i := range changes.Databases {
		d := &changes.Databases[i]
		if len(e.page.keys)+len(e.known) > 0 && e.page.database != d.Database {
			if err := r.handEdit(ctx, e); err != nil {
				return err
			}
			e = newEdit(d.Database, at)
		}
		e.page.database = d.Database
		for _, k := range d.Keys {
			if len(e.page.keys)+len(e.known) >= changedKeys {
				if err := r.handEdit(ctx, e); err != nil {
					return err
				}
				e = newEdit(d.Database, at)
			}
			// Whether a key has expired is for the server to say: clocks differ, and are set.
			if k.Outcome == replication.Reread || k.ExpiresAt != 0 && k.ExpiresAt <= now.UnixMilli() {
				e.page.keys = append(e.page.keys, k.Key)
			} else {
				e.known = append(e.known, k)
			}
		}
	}
	e.page.closes, e.page.after = row.Changes, after
	return r.handEdit(ctx, e)
}

func newEdit(database int, at row.Position) *edit {
	p := newPage(database)
	p.after = at
	return &edit{page: p}
}

func (r *rereader) handEdit(ctx context.Context, e *edit) error {
	select {
	case r.edits <- e:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return r.hand(ctx, e.page)
}

// Next returns the next batch of changes.
func (r *rereader) Next(ctx context.Context) (*row.Batch, error) {
	if len(r.waiting) > 0 {
		b := r.waiting[0]
		r.waiting = r.waiting[1:]
		return b, nil
	}
	b, err := r.reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	if r.current == nil {
		r.current = <-r.edits // it was sent before its page
		clear(r.seen)
	}
	key := b.Table.Owner() - 1
	for i := range b.Len() {
		if b.Ops[i] != row.Delete {
			r.seen[string(b.TextAt(key, i))] = struct{}{}
		}
	}
	if b.Closes == row.None {
		return b, nil
	}
	// The last batch of its page.
	if err := r.complete(); err != nil {
		return nil, err
	}
	r.current = nil
	if more := r.shaper.Take(); len(more) > 0 {
		last := more[len(more)-1]
		last.After, last.Closes = b.After, b.Closes
		for _, m := range more[:len(more)-1] {
			m.After = row.Position{Generation: r.generation}
		}
		b.After, b.Closes = row.Position{Generation: r.generation}, row.None
		r.waiting = more
	}
	return b, nil
}

// complete shapes the rows of keys that need not be read, and deletes for those
// that were to be read and are no rows.
func (r *rereader) complete() error {
	database := r.current.page.database
	for _, key := range r.current.page.keys {
		r.text = row.AppendText(r.text[:0], []byte(key))
		_, there := r.seen[string(r.text)]
		if !there && (r.strayed == nil || !r.strayed(database, key)) {
			r.shaper.Delete(database, []byte(key))
		}
	}
	now := r.session.server.clock(time.Now())
	for i := range r.current.known {
		k := &r.current.known[i]
		r.marks.note(database, k.Key, table.Tail{})
		if k.Outcome == replication.Gone || !r.source.filter.dataType(value.String.String()) {
			r.shaper.Delete(database, []byte(k.Key))
			continue
		}
		key := value.Key{Database: database, Name: []byte(k.Key), Type: value.String, TTL: expiryNone, ReadAt: now, Elements: len(k.Value)}
		if k.ExpiresAt != 0 {
			key.ExpiresAt = time.UnixMilli(k.ExpiresAt)
			key.TTL = (max(k.ExpiresAt-now.UnixMilli(), 0) + 500) / 1000 // as TTL rounds
		}
		if err := errors.Join(r.shaper.Begin(key), r.shaper.String(k.Value), r.shaper.End()); err != nil {
			return err
		}
	}
	return nil
}
