// Package redis reads one Redis or Valkey server. By SCAN: each key whole, at its
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

// A Source reads one server. It keeps no connection between its methods' calls.
type Source struct {
	options Options
	filter  filter
	node    node
	plan    *table.Plan
	expiry  time.Duration // tolerance of the plan
	misfits *source.Notices
	shapes  shapes
	blank   blank      // behind what was handed on last
	chosen  *choice    // of Options.Auto, once the server was tried
	waiting *linkStart // begun for a position that was lost, to be read from now
}

var _ source.Source = (*Source)(nil)

// Open returns the source that o describes. It does not connect yet.
func Open(o Options) (*Source, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Source{options: o, filter: newFilter(&o), misfits: source.NewNotices(o.Logger, o.LogKeys)}
	s.node = node{options: &s.options, network: o.Network, address: o.Address}
	if err := s.planFor(0); err != nil {
		return nil, err
	}
	s.options.plan = s.plan.Fingerprint()
	return s, nil
}

// Close closes what no reader has taken; readers have connections of their own.
func (s *Source) Close() error {
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
	ss, err := s.connect(ctx, &s.node)
	if err != nil {
		return nil, err
	}
	ss.close()
	return s.plan.Tables(), nil
}

// connect makes a session with a node that is ready to be read.
func (s *Source) connect(ctx context.Context, n *node) (*session, error) {
	ss, err := n.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.readable(&ss.server); err != nil {
		ss.close()
		return nil, err
	}
	n.reached = true
	tolerance := expiryTolerance
	if ss.server.can.pexpiretime {
		tolerance = 0
	}
	if err := s.planFor(tolerance); err != nil {
		ss.close()
		return nil, err
	}
	return ss, nil
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
		return s.openReplica(ctx, from)
	}
	if s.options.Follow {
		return s.openNotified(ctx, from)
	}
	ss, err := s.connect(ctx, &s.node)
	if err != nil {
		return nil, err
	}
	r, err := s.newReader(ctx, ss, from)
	if err != nil {
		ss.close()
		return nil, err
	}
	return r, nil
}
