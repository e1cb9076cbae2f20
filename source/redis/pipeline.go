package redis

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/redis/rueidis"
)

// A pipeline is a run of commands that are sent at once, on a lane of their own,
// and whose replies are strings and integers.
type pipeline struct {
	session  *session
	commands []rueidis.Completed
	sent     time.Time
	text     buffer // of all replies
	replies  []reply
	read     int // replies that next has returned
}

// A reply is where a reply ends in the text, or why there is none.
type reply struct {
	end int
	err error
}

// A buffer receives streamed replies without allocating for each.
type buffer struct{ b []byte }

func (w *buffer) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// ReadFrom appends what r holds, which a limited reader tells beforehand.
func (w *buffer) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	start, n := len(w.b), int(limited.N)
	w.b = slices.Grow(w.b, n)[:start+n]
	n, err := io.ReadFull(r, w.b[start:])
	w.b = w.b[:start+n]
	return int64(n), err
}

// errNone is the reply of a key that does not exist.
var errNone = errors.New("no such key")

// keptBytes is the most memory that a pipeline keeps for the next.
const keptBytes = 4 << 20

func (p *pipeline) add(c rueidis.Completed) { p.commands = append(p.commands, c) }

// reset forgets commands and replies.
func (p *pipeline) reset() {
	p.commands, p.replies, p.read, p.text.b = p.commands[:0], p.replies[:0], 0, p.text.b[:0]
	if cap(p.text.b) > keptBytes {
		p.text.b = nil
	}
}

// exchange sends the commands when a lane is free, and reads all replies: what is
// done with them must not keep the lane. An error ends the session; error replies
// are among the replies.
func (p *pipeline) exchange(ctx context.Context) error {
	select {
	case p.session.lanes <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.sent = time.Now()
	stream := p.session.client.DoMultiStream(ctx, p.commands...)
	for range p.commands {
		if !stream.HasNext() {
			return errors.Join(stream.Error(), io.ErrUnexpectedEOF)
		}
		_, err := stream.WriteTo(&p.text)
		if rueidis.IsRedisNil(err) {
			err = errNone
		} else if _, refused := asReply(err); err != nil && !refused {
			return err
		}
		p.replies = append(p.replies, reply{len(p.text.b), err})
	}
	<-p.session.lanes
	return nil
}

// next returns the next reply, which is valid until reset. The error is errNone
// for nil, and a *rueidis.RedisError for an error reply.
func (p *pipeline) next() ([]byte, error) {
	start := 0
	if p.read > 0 {
		start = p.replies[p.read-1].end
	}
	r := p.replies[p.read]
	p.read++
	return p.text.b[start:r.end], r.err
}

// nextInt returns the next reply, an integer.
func (p *pipeline) nextInt() (int64, error) {
	b, err := p.next()
	if err != nil {
		return 0, err
	}
	return parseInt(b)
}
