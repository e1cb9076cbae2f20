package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/keylift/keylift/source"
)

// A lineage tells whose data a server has, by its replication ids. A server that
// becomes another's replica may throw its own data away for those of the other, and
// stays the same process meanwhile: no cursor and no connection tells. The zero
// lineage is not known.
type lineage struct {
	id, before string // of its history, and of the one that this goes on with, if any
	primary    bool
}

func lineageOf(info map[string]string) lineage {
	l := lineage{id: info["master_replid"], primary: info["role"] == "master"}
	if before := info["master_replid2"]; strings.Trim(before, "0") != "" {
		l.before = before
	}
	return l
}

// replaces reports whether the data of l took the place of those of an earlier lineage.
// A failover goes on with them, and a primary without replicas takes a new id once it
// gives its backlog up.
func (l lineage) replaces(earlier lineage) bool {
	switch {
	case l.id == "" || earlier.id == "":
		return false
	case l.id == earlier.id || l.before == earlier.id:
		return false
	}
	return !l.primary || l.before != ""
}

// keeps reports, as a *source.PositionLostError, that the server has other data than
// it had by an earlier lineage. Where it may not be asked, that is not known.
func (s *session) keeps(ctx context.Context, earlier lineage) error {
	info, err := s.replication(ctx)
	switch _, refused := asReply(err); {
	case refused:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return s.node.readError(err)
	}
	if is := lineageOf(info); is.replaces(earlier) {
		return &source.PositionLostError{Reason: fmt.Sprintf("the server has taken over the data of another (replication id %.8s became %.8s)", earlier.id, is.id)}
	}
	return nil
}
