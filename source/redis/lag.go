package redis

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// A blank is a piece of the history in which nothing changed that is read. Servers
// write to their history even when nobody writes to them.
type blank struct {
	mu       sync.Mutex
	from, to int64 // offsets
}

func (b *blank) set(from, to int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.from, b.to = from, to
}

// end returns the end of the blank that begins at an offset.
func (b *blank) end(from int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.from == from {
		return b.to
	}
	return from
}

var _ source.Follower = (*Source)(nil)

// Lag returns how many bytes the server has written to its replication history
// behind a place in it.
func (s *Source) Lag(ctx context.Context, at row.Position) (int64, error) {
	var p replicaPosition
	if err := json.Unmarshal([]byte(at.Token), &p); err != nil || p.Mode != modeReplica {
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
	info := ss.server.info
	if info["master_replid"] != p.History && (info["master_replid2"] != p.History || p.Offset >= ss.server.branched()) {
		return 0, n.outage(errors.New("the server has another history now; the next snapshot tells"))
	}
	return max(offsetOf(&ss.server)-s.blank.end(p.Offset), 0), nil
}
