package redis

import (
	"context"

	"github.com/keylift/keylift/source/redis/resp"
)

// ask sends commands over a connection made for them alone, and waits for their
// replies. Error replies are among the replies, but for those of logging in.
func (n *node) ask(ctx context.Context, commands ...[]string) (*resp.Replies, error) {
	c, err := n.dial(ctx, 2, n.options.maxReply())
	if err != nil {
		return nil, err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.abort)()
	if err := c.introduce(ctx, n); err != nil {
		return nil, err
	}
	p := newPipeline()
	for _, command := range commands {
		p.add(command...)
	}
	if err := c.exchange(ctx, p); err != nil {
		return nil, err
	}
	return &p.replies, nil
}
