package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

const modeScan = "scan"

// A choice is a mode of reading and why, a clause.
type choice struct {
	mode, reason string
}

// choose says how to read behind from. Once it has tried the server it stays with
// what it found.
func (s *Source) choose(ctx context.Context, from row.Position) (choice, error) {
	o := &s.options
	switch {
	case o.Replica:
		return choice{modeReplica, "it is set: all keys are read at one moment, and from then on what changed"}, nil
	case !o.Auto:
		return choice{modeScan, "it is set: each key is read at its own moment, and deletes are found when a snapshot is complete"}, nil
	case s.chosen != nil:
		return *s.chosen, nil
	case !o.Follow && !ofReplica(from):
		return choice{modeScan, "it is what auto takes for runs that end: it starts no fork in the server; " +
			"with mode replica, where the server permits PSYNC, later runs would read only what changed"}, nil
	}
	c := choice{modeReplica, "the server permits PSYNC, and the sync follows"}
	if !o.Follow {
		c.reason = "the server permits PSYNC, and the last run read that way"
	}
	err := s.tryReplicas(ctx)
	if access, denied := errors.AsType[*source.AccessError](err); denied && access.Refused {
		c = choice{modeScan, fmt.Sprintf("keylift may not join as a replica: %v", access.Err)}
	} else if err != nil {
		return c, err
	}
	s.settle(c)
	return c, nil
}

// settle makes c the choice of auto, and says so.
func (s *Source) settle(c choice) {
	s.chosen = &c
	s.options.Logger.Info("mode chosen", "mode", c.mode, "reason", c.reason)
}

// tryReplicas returns what keeps keylift from reading as a replica of the server, or
// of each primary of the cluster; nil if nothing does.
func (s *Source) tryReplicas(ctx context.Context) error {
	cluster, err := s.isCluster(ctx)
	if err != nil {
		return err
	}
	if !cluster {
		n, err := s.pick(ctx)
		if err != nil {
			return err
		}
		ss, err := s.connect(ctx, n)
		if err != nil {
			return err
		}
		defer ss.close()
		return ss.tryReplica(ctx)
	}
	sessions, err := s.primaries(ctx)
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(clusterNodes)
	for _, ss := range sessions {
		g.Go(func() error { return ss.tryReplica(gctx) })
	}
	return g.Wait()
}

// tryReplica returns what keeps keylift from being a replica of the server, nil if
// nothing does.
func (s *session) tryReplica(ctx context.Context) error {
	if err := s.node.permitted(ctx); err != nil {
		return s.node.linkError(ctx, err)
	}
	_, err := s.commands(ctx)
	return s.node.commandsError(ctx, err)
}

// commandsError puts an error of asking for the commands into the terms of the
// contract.
func (n *node) commandsError(ctx context.Context, err error) error {
	reply, refused := asReply(err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case refused && !unavailable(reply):
		return n.refuse("COMMAND is not permitted (%w); grant +command to the user", reply)
	}
	return n.readError(err)
}

// ofReplica reports whether a run as a replica has come as far as at.
func ofReplica(at row.Position) bool {
	var p replicaPosition
	return json.Unmarshal([]byte(at.Token), &p) == nil && (p.Mode == modeReplica || p.Mode == modeClusterReplica)
}
