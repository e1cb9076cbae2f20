package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/keylift/keylift/value"
	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"
)

// Big keys are read in chunks, so that no command keeps the server busy for long
// and no reply is large. Chunks are not of one moment, so the key is watched: if
// it changed before the last chunk, its reading starts over. In the end, or where
// watching is not permitted, hashes, sets and sorted sets follow the server's
// cursor, which yields every element that was there throughout; lists and strings
// are taken as they come.
//
// Memory is bounded by MaxValueBytes, a few times over for collections: their
// elements wait to be sorted, and the names of those that a cursor yields are
// remembered, because it may repeat them.
const (
	chunkBytes    = 512 << 10 // about what a chunk of a collection should hold
	pieceBytes    = 1 << 20   // of a string
	firstElements = 16        // of the first chunk, whose elements may be of any size
	maxElements   = 500       // of a chunk, for the server's sake
	maxAhead      = 16        // chunks in flight

	serviceOfChunk = 500 * time.Microsecond // about what the server takes for one
)

// A chunker reads one big key.
type chunker struct {
	f        *fetcher
	name     string
	watched  bool // nothing but this one moment is read
	elements int  // of the next chunk
	seen     members
}

// readBig reads j in chunks. It waits until Next has come to the page: no page
// but that one holds big values.
func (f *fetcher) readBig(ctx context.Context, j *job) error {
	select {
	case <-f.page.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		text := len(f.batch.Text)
		err := f.readChunks(ctx, j)
		if err == nil {
			return f.emit(ctx)
		}
		f.batch.DropRow(text)
		refusal, refused := asReply(err)
		switch {
		case errors.Is(err, errNone):
			return nil
		case refused && unavailable(refusal), !refused && !errors.Is(err, errChanged):
			return err
		}
		if j.tries++; j.tries >= maxTries || refused && !isWrongType(refusal) {
			return f.setAside(j, err)
		}
	}
}

// readChunks reads j once. The error is errNone if the key is gone, errChanged if
// what was read is not to be trusted.
func (f *fetcher) readChunks(ctx context.Context, j *job) error {
	c := &chunker{f: f, name: j.name, elements: firstElements}
	b := f.r.session.client.B()
	if f.r.session.server.can.watch && (j.tries == 0 || j.tries < maxTries-1 && !hasCursor(kindOf(j.kind))) {
		if _, err := c.one(ctx, b.Watch().Key(j.name).Build()); err != nil {
			return err
		}
		c.watched = true
	}
	err := c.readKey(ctx, j)
	if err != nil && c.watched && ctx.Err() == nil {
		_, unwatchErr := f.do(ctx, b.Unwatch().Build())
		return errors.Join(err, unwatchErr)
	}
	return err
}

// hasCursor reports whether the server can iterate over values of a type.
func hasCursor(kind value.Type) bool {
	return kind == value.Hash || kind == value.Set || kind == value.SortedSet
}

func (c *chunker) readKey(ctx context.Context, j *job) error {
	sent := time.Now()
	var expiry int64
	var err error
	if j.kind, expiry, err = c.state(ctx); err != nil {
		return err
	}
	f := c.f
	k := f.key(j.name, expiry, sent)
	if k.TTL == expiryGone || !f.r.source.filter.dataType(dataType(j.kind)) {
		return errNone
	}
	k.Type = kindOf(j.kind)
	if k.Elements, err = c.length(ctx, k.Type); err != nil {
		return err
	}
	f.noteModule(&k, j.kind)
	k.Name = f.nameOf(j.name)
	if err := f.shaper.Begin(k); err != nil {
		return err
	}
	if err := c.read(ctx, k.Type); err != nil {
		return err
	}
	if err := c.confirm(ctx, j.kind); err != nil {
		return err
	}
	return f.end(j, value.Unknown)
}

// state returns the type and the expiry of the key; errNone if it is gone.
func (c *chunker) state(ctx context.Context) (kind string, expiry int64, err error) {
	replies, err := c.f.do(ctx, c.f.expiry(c.name), c.f.r.session.client.B().Type().Key(c.name).Build())
	if err != nil {
		return "", 0, err
	}
	if expiry, err = replies[0].AsInt64(); err != nil {
		return "", 0, err
	}
	if kind, err = replies[1].ToString(); err != nil {
		return "", 0, err
	}
	if expiry == expiryGone || kind == "none" {
		return "", 0, errNone
	}
	return kind, expiry, nil
}

