// Package redis reads one Redis or Valkey server. By SCAN: each key whole, at its
// own moment, by DUMP or by the typed commands, with many pipelines in flight
// and bounded memory. Or as a replica: all keys at one moment, then every change
// from the replication stream. Where it may not join as one, it follows by
// keyspace notifications. It shapes keys with package table and decodes them with
// package rdb; where rows go is not its business.
package redis

import (
	"context"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
)

// A Source reads one server. It keeps no connection between its methods' calls.
type Source struct {
	options Options
	filter  filter
	node    node
	table   *row.Table
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
	s := &Source{options: o, filter: newFilter(&o)}
	s.node.options = &s.options
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

// Tables returns the one table of the source. It connects, because the precision
// of expiries depends on the server.
func (s *Source) Tables(ctx context.Context) ([]*row.Table, error) {
	ss, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	ss.close()
	return []*row.Table{s.table}, nil
}

// connect makes a session with a server that is ready to be read.
func (s *Source) connect(ctx context.Context) (*session, error) {
	ss, err := s.node.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.node.readable(&ss.server); err != nil {
		ss.close()
		return nil, err
	}
	s.node.reached = true
	s.table = s.tableFor(&ss.server)
	return ss, nil
}

// tableFor returns the table of rows read from such a server, the same one as
// long as nothing changes.
func (s *Source) tableFor(sv *server) *row.Table {
	o := table.ValueOptions{Databases: s.options.manyDatabases()}
	if !sv.can.pexpiretime {
		o.ExpiryTolerance = expiryTolerance
	}
	t := table.Value(s.options.Table, o)
	if c := t.Column("expires_at"); s.table != nil && s.table.Columns[c].Tolerance == o.ExpiryTolerance {
		return s.table
	}
	return t
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
	ss, err := s.connect(ctx)
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
