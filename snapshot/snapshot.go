// Package snapshot turns an RDB file, read once as it arrives, into batches of
// rows: one goroutine reads it and splits it at keys, others decode and shape
// them, and the batches come out in the file's order. It neither opens files nor
// connections, and it knows no positions.
package snapshot

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/selection"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// Options say what becomes of the keys of a file.
type Options struct {
	Plan       *table.Plan
	Filter     selection.Filter
	Databases  []int // to be read; nil: all
	Generation int64 // of the batches' positions
	// ReadAt is the moment that the file shows: keys that expired before it are no
	// rows. Zero: when the file was begun, as it says itself.
	ReadAt time.Time
	// MemoryBytes bounds the blocks and batches on their way.
	MemoryBytes int64
	Notices     Notices
	// Later reports, by the name of a module's type, whether its keys are read in
	// another way, so that they are no rows here; nil: none are.
	Later func(kind string) bool
	// Owns reports, of a key that is read, whether it is a row here; nil: all are. Several
	// goroutines may call it at a time.
	Owns func(database int, key []byte) bool
	// Tail is told, of each stream and time series in a table that Appends, where it
	// ends; nil: nobody is. Several goroutines may call it at a time.
	Tail func(database int, key string, t table.Tail)
}

// Notices is told of what becomes of single keys. Several goroutines may call it
// at a time.
type Notices interface {
	// Oversized is called for a key whose value is longer than MaxValueBytes.
	Oversized(key string)
	// Module is called for a key of a module's type, whose value is not read.
	Module(kind, key string)
}

// A Reader reads one file.
type Reader struct {
	options Options
	scanner *rdb.Scanner

	done    <-chan struct{} // closed when reading has failed or is closed
	cause   func() error    // of that
	cancel  context.CancelCauseFunc
	group   errgroup.Group
	work    chan *job // to the workers
	ordered chan *job // the same, in the order of the file
	current *job      // whose batches Next returns
}

// A job is one block on its way.
type job struct {
	block   *rdb.Block
	readAt  time.Time
	batches chan *row.Batch // receives the block's rows, then is closed
}

// jobBytes is about what a block and its batches take. The rows of a larger one
// are handed on as they come, spillBytes at once.
const (
	jobBytes     = 2 << 20
	spillBytes   = 1 << 20
	batchesAhead = 2
)

const maxWorkers = 8

var errClosed = errors.New("the reader is closed")

// NewReader starts to read the file from r, which ends where the file does.
func NewReader(r io.Reader, o Options) *Reader {
	ctx, cancel := context.WithCancelCause(context.Background())
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	ahead := max(int(o.MemoryBytes/jobBytes), 2*workers)
	s := &Reader{
		options: o,
		scanner: rdb.NewScanner(r),
		done:    ctx.Done(), cause: func() error { return context.Cause(ctx) }, cancel: cancel,
		work:    make(chan *job, ahead),
		ordered: make(chan *job, ahead),
	}
	s.group.Go(func() error { return s.guarded(s.scan) })
	for range workers {
		s.group.Go(func() error { return s.guarded(s.decode) })
	}
	return s
}

// guarded runs one goroutine of the reader; its error ends the reader.
func (r *Reader) guarded(run func() error) error {
	err := run()
	if err != nil {
		r.cancel(err)
	}
	return err
}

// scan splits the file and decodes what is too large for a block.
func (r *Reader) scan() error {
	defer close(r.work)
	large := r.newDecoder()
	for {
		b, err := r.scanner.Next()
		if errors.Is(err, io.EOF) {
			close(r.ordered)
			return nil
		}
		if err != nil {
			return err
		}
		j := &job{block: b, readAt: r.readAt(), batches: make(chan *row.Batch, batchesAhead)}
		if !r.send(r.ordered, j) {
			return r.cause()
		}
		if b.Large() {
			err = large.decode(j)
		} else if !r.send(r.work, j) {
			err = r.cause()
		}
		if err != nil {
			return err
		}
	}
}

func (r *Reader) send(to chan<- *job, j *job) bool {
	select {
	case to <- j:
		return true
	case <-r.done:
		return false
	}
}

// readAt returns the moment that the file shows.
func (r *Reader) readAt() time.Time {
	if at := r.options.ReadAt; !at.IsZero() {
		return at
	}
	if at := r.scanner.Created(); !at.IsZero() {
		return at
	}
	return time.Now()
}

