package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
	"github.com/redis/rueidis"
)

// A way is how a key's value is asked for.
type way uint8

const (
	byRange way = iota // GETRANGE: believed to be a short string
	byDump             // DUMP
	byType             // the command of the key's type
)

// A job is one key of a page that is still to be read.
type job struct {
	name  string
	shape shape
	way   way
	kind  string // its type as TYPE tells it; empty: not asked
	size  int64  // bytes it takes in the server; 0: unknown
	tries int
}

// Limits of a pipeline.
const (
	rangeBytes   = 16 << 10 // the longest string that is read by GETRANGE at once
	bytesPerKey  = 2 << 10  // that a pipeline asks for, times the keys of a pipeline
	maxTries     = 4        // readings of a key whose type keeps changing
	minPipeBytes = 256 << 10
)

// A fetcher reads pages, one at a time. Each worker has its own.
type fetcher struct {
	r       *reader
	decoder rdb.Decoder
	shaper  *table.ValueShaper
	pipe    pipeline

	page  *page
	batch *row.Batch
	jobs  []job
	again []job // to be read again, another way
	typed []job // to be read by the command of their type
	big   []job // to be read in chunks
	name  []byte
}

// fetch is a worker: it reads pages until there are no more.
func (r *reader) fetch(ctx context.Context) error {
	f := &fetcher{
		r:      r,
		shaper: table.NewValueShaper(r.table, r.source.options.MaxValueBytes),
		pipe:   pipeline{session: r.session},
	}
	for p := range r.work {
		if err := f.read(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// read reads the keys of p and fills its batches. Only the page's true end closes
// them: after a failure, nothing may follow.
func (f *fetcher) read(ctx context.Context, p *page) error {
	f.page = p
	f.newBatch()
	f.classify(p.keys)
	for len(f.jobs) > 0 {
		if err := f.round(ctx); err != nil {
			return err
		}
		f.jobs, f.again = f.again, f.jobs[:0]
	}
	for i := range f.big {
		if err := f.readBig(ctx, &f.big[i]); err != nil {
			return err
		}
	}
	f.big = f.big[:0]
	if err := f.finish(ctx); err != nil {
		return err
	}
	close(p.batches)
	return nil
}

// round reads every job once. What has to be read another way is in again.
func (f *fetcher) round(ctx context.Context) error {
	f.typed = f.typed[:0]
	if err := f.askTypes(ctx); err != nil {
		return err
	}
	if err := f.askSizes(ctx); err != nil {
		return err
	}
	if err := f.readStreamed(ctx); err != nil {
		return err
	}
	return f.readTyped(ctx)
}

// classify guesses how each key is best read.
func (f *fetcher) classify(keys []string) {
	can, fl := &f.r.session.server.can, &f.r.source.filter
	guessing := can.getRange && fl.dataType(value.String.String())
	f.jobs = f.jobs[:0]
	for _, key := range keys {
		j := job{name: key, shape: foldShape(key), way: byDump}
		switch {
		case guessing && f.r.source.shapes.guess(j.shape) == value.String:
			j.way = byRange
		case !can.dump:
			j.way = byType
		}
		f.jobs = append(f.jobs, j)
	}
}

// begin starts a pipeline.
func (f *fetcher) begin() {
	f.pipe.commands = f.pipe.commands[:0]
	if f.r.source.options.manyDatabases() {
		f.pipe.add(f.r.session.client.B().Select().Index(int64(f.page.database)).Build())
	}
}

// send sends the pipeline; its next reply is that of the first command added
// after begin.
func (f *fetcher) send(ctx context.Context) error {
	if err := f.pipe.send(ctx); err != nil {
		return err
	}
	if f.r.source.options.manyDatabases() {
		if _, err := f.pipe.next(); err != nil {
			return fmt.Errorf("select database %d: %w", f.page.database, err)
		}
	}
	return nil
}

// readStreamed reads the values of the jobs whose replies are plain strings.
func (f *fetcher) readStreamed(ctx context.Context) error {
	o := &f.r.source.options
	limit := max(minPipeBytes, int64(o.BatchSize)*bytesPerKey)
	for rest := f.jobs; len(rest) > 0; {
		end, n := 0, 0
		bytes := int64(0)
		f.begin()
		for ; end < len(rest) && n < o.BatchSize && bytes < limit; end++ {
			if j := &rest[end]; j.way == byType {
				f.typed = append(f.typed, *j)
			} else {
				f.pipe.add(f.expiry(j.name))
				f.pipe.add(f.value(j))
				bytes += j.size
				n++
			}
		}
		if n > 0 {
			sent := time.Now()
			if err := f.send(ctx); err != nil {
				return err
			}
			for i := range rest[:end] {
				if rest[i].way != byType {
					if err := f.receive(&rest[i], sent); err != nil {
						return err
					}
				}
			}
			f.pipe.end()
			if err := f.emit(ctx); err != nil {
				return err
			}
		}
		rest = rest[end:]
	}
	return nil
}

// expiry returns the command that asks for a key's expiry.
func (f *fetcher) expiry(name string) rueidis.Completed {
	b := f.r.session.client.B()
	if f.r.session.server.can.pexpiretime {
		return b.Pexpiretime().Key(name).Build()
	}
	return b.Pttl().Key(name).Build()
}

// value returns the command that asks for a key's value in one string.
func (f *fetcher) value(j *job) rueidis.Completed {
	b := f.r.session.client.B()
	if j.way == byRange {
		return b.Getrange().Key(j.name).Start(0).End(rangeBytes - 1).Build()
	}
	return b.Dump().Key(j.name).Build()
}

// receive takes the two replies for j: its expiry and its value.
func (f *fetcher) receive(j *job, sent time.Time) error {
	expiry, expiryErr := f.pipe.nextInt()
	if _, refused := asReply(expiryErr); expiryErr != nil && !refused {
		return expiryErr
	}
	reply, err := f.pipe.next()
	switch refusal, refused := asReply(err); {
	case errors.Is(err, errNone):
		return nil // gone
	case refused:
		return f.another(j, refusal)
	case err != nil:
		return err
	}
	if refusal, refused := asReply(expiryErr); refused {
		return f.another(j, refusal)
	}
	k := f.key(j.name, expiry, sent)
	if expiry == expiryGone {
		if len(reply) > 0 {
			return f.another(j, errChanged) // it came into being in between
		}
		return nil
	}
	if k.TTL == expiryGone {
		return nil
	}
	if j.way == byRange {
		return f.takeString(j, k, reply)
	}
	return f.takeDump(j, k, reply)
}

var (
	errChanged = errors.New("it keeps changing while it is read")
	errLong    = errors.New("it is longer than a key of its shape was before")
)

// takeString takes a value that GETRANGE answered. It cannot tell an empty
// string from none, nor a string that ends from one that goes on.
func (f *fetcher) takeString(j *job, k value.Key, reply []byte) error {
	if len(reply) == 0 || len(reply) >= rangeBytes {
		return f.another(j, errLong)
	}
	k.Type, k.Elements = value.String, len(reply)
	if err := f.shaper.Begin(k); err != nil {
		return err
	}
	if err := f.shaper.String(reply); err != nil {
		return err
	}
	return f.end(j, value.String)
}

// takeDump takes a value that DUMP answered.
func (f *fetcher) takeDump(j *job, k value.Key, payload []byte) error {
	kind, err := rdb.DumpType(payload)
	text := len(f.batch.Text)
	switch {
	case err != nil:
	case kind == value.Module:
		err = f.decoder.Dump(payload, k, &moduleVisitor{f.shaper, f})
	case !f.r.source.filter.dataType(kind.String()):
		return nil
	default:
		err = f.decoder.Dump(payload, k, f.shaper)
	}
	if err != nil {
		f.batch.DropRow(text)
		if errors.Is(err, errFiltered) {
			return nil
		}
		return f.another(j, err)
	}
	if kind == value.String && len(payload) >= rangeBytes/2 {
		kind = value.Unknown // the next of its shape may be too long for GETRANGE
	}
	f.r.source.shapes.learn(j.shape, kind)
	f.noteOversized(j)
	return nil
}

var errFiltered = errors.New("keys of this type are not read")

// A moduleVisitor learns the name of a module's type from the decoder.
type moduleVisitor struct {
	value.Visitor
	f *fetcher
}

// Begin tells that the value is not read, and begins its row.
func (v *moduleVisitor) Begin(k value.Key) error {
	if !v.f.r.source.filter.dataType(k.Module) {
		return errFiltered
	}
	v.f.r.notices.module(k.Module, string(k.Name))
	return v.Visitor.Begin(k)
}

// end ends the row of j, which was begun by hand.
func (f *fetcher) end(j *job, kind value.Type) error {
	if err := f.shaper.End(); err != nil {
		return err
	}
	f.r.source.shapes.learn(j.shape, kind)
	f.noteOversized(j)
	return nil
}

// another has j read once more: what was guessed by DUMP, what DUMP cannot say
// by the command of its type. After that it is set aside.
func (f *fetcher) another(j *job, why error) error {
	if refusal, ok := asReply(why); ok && unavailable(refusal) {
		return why
	}
	if j.tries++; j.tries >= maxTries {
		return f.setAside(j, why)
	}
	next := *j
	next.kind, next.size = "", 0
	switch {
	case errors.Is(why, errChanged):
	case j.way == byRange && f.r.session.server.can.dump:
		next.way = byDump
	case j.way != byType:
		next.way = byType
	case !changed(why):
		return f.setAside(j, why)
	}
	f.again = append(f.again, next)
	return nil
}

// changed reports whether a reading failed because the key had another type by
// then.
func changed(why error) bool {
	refusal, ok := asReply(why)
	return ok && isWrongType(refusal)
}

// setAside gives j up: its row stays as it is.
func (f *fetcher) setAside(j *job, why error) error {
	if refusal, ok := asReply(why); ok && unavailable(refusal) {
		return why
	}
	f.shaper.Keep(value.Key{Database: f.page.database, Name: f.nameOf(j.name)})
	f.r.notices.setAside(j.name, why)
	return nil
}

func (f *fetcher) noteOversized(j *job) {
	if f.shaper.Oversized() {
		f.r.notices.oversized(j.name)
	}
}

// nameOf returns the bytes of a key's name, valid until the next call.
func (f *fetcher) nameOf(name string) []byte {
	f.name = append(f.name[:0], name...)
	return f.name
}

func (f *fetcher) newBatch() {
	f.batch = row.NewBatch(f.r.table)
	f.shaper.Into(f.batch)
}

// emit hands the batch on when it is full.
func (f *fetcher) emit(ctx context.Context) error {
	if f.batch.Bytes() < f.r.batchBytes {
		return nil
	}
	f.batch.After = row.Position{Generation: f.r.generation}
	if err := f.deliver(ctx); err != nil {
		return err
	}
	f.newBatch()
	return nil
}

// finish hands on the last batch of the page, which may be empty.
func (f *fetcher) finish(ctx context.Context) error {
	f.batch.After, f.batch.Closes = f.page.after, f.page.closes
	if f.batch.Closes == row.Snapshot {
		f.batch.Scope = f.r.source.scope()
	}
	return f.deliver(ctx)
}

func (f *fetcher) deliver(ctx context.Context) error {
	select {
	case f.page.batches <- f.batch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
