package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
	n, err := s.pick(ctx)
	if err != nil {
		return c, err
	}
	err = s.tryReplica(ctx, n)
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

// tryReplica returns what keeps keylift from reading as a replica, nil if nothing does.
func (s *Source) tryReplica(ctx context.Context, n *node) error {
	if err := n.permitted(ctx); err != nil {
		return n.linkError(ctx, err)
	}
	ss, err := s.connect(ctx, n)
	if err != nil {
		return err
	}
	defer ss.close()
	_, err = ss.commands(ctx)
	if reply, refused := asReply(err); refused {
		return n.refuse("COMMAND is not permitted (%w); grant +command to the user", reply)
	}
	if err != nil {
		return n.readError(err)
	}
	return nil
}

// ofReplica reports whether a run as a replica has come as far as at.
func ofReplica(at row.Position) bool {
	var p replicaPosition
	return json.Unmarshal([]byte(at.Token), &p) == nil && p.Mode == modeReplica
}
