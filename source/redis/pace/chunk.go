package pace

import "time"

// A Chunk is how many elements of a large value to ask for at once, such that no
// command keeps the server busy for longer than a limit: it is halved when one took
// half of the limit, and doubled, up to a bound, when one took less than an eighth.
type Chunk struct {
	limit       time.Duration
	most, bound int
}

// NewChunk returns a Chunk of bound elements.
func NewChunk(limit time.Duration, bound int) Chunk { return Chunk{limit, bound, bound} }

// Took takes the time that the server took for a chunk.
func (c *Chunk) Took(service time.Duration) {
	switch {
	case service > c.limit/2:
		c.most = max(c.most/2, 1)
	case service < c.limit/8:
		c.most = min(2*c.most, c.bound)
	}
}

// Most returns the number of elements to ask for at most.
func (c *Chunk) Most() int { return c.most }