// confirm asks, after the last chunk, whether what was read may be kept.
func (c *chunker) confirm(ctx context.Context, kind string) error {
	b := c.f.r.session.client.B()
	if c.watched {
		replies, err := c.f.do(ctx, b.Multi().Build(), b.Exec().Build())
		if err != nil {
			return err
		}
		err = replies[1].Error()
		if rueidis.IsRedisNil(err) {
			return errChanged
		}
		return err
	}
	now, _, err := c.state(ctx)
	if err == nil && now != kind {
		return errChanged
	}
	return err
}

// hasLength reports whether the server tells the length of values of a type.
func hasLength(kind value.Type) bool {
	switch kind {
	case value.String, value.Hash, value.List, value.Set, value.SortedSet, value.Stream:
		return true
	}
	return false
}

// lengthOf returns the command that tells the number of elements, or of bytes of
// a string.
func lengthOf(b rueidis.Builder, kind value.Type, name string) rueidis.Completed {
	switch kind {
	case value.String:
		return b.Strlen().Key(name).Build()
	case value.Hash:
		return b.Hlen().Key(name).Build()
	case value.List:
		return b.Llen().Key(name).Build()
	case value.Set:
		return b.Scard().Key(name).Build()
	case value.SortedSet:
		return b.Zcard().Key(name).Build()
	}
	return b.Xlen().Key(name).Build()
}

// length returns how many elements the key has now, or bytes if it is a string;
// -1 where the server does not tell. It is the size of a value too long to be
// read to its end.
func (c *chunker) length(ctx context.Context, kind value.Type) (int, error) {
	if !hasLength(kind) {
		return -1, nil
	}
	m, err := c.one(ctx, lengthOf(c.f.r.session.client.B(), kind, c.name))
	if refusal, refused := asReply(err); refused && !isWrongType(refusal) && !unavailable(refusal) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	n, err := m.AsInt64()
	return int(n), err
}

// one sends one command. An error reply is an error.
func (c *chunker) one(ctx context.Context, command rueidis.Completed) (rueidis.RedisMessage, error) {
	replies, err := c.f.do(ctx, command)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	return replies[0].ToMessage()
}

// read feeds the shaper chunk by chunk, until the end or until the value is too
// long to be kept.
func (c *chunker) read(ctx context.Context, kind value.Type) error {
	switch kind {
	case value.String:
		return c.readString(ctx)
	case value.List:
		return c.readList(ctx)
	case value.Stream:
		return c.readStream(ctx)
	case value.SortedSet:
		if c.watched {
			return c.readRanks(ctx)
		}
		return c.followCursor(ctx, kind)
	case value.Hash, value.Set:
		return c.followCursor(ctx, kind)
	}
	return nil // a module's
}

func (c *chunker) full() bool { return c.f.shaper.Oversized() }

func (c *chunker) readString(ctx context.Context) error {
	b := c.f.r.session.client.B()
	c.elements = pieceBytes
	return c.readWindows(ctx, func(at, n int) rueidis.Completed {
		return b.Getrange().Key(c.name).Start(int64(at)).End(int64(at + n - 1)).Build()
	}, func(m *rueidis.RedisMessage) (took int, err error) {
		piece, err := m.AsBytes()
		if err != nil {
			return 0, err
		}
		return len(piece), c.f.shaper.String(piece)
	})
}

func (c *chunker) readList(ctx context.Context) error {
	b := c.f.r.session.client.B()
	return c.readWindows(ctx, func(at, n int) rueidis.Completed {
		return b.Lrange().Key(c.name).Start(int64(at)).Stop(int64(at + n - 1)).Build()
	}, func(m *rueidis.RedisMessage) (took int, err error) {
		bytes := 0
		err = each(m, func(element []byte) error {
			took++
			bytes += len(element)
			return c.f.shaper.Element(element)
		})
		c.adapt(took, bytes)
		return took, err
	})
}

// readRanks reads a sorted set that does not change, which costs the server a
// fraction of what its cursor does.
func (c *chunker) readRanks(ctx context.Context) error {
	b := c.f.r.session.client.B()
	return c.readWindows(ctx, func(at, n int) rueidis.Completed {
		return b.Zrange().Key(c.name).Min(strconv.Itoa(at)).Max(strconv.Itoa(at + n - 1)).Withscores().Build()
	}, func(m *rueidis.RedisMessage) (took int, err error) {
		took, bytes, err := c.f.feedScored(m)
		c.adapt(took, bytes)
		return took, err
	})
}

