package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// A way is how a key's value is asked for.
type way uint8

const (
	byDump   way = iota // DUMP
	byType              // the command of the key's type
	byRange             // GETRANGE: believed to be a short string
	byFields            // HRANDFIELD of many: believed to be a hash of few
	byIndex             // LRANGE from 0 on: believed to be a short list
)

// guessed reports whether a way rests on a belief, and reads no more than what
// was believed.
func (w way) guessed() bool { return w >= byRange }

// A job is one key of a page that is still to be read.
type job struct {
	name  string
	shape shape
	way   way
	guess value.Type // what the last key of its shape was, short too; else Unknown
	typed bool       // its type has been asked for
	sized bool       // its size has been asked for
	huge  bool       // single elements of it may be too long to be kept
	kind  string     // its type as TYPE tells it; empty: unknown
	size  int64      // bytes it takes in the server; 0: unknown
	tries int
	mark  *mark // how far it was read before; nil: it is to be read whole
}

// maxTries is how often a key is read whose type keeps changing.
const maxTries = 4

// A fetcher reads pages, one at a time. Each worker has its own.
//
// What a key still needs decides which queue it is in. In every turn, one
// pipeline asks for the values of some keys and the sizes of others, whose values
// are then asked for in the next: while the server still has them at hand.
type fetcher struct {
	r       *reader
	decoder rdb.Decoder
	shaper  *table.Shaper
	pipe    *pipeline

	page      *page
	questions []job // type or size to be asked for
	values    []job // to be read in a pipeline
	big       []job // to be read in chunks
	asking    []job // this turn's questions
	reading   []job // this turn's values
	name      []byte
}

// fetch is a worker: it reads pages until there are no more.
func (r *reader) fetch(ctx context.Context) error {
	f := r.newFetcher()
	f.shaper.Spill(r.batchBytes, func(b *row.Batch) error { return f.pass(ctx, b) })
	for p := range r.work {
		if err := f.read(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) newFetcher() *fetcher {
	f := &fetcher{r: r, shaper: r.plan.NewShaper(), pipe: r.session.pipeline()}
	if r.changes {
		f.shaper = r.plan.NewChangesShaper()
	}
	return f
}

// read reads the keys of p and fills its batches.
func (f *fetcher) read(ctx context.Context, p *page) error {
	f.page = p
	for _, key := range p.keys {
		f.push(f.guess(key))
	}
	for len(f.questions)+len(f.values) > 0 {
		if err := f.turn(ctx); err != nil {
			return err
		}
	}
	for i := range f.big {
		if err := f.readBig(ctx, &f.big[i]); err != nil {
			return err
		}
	}
	f.big = f.big[:0]
	return f.finish(ctx)
}

// guess makes a job of a key and guesses how it is best read: a typed command
// takes the server less than DUMP, for some types.
func (f *fetcher) guess(key string) job {
	can := &f.r.session.server.can
	j := job{name: key, shape: foldShape(key)}
	if f.r.plan.Appends([]byte(key)) {
		if m, ok := f.r.marks.find(f.page.database, key); ok {
			j.mark = &m
			return j
		}
	}
	j.guess = f.r.source.shapes.guess(j.shape)
	switch {
	case !f.r.filter.dataType(j.guess.String()):
	case can.reads(j.guess.String()):
		j.way = byType
	case j.guess == value.String && can.getRange:
		j.way = byRange
	case j.guess == value.Hash && can.hRandField:
		j.way = byFields
	case j.guess == value.List && can.lRange:
		j.way = byIndex
	case can.refused[lengthOf(j.guess)] != "":
		j.guess = value.Unknown // its elements cannot be counted
	}
	if !can.dump && !j.way.guessed() {
		j.way = byType
	}
	return j
}

// push puts j into the queue of what it needs next.
func (f *fetcher) push(j job) {
	switch {
	case j.mark != nil:
		f.big = append(f.big, j)
	case f.wantsType(&j), f.wantsSize(&j):
		f.questions = append(f.questions, j)
	case j.size > f.r.source.options.BigKeyBytes:
		f.big = append(f.big, j)
	default:
		f.values = append(f.values, j)
	}
}

// turn makes one exchange with the server.
func (f *fetcher) turn(ctx context.Context) error {
	f.pipe.reset()
	if f.r.source.options.manyDatabases() {
		f.pipe.add("SELECT", itoa(f.page.database))
	}
	most, err := f.r.gate.enter(ctx, f.r.source.options.pipelineKeys())
	if err != nil {
		return err
	}
	f.addValues(most)
	f.addQuestions(most)
	if err := f.r.session.values.exchange(ctx, f.pipe); err != nil {
		return err
	}
	f.r.gate.leave(most, len(f.reading), f.pipe.received.Sub(f.pipe.sent))
	if f.r.source.options.manyDatabases() {
		if err := f.pipe.next().Err(); err != nil {
			return fmt.Errorf("select database %d: %w", f.page.database, err)
		}
	}
	for i := range f.reading {
		if err := f.receive(&f.reading[i]); err != nil {
			return err
		}
	}
	for i := range f.asking {
		if err := f.answered(&f.asking[i]); err != nil {
			return err
		}
	}
	return f.emit(ctx)
}

// another has j read once more: what was guessed by DUMP, what DUMP cannot say
// by the command of its type. After that it is set aside.
func (f *fetcher) another(j *job, why error) error {
	if f.strayed(j, why) {
		return nil
	}
	if endsSession(why) {
		return why
	}
	if j.tries++; j.tries >= maxTries {
		return f.setAside(j, why)
	}
	next := job{name: j.name, shape: j.shape, way: j.way, tries: j.tries}
	switch {
	case errors.Is(why, errChanged):
	case errors.Is(why, resp.ErrTooLong):
		next.sized, next.size = true, f.r.source.options.BigKeyBytes+1
	case j.way.guessed() && f.r.session.server.can.dump:
		next.way = byDump
	case j.way != byType:
		next.way = byType
	case !changed(why):
		return f.setAside(j, why)
	}
	f.push(next)
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
	if f.strayed(j, why) {
		return nil
	}
	if endsSession(why) {
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

// emit hands the batches on when they are full.
func (f *fetcher) emit(ctx context.Context) error {
	if f.shaper.Bytes() < f.r.batchBytes {
		return nil
	}
	for _, b := range f.shaper.Take() {
		if err := f.pass(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// finish hands on the last batches of the page, of which the last, which may be
// empty, closes it.
func (f *fetcher) finish(ctx context.Context) error {
	all := f.shaper.Take()
	if len(all) == 0 {
		all = append(all, row.NewBatch(f.r.plan.Tables()[0]))
	}
	last := len(all) - 1
	for _, b := range all[:last] {
		if err := f.pass(ctx, b); err != nil {
			return err
		}
	}
	b := all[last]
	b.After, b.Closes = f.page.after, f.page.closes
	if b.Closes == row.Snapshot {
		b.Scope = f.r.source.scope()
	}
	return f.deliver(ctx, b)
}

// pass hands on a batch that closes nothing.
func (f *fetcher) pass(ctx context.Context, b *row.Batch) error {
	b.After = row.Position{Generation: f.r.generation}
	return f.deliver(ctx, b)
}

func (f *fetcher) deliver(ctx context.Context, b *row.Batch) error {
	if err := f.r.ahead.take(ctx, b.Bytes(), f.page.turn); err != nil {
		return err
	}
	select {
	case f.page.batches <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
