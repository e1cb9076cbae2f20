package pace_test

import (
	"testing"
	"time"

	"github.com/keylift/keylift/source/redis/pace"
)

func at(ms int) time.Time { return time.UnixMilli(int64(1_000_000 + ms)) }

func TestBucket(t *testing.T) {
	b := pace.NewBucket(1000)
	for _, step := range []struct {
		ms   int
		take int64
		wait time.Duration // behind the taking
	}{
		{0, 100, 0},                          // the burst
		{0, 50, 50 * time.Millisecond},       // half as much again
		{50, 0, 0},                           // paid
		{50, 1, time.Millisecond},            //
		{1050, 0, 0},                         // a second later there is a burst again, and no more
		{1050, 100, 0},                       //
		{1050, 2000, 2 * time.Second},        // more than a burst at once
		{2050, 0, time.Second},               //
		{2050, -500, 500 * time.Millisecond}, // given back
		{1000, 0, 500 * time.Millisecond},    // the clock went back: nothing is gained
		{2550, 0, 0},                         //
	} {
		b.Take(step.take, at(step.ms))
		if wait := b.Wait(at(step.ms)); wait.Round(time.Microsecond) != step.wait {
			t.Errorf("%d taken at %d ms: wait %s, want %s", step.take, step.ms, wait, step.wait)
		}
	}
}

// However it is asked, no more passes in a minute than is allowed.
func TestBucket_rate(t *testing.T) {
	for _, once := range []int64{1, 7, 50, 250, 5000} {
		b, now, passed := pace.NewBucket(300), at(0), int64(0)
		for now.Before(at(60_000)) {
			b.Take(once, now)
			passed += once
			now = now.Add(b.Wait(now))
		}
		if most := int64(60*300+30) + once; passed < 60*300 || passed > most {
			t.Errorf("%d at once: %d passed in a minute at 300 a second, want 18000 to %d", once, passed, most)
		}
	}
}

func TestBucket_none(t *testing.T) {
	b := pace.NewBucket(0)
	b.Take(1<<60, at(0))
	if wait, burst := b.Wait(at(0)), b.Burst(50); wait != 0 || burst != 50 {
		t.Errorf("without a limit: wait %s, burst %d, want 0 and 50", wait, burst)
	}
}

func TestBucket_Burst(t *testing.T) {
	for perSecond, want := range map[int64]int{1: 1, 9: 1, 100: 10, 499: 49, 1000: 50} {
		if got := pace.NewBucket(perSecond).Burst(50); got != want {
			t.Errorf("%d a second: burst %d, want %d", perSecond, got, want)
		}
	}
}