// A window is a chunk that has been asked for.
type window struct {
	elements int
	reply    chan windowReply // of capacity 1
}

type windowReply struct {
	message rueidis.RedisMessage
	err     error
}

// readWindows reads chunk after chunk by position until one is not full. Chunks
// are asked for ahead of their time, as the round trip demands.
func (c *chunker) readWindows(ctx context.Context, command func(at, n int) rueidis.Completed, take func(*rueidis.RedisMessage) (took int, err error)) error {
	var g errgroup.Group
	defer g.Wait() //nolint:errcheck // errors come with the windows
	depth, at := 1, 0
	for ahead := []window(nil); !c.full(); {
		for len(ahead) < depth {
			w := window{elements: c.elements, reply: make(chan windowReply, 1)}
			ask := command(at, w.elements)
			g.Go(func() error {
				m, err := c.one(ctx, ask)
				w.reply <- windowReply{m, err}
				return nil
			})
			ahead = append(ahead, w)
			at += w.elements
		}
		w := ahead[0]
		ahead = ahead[1:]
		reply := <-w.reply
		if reply.err != nil {
			return reply.err
		}
		took, err := take(&reply.message)
		if err != nil {
			return err
		}
		if took < w.elements {
			return nil
		}
		// The first chunk has told how large elements are.
		depth = min(2+int(c.f.r.session.server.rtt/serviceOfChunk), maxAhead)
	}
	return nil
}

func (c *chunker) readStream(ctx context.Context) error {
	b := c.f.r.session.client.B()
	for from := (value.StreamID{}); !c.full(); {
		n := c.elements
		m, err := c.one(ctx, b.Xrange().Key(c.name).Start(string(from.Append(nil))).End("+").Count(int64(n)).Build())
		if err != nil {
			return err
		}
		last, took, bytes, err := c.f.feedEntries(&m)
		if err != nil {
			return err
		}
		if took < n {
			break
		}
		if last.Seq++; last.Seq == 0 {
			last.Ms++
		}
		from = last
		c.adapt(took, bytes)
	}
	return nil
}

// followCursor follows HSCAN, SSCAN or ZSCAN.
func (c *chunker) followCursor(ctx context.Context, kind value.Type) error {
	b := c.f.r.session.client.B()
	width := 2
	if kind == value.Set {
		width = 1
	}
	for cursor := uint64(0); !c.full(); {
		count := int64(c.elements)
		var command rueidis.Completed
		switch kind {
		case value.Hash:
			command = b.Hscan().Key(c.name).Cursor(cursor).Count(count).Build()
		case value.Set:
			command = b.Sscan().Key(c.name).Cursor(cursor).Count(count).Build()
		default:
			command = b.Zscan().Key(c.name).Cursor(cursor).Count(count).Build()
		}
		m, err := c.one(ctx, command)
		if err != nil {
			return err
		}
		entry, err := m.AsScanEntry()
		if err != nil {
			return err
		}
		bytes := 0
		for i := 0; i+width <= len(entry.Elements); i += width {
			n, err := c.take(kind, entry.Elements[i:i+width])
			if err != nil {
				return err
			}
			bytes += n
		}
		if cursor = entry.Cursor; cursor == 0 {
			break
		}
		c.adapt(len(entry.Elements)/width, bytes)
	}
	return nil
}

// take feeds one element, unless it was fed before, and returns its bytes.
func (c *chunker) take(kind value.Type, parts []string) (bytes int, err error) {
	name := []byte(parts[0])
	if !c.seen.add(name) {
		return len(name), nil
	}
	switch kind {
	case value.Hash:
		return len(name) + len(parts[1]), c.f.shaper.Field(name, []byte(parts[1]), time.Time{})
	case value.Set:
		return len(name), c.f.shaper.Member(name)
	}
	score, err := parseScore(parts[1])
	if err != nil {
		return 0, err
	}
	return len(name), c.f.shaper.Scored(name, score)
}

// adapt chooses the size of the next chunk by that of the last.
func (c *chunker) adapt(elements, bytes int) {
	if elements == 0 {
		return
	}
	average := max(bytes/elements, 1)
	c.elements = min(max(chunkBytes/average, 1), maxElements)
}
