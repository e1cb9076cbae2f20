package redis

import (
	"context"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/source/redis/topology"
)

// A share is a reader's part of a cluster.
type share struct {
	slots topology.Slots
	stray func(database int, key string, answer resp.Error) // is told of each key that is not there
	owner *session                                          // of a node that the slots are being imported from; nil: there is none
}

func (h *share) has(key []byte) bool { return h.slots.Has(topology.Slot(key)) }

// strayed reports whether j could not be read because its key is on another node, or
// on its way there. Its slot will be read again.
func (f *fetcher) strayed(j *job, err error) bool {
	answer, ok := asReply(err)
	if !ok || f.r.share == nil || !redirects(answer) {
		return false
	}
	f.r.share.stray(f.page.database, j.name, answer)
	return true
}

// lacking returns those of the keys that the node that owns their slots does not
// have any more. Those that it has were read there: copies that the importing node
// has were left by a migration that failed.
func (h *share) lacking(ctx context.Context, keys []string) ([]string, error) {
	if h.owner == nil || len(keys) == 0 {
		return keys, nil
	}
	commands := make([][]string, len(keys))
	for i, key := range keys {
		commands[i] = []string{h.owner.server.can.expiryCommand(), key}
	}
	replies, err := h.owner.do(ctx, commands...)
	if err != nil {
		return nil, h.owner.node.readError(err)
	}
	var left []string
	for _, key := range keys {
		expiry, err := replies.Next().Int()
		answer, refused := asReply(err)
		switch {
		case refused && redirects(answer), err == nil && expiry == expiryGone:
			left = append(left, key)
		case err != nil:
			return nil, h.owner.node.readError(err)
		}
	}
	return left, nil
}

// redirects reports whether an error reply says that a key's slot is not on the node
// that was asked, or not wholly.
func redirects(e resp.Error) bool {
	return hasPrefix(e, "MOVED ", "ASK ", "TRYAGAIN")
}

// beginAsking has every command of the session be for slots that its node is only
// importing.
func (s *session) beginAsking(ctx context.Context) error {
	if _, err := s.one(ctx, "ASKING"); err != nil {
		if answer, refused := asReply(err); refused && !unavailable(answer) {
			return s.node.refuse("ASKING is not permitted, so slots that are being moved cannot be read (%w); grant +asking to the user", answer)
		}
		return s.node.readError(err)
	}
	s.asking = true
	return nil
}
