package redis

import (
	"time"

	"github.com/keylift/keylift/value"
)

// What PEXPIRETIME and PTTL answer where there is no time to tell.
const (
	expiryNone = -1
	expiryGone = -2 // there is no such key
)

// expiryTolerance covers the imprecision of an expiry that is computed from what
// is left of it and two clocks.
const expiryTolerance = time.Second

// key makes a Key from a name and the server's answer about its expiry, given at now.
// Its TTL is expiryGone if it has expired. That is for the server to say: clocks differ,
// and are set.
func (f *fetcher) key(name string, expiry int64, now time.Time) value.Key {
	k := value.Key{
		Database: f.page.database,
		Name:     f.nameOf(name),
		TTL:      expiryNone,
		ReadAt:   f.r.session.server.clock(now),
		Elements: -1,
	}
	switch expiry {
	case expiryNone:
		return k
	case expiryGone:
		k.TTL = expiryGone
		return k
	}
	left := expiry // in ms
	if f.r.session.server.can.pexpiretime {
		left -= k.ReadAt.UnixMilli()
	}
	k.ExpiresAt = time.UnixMilli(k.ReadAt.UnixMilli() + left)
	k.TTL = (max(left, 0) + 500) / 1000 // as TTL rounds
	return k
}
