package redis

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/redis/rueidis"
)

// A buffer receives one streamed reply without allocating for it.
type buffer struct{ b []byte }

func (w *buffer) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// ReadFrom appends what r holds. It reads exactly as much as a limited reader
// promises.
func (w *buffer) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	start := len(w.b)
	w.b = slices.Grow(w.b, int(limited.N))[:start+int(limited.N)]
	n, err := io.ReadFull(r, w.b[start:])
	w.b = w.b[:start+n]
	return int64(n), err
}

// errNone is the reply of a key that does not exist.
var errNone = errors.New("no such key")

// A pipeline is a run of commands that are sent at once on a lane of their own,
// and whose replies, strings and integers, are read one after another.
type pipeline struct {
	session  *session
	commands []rueidis.Completed
	stream   rueidis.MultiRedisResultStream
	reply    buffer
}

func (p *pipeline) add(c rueidis.Completed) { p.commands = append(p.commands, c) }

// send sends the commands added since the last time, when a lane is free. The
// lane is kept until end.
func (p *pipeline) send(ctx context.Context) error {
	select {
	case p.session.lanes <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.stream = p.session.client.DoMultiStream(ctx, p.commands...)
	p.commands = p.commands[:0]
	return nil
}

// end gives the lane back, after the last reply has been read.
func (p *pipeline) end() { <-p.session.lanes }

// next reads one reply, which is valid until the next is read. The error is
// errNone for nil, and a *rueidis.RedisError for an error reply; any other ends
// the session.
func (p *pipeline) next() ([]byte, error) {
	p.reply.b = p.reply.b[:0]
	if !p.stream.HasNext() {
		if err := p.stream.Error(); err != nil {
			return nil, err
		}
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := p.stream.WriteTo(&p.reply); err != nil {
		if rueidis.IsRedisNil(err) {
			return nil, errNone
		}
		return nil, err
	}
	return p.reply.b, nil
}

// nextInt reads one integer reply.
func (p *pipeline) nextInt() (int64, error) {
	b, err := p.next()
	if err != nil {
		return 0, err
	}
	return parseInt(b)
}
