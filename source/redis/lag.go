package redis

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// blanks are pieces of histories in which nothing changed that is read, one of each.
// Servers write to their history even when nobody writes to them.
type blanks struct {
	mu sync.Mutex
	of map[string][2]int64 // by replication id: offsets
}

func (b *blanks) set(history string, from, to int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string][2]int64{}
	}
	b.of[history] = [2]int64{from, to}
}

// end returns the end of a history's blank that begins at an offset.
func (b *blanks) end(history string, from int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if blank, ok := b.of[history]; ok && blank[0] == from {
		return blank[1]
	}
	return from
}

var _ source.Follower = (*Source)(nil)

// Lag returns how many bytes the server, or the primaries of a cluster, have written
// to their replication histories behind a place in them.
func (s *Source) Lag(ctx context.Context, at row.Position) (int64, error) {
	var p replicaPosition
	if err := json.Unmarshal([]byte(at.Token), &p); err != nil {
		return source.NoLag, nil
	}
	switch p.Mode {
	case modeReplica:
	case modeClusterReplica:
		return s.clusterLag(ctx, at)
	default:
		return source.NoLag, nil
	}
	found, err := s.primary(ctx)
	if err != nil {
		return 0, err
	}
	// A reader may be using the one that was found.
	n := node{options: found.options, network: found.network, address: found.address, reached: true, sentinels: found.sentinels}
	ss, err := n.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer ss.close()
	lag, ok := s.behind(ss.server.info, p.History, p.Offset)
	if !ok {
		return 0, n.outage(errHistory)
	}
	return lag, nil
}

var errHistory = errors.New("the server has another history now; the next snapshot tells")

// behind returns how many bytes a server has written to a history behind an offset; ok
// is false if it is not the server's.
func (s *Source) behind(info map[string]string, history string, offset int64) (lag int64, ok bool) {
	if info["master_replid"] != history && (info["master_replid2"] != history || offset >= branchedAt(info)) {
		return 0, false
	}
	return max(offsetOf(info)-s.blanks.end(history, offset), 0), true
}

// clusterLag is Lag for a place in a cluster. A primary that was found since then is
// not counted.
func (s *Source) clusterLag(ctx context.Context, at row.Position) (lag int64, err error) {
	var p clusterHistory
	if err := json.Unmarshal([]byte(at.Token), &p); err != nil {
		return source.NoLag, nil
	}
	l := s.newLookout()
	defer l.close()
	v, err := l.look(ctx)
	if err != nil {
		return 0, err
	}
	var infos []map[string]string
	for i := range v.Nodes {
		if info, err := l.info(ctx, s.nodeOf(&v.Nodes[i])); err == nil {
			infos = append(infos, info)
		}
	}
	for _, part := range p.Parts {
		found := false
		for _, info := range infos {
			if n, ok := s.behind(info, part.History, part.Offset); ok {
				lag, found = lag+n, true
				break
			}
		}
		if !found {
			return 0, s.node.outage(errHistory)
		}
	}
	return lag, nil
}
