package redis

import (
	"log/slog"

	"github.com/keylift/keylift/source"
)

// notices tells of what went wrong with single keys.
type notices struct{ *source.Notices }

func newNotices(log *slog.Logger, keys bool) *notices { return &notices{source.NewNotices(log, keys)} }

func (n *notices) setAside(key string, why error) { n.SetAside(key, reason(why), why) }

func (n *notices) oversized(key string) { n.Oversized(key) }

func (n *notices) module(kind, key string) { n.Module(kind, key) }
