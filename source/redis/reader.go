package redis

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
	"golang.org/x/sync/errgroup"
)

// A reader reads one snapshot, or the rest of one. A scanner follows the cursor
// and fills pages with key names; workers fetch the values, a page each; Next
// takes the batches out, page after page in the order of the cursor.
type reader struct {
	source  *Source
	session *session
	plan    *table.Plan
	filter  filter
	marks   *marks
	changes bool   // what is read replaces what was known of its keys
	share   *share // of a cluster's slots; nil: all keys of the server are read
	notices *notices

	generation int64
	start      position // where reading starts
	batchBytes int64    // a batch is handed on when it holds this much
	filtering  bool     // keys are left out by their type, and not by the server

	done    <-chan struct{} // closed when reading has failed or is closed
	cause   func() error    // of that
	cancel  context.CancelCauseFunc
	group   errgroup.Group
	unbind  func() bool
	work    chan *page // to the workers
	ordered chan *page // the same pages, to Next
	current *page
	ahead   *budget // of batches that wait for Next
	gate    *gate   // nil: nothing is limited
}

// A page is the unit of work: the keys of a run of SCAN replies.
type page struct {
	database int
	keys     []string
	after    row.Position // behind the page
	closes   row.Boundary
	turn     chan struct{}         // closed when Next has come to the page
	tails    map[string]table.Tail // of streams and time series; complete when the last batch is sent
	batches  chan *row.Batch       // filled by the worker that has the page
}

// Memory: the batches that wait for Next share a budget of MemoryBytes, so that a
// big key in one page does not hold up those behind it, within maxPages pages.
// Beside them there are the names of keys of pagesAhead pages, and what each
// worker has at hand. A page is read soon after it was scanned: until then the
// server's processor has its keys at hand.
const (
	maxPages        = 1000
	pagesAhead      = 2
	batchesAhead    = 2 // of one page
	batchesOfMemory = 128
	minBatchBytes   = 256 << 10
	maxBatchBytes   = 1 << 20
)

// Workers beyond the pipelines in flight are shaping what they read, or read a big key.
const spareWorkers = 2

var errClosed = errors.New("the reader is closed")

func (s *Source) newReader(ctx context.Context, ss *session, from row.Position) (*reader, error) {
	r := s.readerOf(ss)
	r.filterTypes()
	if err := r.place(from); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, r.scan); err != nil {
		return nil, err
	}
	return r, nil
}

// readerOf returns a reader that has not begun.
func (s *Source) readerOf(ss *session) *reader {
	return &reader{
		source:     s,
		session:    ss,
		plan:       s.plan,
		filter:     s.filter,
		marks:      newMarks(),
		notices:    newNotices(s.options.Logger, s.options.LogKeys),
		batchBytes: min(max(s.options.MemoryBytes/batchesOfMemory, minBatchBytes), maxBatchBytes),
	}
}

// filterTypes settles whether keys are left out by the server, by their type.
func (r *reader) filterTypes() {
	_, byServer := r.serverType()
	r.filtering = len(r.filter.Types) > 0 && !byServer
}

// begin starts the workers, and the goroutines that hand pages on to them.
func (r *reader) begin(ctx context.Context, producers ...func(context.Context) error) error {
	s, ss := r.source, r.session
	pipelines := s.options.pipelinesFor(ss.server.rtt)
	r.gate = s.options.newGate(pipelines)
	err := ss.open(ctx, pipelines)
	if err == nil && r.gate.watches() {
		err = ss.openProbe(ctx)
		producers = append(producers, r.probe)
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return ss.node.readError(err)
	}
	// The reader outlives the call that opens it.
	reading, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r.done, r.cancel, r.cause = reading.Done(), cancel, func() error { return context.Cause(reading) }
	// Reads in progress are interrupted by breaking their connections.
	r.unbind = context.AfterFunc(reading, ss.abort)
	r.work = make(chan *page, pagesAhead)
	r.ordered = make(chan *page, maxPages)
	if r.ahead == nil {
		r.ahead = newBudget(s.options.MemoryBytes)
	}
	for _, produce := range producers {
		r.group.Go(func() error { return r.guarded(reading, produce) })
	}
	for range pipelines + spareWorkers {
		r.group.Go(func() error { return r.guarded(reading, r.fetch) })
	}
	return nil
}