func (r *Reader) decode() error {
	d := r.newDecoder()
	for j := range r.work {
		if err := d.decode(j); err != nil {
			return err
		}
	}
	return nil
}

// Next returns the next batch, whose After holds the generation alone. The caller
// owns it. io.EOF follows the last one and says that the file is complete and its
// checksum right; any other error says that the file cannot be trusted, or how
// its reader failed.
func (r *Reader) Next(ctx context.Context) (*row.Batch, error) {
	for {
		select {
		case <-r.done: // before the end, which would otherwise be as likely
			return nil, r.cause()
		default:
		}
		if r.current == nil {
			select {
			case j, more := <-r.ordered:
				if !more {
					return nil, io.EOF
				}
				r.current = j
			case <-r.done:
				return nil, r.cause()
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		select {
		case b, more := <-r.current.batches:
			if more {
				return b, nil
			}
			r.current = nil
		case <-r.done:
			return nil, r.cause()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close ends the reading and waits for its goroutines. One of them may be reading
// the file: a read that may block has to be interrupted beforehand.
func (r *Reader) Close() error {
	r.cancel(errClosed)
	_ = r.group.Wait() // the first error went to Next
	return nil
}

// A decoder decodes and shapes blocks, one at a time.
type decoder struct {
	r      *Reader
	rdb    rdb.Decoder
	shaper keyShaper
	job    *job
}

func (r *Reader) newDecoder() *decoder {
	d := &decoder{r: r}
	d.shaper.Shaper = r.options.Plan.NewShaper()
	d.shaper.Spill(spillBytes, d.send)
	d.shaper.notices, d.shaper.tail = r.options.Notices, r.options.Tail
	return d
}

// decode makes the batches of a block.
func (d *decoder) decode(j *job) error {
	d.job = j
	if err := d.rdb.Block(j.block, d.visitor); err != nil {
		return err
	}
	j.block.Release()
	for _, b := range d.shaper.Take() {
		if err := d.send(b); err != nil {
			return err
		}
	}
	close(j.batches)
	return nil
}

// send hands on a batch of the block.
func (d *decoder) send(b *row.Batch) error {
	b.After.Generation = d.r.options.Generation
	select {
	case d.job.batches <- b:
		return nil
	case <-d.r.done:
		return d.r.cause()
	}
}

// visitor returns who is fed the value of k, or nil if the key is no row.
func (d *decoder) visitor(k *value.Key) value.Visitor {
	o := &d.r.options
	if o.Databases != nil && !slices.Contains(o.Databases, k.Database) {
		return nil
	}
	name := k.Type.String()
	if k.Type == value.Module {
		name = k.Module
	}
	switch {
	case !o.Filter.Type(name), !o.Filter.AnyKey() && !o.Filter.Key(string(k.Name)), !o.Plan.Reads(k.Name):
		return nil
	case o.Owns != nil && !o.Owns(k.Database, k.Name):
		return nil
	case k.Type == value.Module && o.Later != nil && o.Later(name):
		return nil
	}
	k.ReadAt = d.job.readAt
	if !k.ExpiresAt.IsZero() {
		left := k.ExpiresAt.Sub(d.job.readAt).Milliseconds()
		if left <= 0 {
			return nil
		}
		k.TTL = (left + 500) / 1000 // as TTL rounds
	}
	return &d.shaper
}

// A keyShaper shapes keys and gives notice of what cannot be in their rows.
type keyShaper struct {
	*table.Shaper
	notices  Notices
	tail     func(database int, key string, t table.Tail)
	database int
	name     []byte
}

// Begin begins the row of k.
func (s *keyShaper) Begin(k value.Key) error {
	s.database, s.name = k.Database, k.Name
	if k.Type == value.Module {
		s.notices.Module(k.Module, string(k.Name))
	}
	return s.Shaper.Begin(k)
}

// End ends the row.
func (s *keyShaper) End() error {
	err := s.Shaper.End()
	if err == nil && s.Oversized() {
		s.notices.Oversized(string(s.name))
	}
	if t := s.Tail(); err == nil && s.tail != nil && t.Elements > 0 {
		s.tail(s.database, string(s.name), t)
	}
	return err
}
