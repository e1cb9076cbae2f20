package redis

import (
	"context"
	"time"
)

const (
	probeEvery = 10 * time.Millisecond
	tellEvery  = time.Minute
	probeDepth = 2 // of which one is being answered
)

// watches reports whether the gate wants to know how long the node takes to answer.
func (g *gate) watches() bool { return g != nil && g.window != nil }

// openProbe makes the connection for probe.
func (s *session) openProbe(ctx context.Context) (err error) {
	if s.probe, err = s.node.dial(ctx, probeDepth, s.node.options.maxReply()); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.abort)()
	if err := s.probe.introduce(ctx, s.node); err != nil {
		return err
	}
	s.probe.renew(s.node)
	return nil
}

// probe asks the node for the time, again and again while something is read, and has
// the gate's window judge how long the answers take.
func (r *reader) probe(ctx context.Context) error {
	g, o, rtt := r.gate, &r.source.options, r.session.server.rtt
	log := o.Logger.With("node", r.session.node.address)
	if rtt > o.SourceLatency {
		log.Warn("the server takes longer to answer than max_source_latency before anything is read: reading will be slow", "latency", rtt, "max_source_latency", o.SourceLatency)
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	p, told := newPipeline(), time.Time{}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if g.asking.Load() == 0 {
			continue
		}
		p.reset()
		p.add("TIME") // it may be refused: the refusal takes as long
		if err := r.session.probe.exchange(ctx, p); err != nil {
			return err
		}
		took := p.received.Sub(p.sent)
		g.mu.Lock()
		slower, share := g.window.Answered(took), g.window.Share()
		g.mu.Unlock()
		if slower && time.Since(told) > tellEvery {
			told = time.Now()
			log.Info("reading slows down: the server takes longer to answer than max_source_latency", "latency", took, "speed_percent", percent(share))
		}
	}
}

// percent returns a share in percent, to one place.
func percent(share float64) float64 { return float64(int(share*1000+0.5)) / 10 }

// tellPace tells whether reading was slowed down. Nothing passes the gate any more.
func (r *reader) tellPace() {
	if r.gate.watches() && r.gate.window.Cuts() > 0 {
		w := r.gate.window
		r.source.options.Logger.Info("reading was slowed down for the server's answers", "node", r.session.node.address,
			"slowdowns", w.Cuts(), "least_speed_percent", percent(w.Least()))
	}
}
