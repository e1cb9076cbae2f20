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

// key makes a Key from a name and the server's answer about its expiry. Its TTL
// is expiryGone if it has expired by now.
func (f *fetcher) key(name string, expiry int64, now time.Time) value.Key {
	k := value.Key{
		Database: f.page.database,
		Name:     f.nameOf(name),
		TTL:      expiryNone,
		ReadAt:   now,
		Elements: -1,
	}
	if expiry == expiryNone {
		return k
	}
	sv := &f.r.session.server
	left := expiry // in ms
	if sv.can.pexpiretime {
		left = expiry - now.Add(sv.ahead).UnixMilli()
		k.ExpiresAt = time.UnixMilli(expiry)
	} else {
		k.ExpiresAt = time.UnixMilli(now.Add(sv.ahead).UnixMilli() + expiry)
	}
	if expiry == expiryGone || left <= 0 {
		k.TTL = expiryGone
		return k
	}
	k.TTL = (left + 500) / 1000 // as TTL rounds
	return k
}
