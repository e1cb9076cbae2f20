package redis

import (
	"context"

	"github.com/keylift/keylift/source/redis/replication"
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

// replication asks the server about its part in the replication.
func (s *session) replication(ctx context.Context) (map[string]string, error) {
	reply, err := s.one(ctx, "INFO", "replication")
	if err != nil {
		return nil, err
	}
	text, err := reply.Bytes()
	return parseInfo(string(text)), err
}

// offset asks the server how far its history has come; anyOffset: it does not tell.
func (s *session) offset(ctx context.Context) (int64, error) {
	info, err := s.replication(ctx)
	if _, refused := asReply(err); refused {
		return anyOffset, nil
	}
	if err != nil {
		return 0, err
	}
	if at := offsetOf(info); at > 0 {
		return at, nil
	}
	return anyOffset, nil
}

// commands asks the server which commands it has and where their keys are.
func (s *session) commands(ctx context.Context) (*replication.Commands, error) {
	reply, err := s.one(ctx, "COMMAND")
	if err != nil {
		return nil, err
	}
	tree, err := treeOf(reply)
	if err != nil {
		return nil, err
	}
	return replication.ParseCommands(tree)
}

// setting returns a setting of the server; known is false where it may not be asked for.
func (s *session) setting(ctx context.Context, name string) (text string, known bool) {
	reply, err := s.one(ctx, "CONFIG", "GET", name)
	if err != nil {
		return "", false
	}
	pair, err := reply.Elements()
	if err != nil || pair.Len() != 2 {
		return "", false
	}
	pair.Next()
	val, err := pair.Bytes()
	return string(val), err == nil
}
