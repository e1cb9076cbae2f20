package redis

import (
	"errors"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
	"github.com/redis/rueidis"
)

// Limits of a pipeline.
const (
	rangeBytes   = 16 << 10 // the longest string that is read by GETRANGE at once
	bytesPerKey  = 2 << 10  // of values, times the keys of a pipeline
	minPipeBytes = 256 << 10
)

// pipeBytes returns how large, by the server's count, the values of one exchange
// may be together before no more are added.
func (o *Options) pipeBytes() int64 { return max(minPipeBytes, int64(o.BatchSize)*bytesPerKey) }

// addValues moves values to be read into the pipeline, the latest first.
func (f *fetcher) addValues() {
	o, bytes := &f.r.source.options, int64(0)
	f.reading = f.reading[:0]
	for n := len(f.values); n > 0 && len(f.reading) < o.BatchSize && bytes < o.pipeBytes(); n-- {
		f.reading = append(f.reading, f.values[n-1])
		f.values = f.values[:n-1]
		j := &f.reading[len(f.reading)-1]
		bytes += j.size
		f.pipe.add(f.expiry(j.name))
		f.pipe.add(f.value(j))
	}
}

// expiry returns the command that asks for a key's expiry.
func (f *fetcher) expiry(name string) rueidis.Completed {
	b := f.r.session.client.B()
	if f.r.session.server.can.pexpiretime {
		return b.Pexpiretime().Key(name).Build()
	}
	return b.Pttl().Key(name).Build()
}

// value returns the command that asks for a key's value in one string.
func (f *fetcher) value(j *job) rueidis.Completed {
	b := f.r.session.client.B()
	if j.way == byRange {
		return b.Getrange().Key(j.name).Start(0).End(rangeBytes - 1).Build()
	}
	return b.Dump().Key(j.name).Build()
}

// receive takes the two replies for j: its expiry and its value.
func (f *fetcher) receive(j *job) error {
	expiry, expiryErr := f.pipe.nextInt()
	if _, refused := asReply(expiryErr); expiryErr != nil && !refused {
		return expiryErr
	}
	reply, err := f.pipe.next()
	switch refusal, refused := asReply(err); {
	case errors.Is(err, errNone):
		return nil // gone
	case refused:
		return f.another(j, refusal)
	case err != nil:
		return err
	}
	if refusal, refused := asReply(expiryErr); refused {
		return f.another(j, refusal)
	}
	k := f.key(j.name, expiry, f.pipe.sent)
	if expiry == expiryGone {
		if len(reply) > 0 {
			return f.another(j, errChanged) // it came into being in between
		}
		return nil
	}
	if k.TTL == expiryGone {
		return nil
	}
	if j.way == byRange {
		return f.takeString(j, k, reply)
	}
	return f.takeDump(j, k, reply)
}

var (
	errChanged = errors.New("it keeps changing while it is read")
	errLong    = errors.New("it is longer than a key of its shape was before")
)

// takeString takes a value that GETRANGE answered. It cannot tell an empty
// string from none, nor a string that ends from one that goes on.
func (f *fetcher) takeString(j *job, k value.Key, reply []byte) error {
	if len(reply) == 0 || len(reply) >= rangeBytes {
		return f.another(j, errLong)
	}
	k.Type, k.Elements = value.String, len(reply)
	if err := f.shaper.Begin(k); err != nil {
		return err
	}
	if err := f.shaper.String(reply); err != nil {
		return err
	}
	return f.end(j, value.String)
}

// takeDump takes a value that DUMP answered.
func (f *fetcher) takeDump(j *job, k value.Key, payload []byte) error {
	kind, err := rdb.DumpType(payload)
	text := len(f.batch.Text)
	switch {
	case err != nil:
	case kind == value.Module:
		err = f.decoder.Dump(payload, k, &moduleVisitor{f.shaper, f})
	case !f.r.source.filter.dataType(kind.String()):
		return nil
	default:
		err = f.decoder.Dump(payload, k, f.shaper)
	}
	if err != nil {
		f.batch.DropRow(text)
		if errors.Is(err, errFiltered) {
			return nil
		}
		return f.another(j, err)
	}
	if kind == value.String && len(payload) >= rangeBytes/2 {
		kind = value.Unknown // the next of its shape may be too long for GETRANGE
	}
	f.r.source.shapes.learn(j.shape, kind)
	f.noteOversized(j)
	return nil
}

var errFiltered = errors.New("keys of this type are not read")

// A moduleVisitor learns the name of a module's type from the decoder.
type moduleVisitor struct {
	value.Visitor
	f *fetcher
}

// Begin tells that the value is not read, and begins its row.
func (v *moduleVisitor) Begin(k value.Key) error {
	if !v.f.r.source.filter.dataType(k.Module) {
		return errFiltered
	}
	v.f.r.notices.module(k.Module, string(k.Name))
	return v.Visitor.Begin(k)
}

// end ends the row of j, which was begun by hand.
func (f *fetcher) end(j *job, kind value.Type) error {
	if err := f.shaper.End(); err != nil {
		return err
	}
	f.r.source.shapes.learn(j.shape, kind)
	f.noteOversized(j)
	return nil
}
