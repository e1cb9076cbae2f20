package redis

import (
	"context"
	"time"

	"github.com/keylift/keylift/source/redis/pace"
	"github.com/keylift/keylift/source/redis/resp"
)

// next asks for a chunk by a command for a number of elements, and returns that
// number with the reply.
func (c *chunker) next(ctx context.Context, command func(elements int) []string) (reply resp.Reply, asked int, err error) {
	if asked, err = c.f.r.gate.alone(ctx, c.elements); err != nil {
		return nil, 0, err
	}
	sent := time.Now()
	if reply, err = c.one(ctx, command(asked)...); err == nil {
		c.took(time.Since(sent) - c.f.r.session.server.rtt)
	}
	return reply, asked, err
}

// took tells how long a chunk took the server, as it looks from here: with what it
// did for others meanwhile.
func (c *chunker) took(service time.Duration) {
	c.f.r.gate.rest(1, service)
	c.size.Took(service)
	c.elements = min(c.elements, c.size.Most())
}

// bound has chunks be of up to so many elements.
func (c *chunker) bound(elements int) {
	c.elements = elements
	c.size = pace.NewChunk(c.f.r.source.options.MaxCommand, elements)
}

// adapt chooses the size of the next chunk by that of the last.
func (c *chunker) adapt(elements, bytes int) {
	if elements == 0 {
		return
	}
	average := max(bytes/elements, 1)
	c.elements = min(max(chunkBytes/average, 1), c.size.Most())
}
