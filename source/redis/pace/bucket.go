package pace

import "time"

// A Bucket lets pass so much a second and no more, but for a burst of a tenth of a
// second. What passes may be counted before or after it has: a Bucket that is
// overdrawn says how long to wait. A nil Bucket is never overdrawn.
type Bucket struct {
	perSecond float64
	left      float64 // below zero when overdrawn
	at        time.Time
}

// burstsPerSecond is how many bursts make what passes in a second.
const burstsPerSecond = 10

// NewBucket returns a full Bucket, or nil, without limit, where perSecond is zero.
func NewBucket(perSecond int64) *Bucket {
	if perSecond <= 0 {
		return nil
	}
	return &Bucket{perSecond: float64(perSecond), left: float64(perSecond) / burstsPerSecond}
}

// Take takes n, however little is left. What was taken too much is given back by a
// negative n.
func (b *Bucket) Take(n int64, now time.Time) {
	if b == nil {
		return
	}
	b.fill(now)
	b.left -= float64(n)
}

// Wait returns how long it takes until the Bucket is not overdrawn any more.
func (b *Bucket) Wait(now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.fill(now)
	if b.left >= 0 {
		return 0
	}
	return time.Duration(-b.left / b.perSecond * float64(time.Second))
}

// Burst returns the most that should be taken at once: what passes in a tenth of a
// second, and at least 1.
func (b *Bucket) Burst(most int) int {
	if b == nil {
		return most
	}
	return min(most, max(1, int(b.perSecond/burstsPerSecond)))
}

// fill adds what the time since the last call allows.
func (b *Bucket) fill(now time.Time) {
	if !b.at.IsZero() && now.After(b.at) {
		b.left = min(b.left+now.Sub(b.at).Seconds()*b.perSecond, b.perSecond/burstsPerSecond)
	}
	if b.at.IsZero() || now.After(b.at) {
		b.at = now
	}
}
