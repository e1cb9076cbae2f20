package redis

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/keylift/keylift/source/redis/pace"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
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
// remembered, because it may repeat them. Where each element is a row, nothing of
// it waits and nothing is remembered.
const (
	chunkBytes    = 512 << 10 // about what a chunk of a collection should hold
	pieceBytes    = 1 << 20   // of a string
	firstElements = 16        // of the first chunk, whose elements may be of any size
	maxElements   = 300       // of a chunk, for the server's sake
	maxAhead      = 16        // chunks in flight

	serviceOfChunk = 300 * time.Microsecond // about what the server takes for one
)

// A chunker reads one big key.
type chunker struct {
	f        *fetcher
	name     string
	watched  bool // nothing but this one moment is read
	elements int  // of the next chunk
	size     pace.Chunk
	seen     members
}

// errNone says that a key does not exist.
var errNone = errors.New("no such key")

// readBig reads j in chunks. It waits until Next has come to the page: no page
// but that one holds big values.
func (f *fetcher) readBig(ctx context.Context, j *job) error {
	select {
	case <-f.page.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		err := f.readChunks(ctx, j)
		if err == nil {
			return f.emit(ctx)
		}
		f.shaper.Abort()
		refusal, refused := asReply(err)
		switch {
		case errors.Is(err, errNone):
			return nil
		case errors.Is(err, resp.ErrTooLong):
			j.huge = true
		case f.strayed(j, err):
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
	c := &chunker{f: f, name: j.name}
	c.bound(maxElements)
	c.elements = firstElements
	if j.huge {
		c.bound(1)
	}
	f.r.source.options.pacer.took(1)
	if f.r.session.server.can.watch && j.mark == nil && (j.tries == 0 || j.tries < maxTries-1 && !hasCursor(kindOf(j.kind))) {
		if _, err := c.one(ctx, "WATCH", j.name); err != nil {
			return err
		}
		c.watched = true
	}
	err := c.readKey(ctx, j)
	if err != nil && c.watched && ctx.Err() == nil {
		_, unwatchErr := c.do(ctx, []string{"UNWATCH"})
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
	if k.TTL == expiryGone || !f.r.filter.dataType(dataType(j.kind)) {
		return errNone
	}
	k.Type = f.r.session.server.can.kind(j.kind)
	if k.Elements, err = c.length(ctx, k.Type); err != nil {
		return err
	}
	f.noteModule(&k, j.kind)
	var at resumption
	if j.mark != nil && (k.Type == value.Stream || k.Type == value.TimeSeries) {
		if at, err = c.resume(ctx, k.Type, j.mark); err != nil {
			return err
		}
		if at.replace {
			f.shaper.Replace()
		}
	}
	k.Name = f.nameOf(j.name)
	if err := f.shaper.Begin(k); err != nil {
		return err
	}
	err = c.read(ctx, k.Type, at.from)
	if errors.Is(err, resp.ErrTooLong) && c.elements == 1 {
		// No cell takes a single element of this length.
		f.shaper.Exceed()
		err = nil
	}
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, j.kind); err != nil {
		return err
	}
	since := j.mark
	if !at.behind {
		since = nil
	} else if now, err := c.resume(ctx, k.Type, j.mark); err != nil || now != at {
		return cmp.Or(err, errChanged)
	}
	if err := f.end(j, value.Unknown); err != nil {
		return err
	}
	f.noteTail(j.name, since)
	return nil
}

// state returns the type and the expiry of the key; errNone if it is gone.
func (c *chunker) state(ctx context.Context) (kind string, expiry int64, err error) {
	replies, err := c.do(ctx, []string{c.f.r.session.server.can.expiryCommand(), c.name}, []string{"TYPE", c.name})
	if err != nil {
		return "", 0, err
	}
	if expiry, err = replies.Next().Int(); err != nil {
		return "", 0, err
	}
	name, err := replies.Next().Bytes()
	if err != nil {
		return "", 0, err
	}
	if kind = string(name); expiry == expiryGone || kind == "none" {
		return "", 0, errNone
	}
	return kind, expiry, nil
}

// confirm asks, after the last chunk, whether what was read may be kept.
func (c *chunker) confirm(ctx context.Context, kind string) error {
	if c.watched {
		replies, err := c.do(ctx, []string{"MULTI"}, []string{"EXEC"})
		if err != nil {
			return err
		}
		replies.Next()
		_, err = replies.Next().Elements()
		if errors.Is(err, resp.ErrNil) {
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
func lengthOf(kind value.Type) string {
	switch kind {
	case value.String:
		return "STRLEN"
	case value.Hash:
		return "HLEN"
	case value.List:
		return "LLEN"
	case value.Set:
		return "SCARD"
	case value.SortedSet:
		return "ZCARD"
	}
	return "XLEN"
}

// length returns how many elements the key has now, or bytes if it is a string;
// -1 where the server does not tell. It is the size of a value too long to be
// read to its end.
func (c *chunker) length(ctx context.Context, kind value.Type) (int, error) {
	n := int64(-1)
	var err error
	switch {
	case kind == value.TimeSeries:
		var info seriesInfo
		info, err = c.info(ctx)
		n = info.samples
	case hasLength(kind):
		var reply resp.Reply
		if reply, err = c.one(ctx, lengthOf(kind), c.name); err == nil {
			n, err = reply.Int()
		}
	}
	if refusal, refused := asReply(err); refused && !isWrongType(refusal) && !unavailable(refusal) {
		return -1, nil
	}
	return int(n), err
}

// do sends commands in the key's database.
func (c *chunker) do(ctx context.Context, commands ...[]string) (*resp.Replies, error) {
	return c.f.r.do(ctx, c.f.page.database, commands...)
}

// one sends one command. An error reply is an error.
func (c *chunker) one(ctx context.Context, command ...string) (resp.Reply, error) {
	replies, err := c.do(ctx, command)
	if err != nil {
		return nil, err
	}
	reply := replies.Next()
	return reply, reply.Err()
}

// read feeds the shaper chunk by chunk, until the end or until the value is too
// long to be kept.
// Streams and time series are read from a place on.
func (c *chunker) read(ctx context.Context, kind value.Type, from value.StreamID) error {
	switch kind {
	case value.String:
		return c.readString(ctx)
	case value.List:
		return c.readList(ctx)
	case value.Stream:
		return c.readStream(ctx, from)
	case value.SortedSet:
		if c.watched {
			return c.readRanks(ctx)
		}
		return c.followCursor(ctx, kind)
	case value.Hash, value.Set:
		return c.followCursor(ctx, kind)
	case value.JSON:
		return c.readDocument(ctx)
	case value.TimeSeries:
		return c.readSamples(ctx, int64(from.Ms)) //nolint:gosec // a time
	}
	return nil // a module's
}

func (c *chunker) full() bool { return c.f.shaper.Oversized() }

func (c *chunker) readString(ctx context.Context) error {
	c.bound(pieceBytes)
	return c.readWindows(ctx, func(from, to string) []string {
		return []string{"GETRANGE", c.name, from, to}
	}, func(reply resp.Reply) (took int, err error) {
		piece, err := reply.Bytes()
		if err != nil {
			return 0, err
		}
		c.elements = c.size.Most()
		return len(piece), c.f.shaper.String(piece)
	})
}

func (c *chunker) readList(ctx context.Context) error {
	return c.readWindows(ctx, func(from, to string) []string {
		return []string{"LRANGE", c.name, from, to}
	}, func(reply resp.Reply) (took int, err error) {
		elements, err := reply.Elements()
		if err != nil {
			return 0, err
		}
		took, bytes, err := each(elements, c.f.shaper.Element)
		c.adapt(took, bytes)
		return took, err
	})
}

// readRanks reads a sorted set that does not change, which costs the server a
// fraction of what its cursor does.
func (c *chunker) readRanks(ctx context.Context) error {
	return c.readWindows(ctx, func(from, to string) []string {
		return []string{"ZRANGE", c.name, from, to, "WITHSCORES"}
	}, func(reply resp.Reply) (took int, err error) {
		elements, err := reply.Elements()
		if err != nil {
			return 0, err
		}
		took, bytes, err := eachPair(elements, c.f.scored)
		c.adapt(took, bytes)
		return took, err
	})
}

// A window is a chunk that has been asked for.
type window struct {
	elements int
	pipe     *pipeline
}

// readWindows reads chunk after chunk by position until one is not full. Chunks
// are asked for ahead of their time, as the round trip demands.
func (c *chunker) readWindows(ctx context.Context, command func(from, to string) []string, take func(resp.Reply) (took int, err error)) error {
	control, many, gate := c.f.r.session.control, c.f.r.source.options.manyDatabases(), c.f.r.gate
	var ahead []window
	var before time.Time // when the chunk before was received
	for depth, at := 1, 0; !c.full(); {
		for len(ahead) < depth {
			n, err := gate.alone(ctx, c.elements)
			if err != nil {
				return err
			}
			w := window{n, c.f.r.session.pipeline()}
			if many {
				w.pipe.add("SELECT", itoa(c.f.page.database))
			}
			w.pipe.add(command(itoa(at), itoa(at+w.elements-1))...)
			control.send(w.pipe)
			ahead = append(ahead, w)
			at += w.elements
		}
		w := ahead[0]
		ahead = ahead[1:]
		if err := w.pipe.wait(ctx); err != nil {
			return err
		}
		rtt := c.f.r.session.server.rtt
		c.took(min(w.pipe.received.Sub(w.pipe.sent)-rtt, w.pipe.received.Sub(before)))
		before = w.pipe.received
		if many {
			w.pipe.next()
		}
		took, err := take(w.pipe.next())
		if err != nil || took < w.elements {
			return err
		}
		// The first chunk has told how large elements are.
		if gate == nil {
			depth = min(2+int(rtt/serviceOfChunk), maxAhead)
		}
	}
	return nil
}

func (c *chunker) readStream(ctx context.Context, from value.StreamID) error {
	for !c.full() {
		reply, n, err := c.next(ctx, func(n int) []string {
			return []string{"XRANGE", c.name, string(from.Append(nil)), "+", "COUNT", itoa(n)}
		})
		if err != nil {
			return err
		}
		entries, err := reply.Elements()
		if err != nil {
			return err
		}
		last, took, bytes, err := c.f.feedEntries(entries)
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
	command := "ZSCAN"
	take := c.f.scored
	switch kind {
	case value.Hash:
		command = "HSCAN"
		take = func(field, val []byte) error { return c.f.shaper.Field(field, val, time.Time{}) }
	case value.Set:
		command = "SSCAN"
	}
	known := func(name []byte) bool { return !c.f.shaper.Repeats() && !c.seen.add(name) }
	for cursor := uint64(0); !c.full(); {
		reply, _, err := c.next(ctx, func(n int) []string {
			return []string{command, c.name, strconv.FormatUint(cursor, 10), "COUNT", itoa(n)}
		})
		if err != nil {
			return err
		}
		found, err := parseScan(reply)
		if err != nil {
			return err
		}
		var took, bytes int
		if kind == value.Set {
			took, bytes, err = each(found.elements, func(member []byte) error {
				if known(member) {
					return nil
				}
				return c.f.shaper.Member(member)
			})
		} else {
			took, bytes, err = eachPair(found.elements, func(name, val []byte) error {
				if known(name) {
					return nil
				}
				return take(name, val)
			})
		}
		if err != nil {
			return err
		}
		if cursor = found.cursor; cursor == 0 {
			break
		}
		c.adapt(took, bytes)
	}
	return nil
}
