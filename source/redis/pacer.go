package redis

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keylift/keylift/source/redis/pace"
)

// A pacer keeps all that reads a deployment to its rates. A nil pacer has none.
type pacer struct {
	mu    sync.Mutex
	keys  *pace.Bucket
	bytes *pace.Bucket
	waits int64 // of those who came too early
}

// newPacer returns nil where nothing is limited.
func newPacer(o *Options) *pacer {
	if o.KeysPerSecond == 0 && o.BytesPerSecond == 0 && o.SourceLatency == 0 {
		return nil
	}
	return &pacer{keys: pace.NewBucket(o.KeysPerSecond), bytes: pace.NewBucket(o.BytesPerSecond)}
}

// received counts bytes that came from the server.
func (p *pacer) received(n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes.Take(int64(n), time.Now())
}

// took counts keys; a negative number gives some back.
func (p *pacer) took(keys int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.Take(int64(keys), time.Now())
}

// early returns how long it takes until more may be asked for.
func (p *pacer) early() time.Duration {
	_, wait := p.takeUpTo(0)
	return wait
}

// takeUpTo takes some of n keys, unless it is too early.
func (p *pacer) takeUpTo(n int) (taken int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if wait := max(p.keys.Wait(now), p.bytes.Wait(now)); wait > 0 {
		p.waits++
		return 0, wait
	}
	n = p.keys.Burst(n)
	p.keys.Take(int64(n), now)
	return n, 0
}

// wait waits until more may be asked for.
func (p *pacer) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	for {
		early := p.early()
		if early <= 0 {
			return nil
		}
		if err := sleep(ctx, early, nil); err != nil {
			return err
		}
	}
}

// waited returns how often somebody had to wait.
func (p *pacer) waited() int64 {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits
}

// sleep sleeps for d, or until woken.
func sleep(ctx context.Context, d time.Duration, woken <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-woken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// paced reads at the rate of the pacer's bytes. It never sleeps for long: what ends
// the reader below it is noticed.
func (p *pacer) paced(r io.Reader) io.Reader {
	if p == nil || p.bytes == nil {
		return r
	}
	return &pacedReader{r, p}
}

type pacedReader struct {
	io.Reader
	pacer *pacer
}

func (r *pacedReader) Read(b []byte) (int, error) {
	if early := r.pacer.early(); early > 0 {
		time.Sleep(early) // about a burst's time
	}
	n, err := r.Reader.Read(b[:r.pacer.bytes.Burst(len(b))])
	r.pacer.received(n)
	return n, err
}

// A gate lets the readers of one node ask for so much at once, and so often, as the
// pacer and the node's answers permit. A nil gate lets all pass.
type gate struct {
	pacer *pacer
	many  int // pipelines in flight at full speed

	asking atomic.Int64 // those within or before the gate

	mu       sync.Mutex
	window   *pace.Window // nil: the answers do not matter
	inFlight int
	freed    chan struct{} // closed, and replaced, when there are fewer in flight
	rested   time.Time     // before which nothing is asked for
}

// newGate returns the gate of a node, nil where nothing is limited.
func (o *Options) newGate(many int) *gate {
	if o.pacer == nil {
		return nil
	}
	g := &gate{pacer: o.pacer, many: many, freed: make(chan struct{})}
	if o.SourceLatency > 0 {
		g.window = pace.NewWindow(o.SourceLatency)
	}
	return g
}

// enter waits until a pipeline may be sent, and returns of how many keys of full. A
// pipeline that was let in leaves.
func (g *gate) enter(ctx context.Context, full int) (keys int, err error) {
	if g == nil {
		return full, nil
	}
	g.asking.Add(1)
	for {
		keys, wait, freed := g.try(full)
		if keys > 0 {
			return keys, nil
		}
		if err := sleep(ctx, wait, freed); err != nil {
			g.asking.Add(-1)
			return 0, err
		}
	}
}

// never is longer than anything takes.
const never = time.Hour

// try returns how many keys may be asked for now; where it is none, how long to
// wait, unless freed is closed first.
func (g *gate) try(full int) (keys int, wait time.Duration, freed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys, times := full, g.many
	if g.window != nil {
		keys, times = g.window.Fit(full, g.many)
	}
	if g.inFlight >= times {
		return 0, never, g.freed
	}
	if wait := time.Until(g.rested); wait > 0 {
		return 0, wait, nil
	}
	if keys, wait = g.pacer.takeUpTo(keys); keys > 0 {
		g.inFlight++
	}
	return keys, wait, nil
}

// leave tells that a pipeline was answered. It had entered for some keys, asked for
// others, and took so long.
func (g *gate) leave(entered, asked int, took time.Duration) {
	if g == nil {
		return
	}
	g.pacer.took(asked - entered)
	g.rest(g.many, took)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	close(g.freed)
	g.freed = make(chan struct{})
	g.asking.Add(-1)
}

// alone waits until a single command may be sent that asks for many elements or
// visits many keys, and returns how many of full.
func (g *gate) alone(ctx context.Context, full int) (size int, err error) {
	if g == nil {
		return full, nil
	}
	g.asking.Add(1)
	defer g.asking.Add(-1)
	if err := g.pacer.wait(ctx); err != nil {
		return 0, err
	}
	for {
		g.mu.Lock()
		wait := time.Until(g.rested)
		size = full
		if g.window != nil {
			size, _ = g.window.Fit(full, 1)
		}
		g.mu.Unlock()
		if wait <= 0 {
			return size, nil
		}
		if err := sleep(ctx, wait, nil); err != nil {
			return 0, err
		}
	}
}

// rest has nothing asked for until the node has rested from what took so long.
func (g *gate) rest(many int, took time.Duration) {
	if g == nil || g.window == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if pause := g.window.Pause(many, took); pause > 0 {
		g.rested = time.Now().Add(pause)
	}
}
