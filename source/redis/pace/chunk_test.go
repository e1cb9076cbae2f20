package pace_test

import (
	"testing"
	"time"

	"github.com/keylift/keylift/source/redis/pace"
)

func TestChunk(t *testing.T) {
	c := pace.NewChunk(16*time.Millisecond, 300)
	for i, step := range []struct {
		took time.Duration
		most int
	}{
		{time.Millisecond, 300}, // not above the bound
		{8 * time.Millisecond, 300},
		{8*time.Millisecond + 1, 150},
		{time.Second, 75},
		{2 * time.Millisecond, 75}, // no reason to change
		{2*time.Millisecond - 1, 150},
		{0, 300},
		{0, 300},
	} {
		if c.Took(step.took); c.Most() != step.most {
			t.Errorf("step %d: behind %s: %d elements, want %d", i, step.took, c.Most(), step.most)
		}
	}
	for range 20 {
		c.Took(time.Second)
	}
	if c.Most() != 1 {
		t.Errorf("however slow: %d elements, want 1", c.Most())
	}
}

// A server that takes a while for each element: chunks settle where a command
// takes no longer than the limit.
func TestChunk_settles(t *testing.T) {
	const limit = 20 * time.Millisecond
	for _, each := range []time.Duration{time.Microsecond, 100 * time.Microsecond, time.Millisecond, 9 * time.Millisecond} {
		c := pace.NewChunk(limit, 300)
		for range 20 {
			c.Took(time.Duration(c.Most()) * each)
		}
		if took := time.Duration(c.Most()) * each; took > limit/2 {
			t.Errorf("%s each: %d elements at once take %s", each, c.Most(), took)
		}
	}
}
