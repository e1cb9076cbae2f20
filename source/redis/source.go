// Package redis reads one Redis or Valkey server, or a cluster of them. By SCAN: each key whole, at its
// own moment, by DUMP or by the typed commands, with many pipelines in flight
// and bounded memory. Or as a replica: all keys at one moment, then every change
// from the replication stream. Where it may not join as one, it follows by
// keyspace notifications. It shapes keys with package table and decodes them with
// package rdb; where rows go is not its business.
package redis

import (
	"context"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
)

// A Source reads one server, or a cluster. It keeps no connection between its methods' calls.
type Source struct {
	options   Options
	filter    filter
	node      node       // as configured; without an address where sentinels name it
	sentinels *sentinels // nil: the node is configured
	plan      *table.Plan
	expiry    time.Duration // tolerance of the plan
	misfits   *source.Notices
	shapes    shapes
	roster    roster // of the cluster
	blanks    blanks // behind what was handed on last
	spared    spared
	chosen    *choice    // of Options.Auto, once the server was tried
	broken    bool       // the last snapshot was: another one may be whole
	waiting   *linkStart // begun for a position that was lost, to be read from now
}

var _ source.Source = (*Source)(nil)

// Open returns the source that o describes. It does not connect yet.
func Open(o Options) (*Source, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Source{options: o, filter: newFilter(&o), misfits: source.NewNotices(o.Logger, o.LogKeys)}
	s.options.pacer = newPacer(&s.options)
	s.node = node{options: &s.options, network: o.Network, address: o.Address}
	s.sentinels = newSentinels(&s.options)
	if err := s.planFor(0); err != nil {
		return nil, err
	}
	s.options.plan = s.plan.Fingerprint()
	return s, nil
}

// Close closes what no reader has taken; readers have connections of their own.
func (s *Source) Close() error {
	if n := s.options.pacer.waited(); n > 0 {
		s.options.Logger.Info("reading was kept to max_keys_per_second and max_bytes_per_second", "waits", n)
	}
	if s.waiting == nil {
		return nil
	}
	err := s.waiting.link.Close()
	s.waiting = nil
	return err
}

// Tables returns the tables of the source. It connects, because the precision of
// expiries depends on the server.
func (s *Source) Tables(ctx context.Context) ([]*row.Table, error) {
	ss, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	if !ss.server.cluster {
		if ss, err = s.standIn(ctx, ss); err != nil {
			return nil, err
		}
		defer ss.close()
		err = s.ready(ss)
		return s.plan.Tables(), err
	}
	ss.close()
	l := s.newLookout()
	defer l.close()
	if _, _, err := l.prepare(ctx); err != nil {
		return nil, err
	}
	return s.plan.Tables(), nil
}

// connect makes a session with a node, of no cluster, that is ready to be read.
func (s *Source) connect(ctx context.Context, n *node) (*session, error) {
	ss, err := n.connect(ctx)
	if err != nil {
		return nil, err
	}
	if ss.server.cluster {
		err = n.refuse("%w", errCluster)
	} else {
		err = s.ready(ss)
	}
	if err != nil {
		ss.close()
		return nil, err
	}
	return ss, nil
}

// ready returns nil if a server can be read, and makes the plan for it.
func (s *Source) ready(ss *session) error {
	if err := ss.node.readable(&ss.server); err != nil {
		return err
	}
	ss.node.reached = true
	return s.planWith(ss.server.can.pexpiretime)
}

// planWith makes the plan for servers that tell expiries exactly, or do not.
func (s *Source) planWith(exact bool) error {
	if exact {
		return s.planFor(0)
	}
	return s.planFor(expiryTolerance)
}

// planFor makes the plan of the tables, the same one as long as nothing changes.
func (s *Source) planFor(tolerance time.Duration) error {
	if s.plan != nil && s.expiry == tolerance {
		return nil
	}
	o := &s.options
	plan, err := table.NewPlan(o.Tables, table.Options{
		Default: o.Table, Skip: o.SkipUnmatched, Databases: o.manyDatabases(),
		ExpiryTolerance: tolerance, MaxValueBytes: o.MaxValueBytes, Misfit: s.misfits.Misfit,
	})
	if err != nil {
		return err
	}
	s.plan, s.expiry = plan, tolerance
	return nil
}

// Open starts reading after from, which makes connections of its own.
func (s *Source) Open(ctx context.Context, from row.Position) (source.Reader, error) {
	c, err := s.choose(ctx, from)
	if err != nil {
		return nil, err
	}
	if c.mode == modeReplica {
		cluster, err := s.isCluster(ctx)
		if err != nil {
			return nil, err
		}
		if cluster {
			return s.openClusterReplica(ctx, from)
		}
		return s.openReplica(ctx, from)
	}
	if s.options.Follow {
		return s.openNotified(ctx, from)
	}
	ss, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	if ss.server.cluster {
		ss.close()
		return s.openCluster(ctx, from)
	}
	if ss, err = s.standIn(ctx, ss); err != nil {
		return nil, err
	}
	if err := s.ready(ss); err != nil {
		ss.close()
		return nil, err
	}
	r, err := s.newReader(ctx, ss, from)
	if err != nil {
		ss.close()
		return nil, err
	}
	return r, nil
}