// place decides where reading starts.
func (r *reader) place(from row.Position) error {
	beginning := r.beginning()
	if from.Token != "" {
		p, err := parsePosition(from.Token)
		if err != nil {
			return err
		}
		if !p.Done {
			r.generation, r.start = from.Generation, p
			r.marks.restore(p.Marks)
			r.start.Marks = nil
			return p.check(beginning.RunID, beginning.Origin, beginning.Filter)
		}
		if p.check(beginning.RunID, p.Origin, beginning.Filter) == nil {
			r.marks.restore(p.Marks)
		}
	}
	r.generation, r.start = from.Generation+1, beginning
	return nil
}

// beginning returns where a snapshot of the server starts.
func (r *reader) beginning() position {
	sv := &r.session.server
	p := position{
		Version: positionVersion, RunID: sv.runID, Origin: r.session.node.origin.String(),
		Filter: r.source.options.fingerprint(), Databases: r.source.databases(sv),
	}
	if len(p.Databases) > 0 {
		p.Database = p.Databases[0]
	}
	return p
}

// databases returns the databases of a snapshot that starts now, ascending.
func (s *Source) databases(sv *server) []int {
	if s.options.AllDatabases {
		return slices.Sorted(maps.Keys(keyspace(sv.info)))
	}
	return s.options.Databases
}

// scope returns the scope of a complete snapshot. Where all databases are read,
// one that holds no key has been looked at, too.
func (s *Source) scope() row.Scope {
	if s.options.AllDatabases {
		return s.filter.Scope(nil, s.plan.Types())
	}
	return s.filter.Scope(s.options.Databases, s.plan.Types())
}

// A pipeline has half a batch of keys, and near the server two are in flight: it
// has one to go on with while the replies to the other are taken, and its other
// clients wait for no more than these. Where batches are larger than by default,
// others wait anyway, and more in flight is faster than longer pipelines. A longer
// round trip takes more.
const (
	maxPipelineKeys = 250
	kindPipelines   = 2
	eagerPipelines  = 8
	maxPipelines    = 64
	serviceOfKey    = 4 * time.Microsecond // about what the server takes for a key
)

// pipelineKeys returns the number of keys of a pipeline.
func (o *Options) pipelineKeys() int { return min((o.BatchSize+1)/2, maxPipelineKeys) }

// pipelinesFor returns how many pipelines are in flight.
func (o *Options) pipelinesFor(rtt time.Duration) int {
	least := kindPipelines
	if o.BatchSize > DefaultBatchSize {
		least = eagerPipelines
	}
	service := time.Duration(o.pipelineKeys()) * serviceOfKey
	return min(least+int(rtt/service), maxPipelines)
}

// guarded runs one goroutine of the reader; its error ends the reader.
func (r *reader) guarded(ctx context.Context, run func(context.Context) error) error {
	err := run(ctx)
	if err != nil {
		r.cancel(err)
	}
	return err
}

// Next returns the next batch in the order of the cursor.
func (r *reader) Next(ctx context.Context) (*row.Batch, error) {
	if r.current == nil {
		p, err := r.page(ctx)
		if err != nil {
			return nil, err
		}
		r.current = p
	}
	b, err := r.batch(ctx, r.current)
	if err != nil || b.Closes == row.None {
		return b, err
	}
	r.current = nil
	if b.Closes == row.Snapshot {
		if err := r.session.same(ctx); err != nil {
			return nil, err
		}
		r.marks.forgetUnmet()
	}
	b.After = r.marks.into(b.After)
	return b, nil
}

// page returns the next page in the order of the cursor; io.EOF follows the last.
func (r *reader) page(ctx context.Context) (*page, error) {
	select {
	case p, more := <-r.ordered:
		if !more {
			return nil, io.EOF
		}
		return p, nil
	case <-r.done:
		return nil, r.failure()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// batch returns the next batch of a page, of which the last closes something.
func (r *reader) batch(ctx context.Context, p *page) (*row.Batch, error) {
	if !closed(p.turn) {
		close(p.turn)
	}
	select {
	case b := <-p.batches:
		r.ahead.give(b.Bytes())
		if b.Closes != row.None {
			r.settle(p)
		}
		return b, nil
	case <-r.done:
		return nil, r.failure()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// failure returns why the reader ended, in the terms of the contract.
func (r *reader) failure() error {
	err := r.cause()
	if errors.Is(err, errClosed) {
		return err
	}
	return r.session.node.readError(err)
}

// Close ends the reading and waits for its goroutines.
func (r *reader) Close() error {
	r.cancel(errClosed)
	_ = r.group.Wait() // the first error went to Next, the others follow from it
	r.unbind()
	r.session.close()
	r.tellPace()
	return nil
}

var _ source.Reader = (*reader)(nil)
