package redis

import (
	"errors"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
)

// Limits of a pipeline, and of what is read by guess.
const (
	rangeBytes   = 16 << 10 // the longest string that is read by GETRANGE at once
	shortBytes   = 8 << 10  // of a payload, whose like may be read by guess
	fewElements  = 1000     // the most that are read by guess
	bytesPerKey  = 2 << 10  // of values, times the keys of a pipeline
	minPipeBytes = 256 << 10
)

// pipeBytes returns how large, by the server's count, the values of one exchange
// may be together before no more are added.
func (o *Options) pipeBytes() int64 { return max(minPipeBytes, int64(o.pipelineKeys())*bytesPerKey) }

// addValues moves up to most values to be read into the pipeline, the latest first.
func (f *fetcher) addValues(most int) {
	o, bytes := &f.r.source.options, int64(0)
	f.reading = f.reading[:0]
	for n := len(f.values); n > 0 && len(f.reading) < most && bytes < o.pipeBytes(); n-- {
		f.reading = append(f.reading, f.values[n-1])
		f.values = f.values[:n-1]
		j := &f.reading[len(f.reading)-1]
		bytes += j.size
		f.ask(j)
	}
}

// expiryCommand returns the command that asks for a key's expiry.
func (a *abilities) expiryCommand() string {
	if a.pexpiretime {
		return "PEXPIRETIME"
	}
	return "PTTL"
}

// ask adds the commands that read j to the pipeline.
func (f *fetcher) ask(j *job) {
	expiry := f.r.session.server.can.expiryCommand()
	f.pipe.add(expiry, j.name)
	switch j.way {
	case byDump:
		f.pipe.add("DUMP", j.name)
	case byRange:
		f.pipe.add("GETRANGE", j.name, "0", itoa(rangeBytes-1))
	case byFields:
		f.pipe.add("HRANDFIELD", j.name, itoa(fewElements), "WITHVALUES")
	case byIndex:
		f.pipe.add("LRANGE", j.name, "0", itoa(fewElements-1))
	case byType:
		f.pipe.add(wholeCommand(j, f.r.session.server.can.kind(j.kind))...)
		// An empty reply does not tell an empty stream from none.
		f.pipe.add(expiry, j.name)
	}
}

// receive takes the replies for j: its expiry and its value.
func (f *fetcher) receive(j *job) error {
	expiry, expiryErr := f.pipe.next().Int()
	reply := f.pipe.next()
	after, afterErr := expiry, error(nil)
	if j.way == byType {
		after, afterErr = f.pipe.next().Int()
	}
	for _, err := range []error{expiryErr, reply.Err(), afterErr} {
		if _, refused := asReply(err); refused || errors.Is(err, resp.ErrTooLong) {
			return f.another(j, err)
		}
		if err != nil {
			return err
		}
	}
	nothing := reply.IsNothing()
	if expiry == expiryGone {
		if !nothing || after != expiryGone {
			return f.another(j, errChanged) // it came into being in between
		}
		return nil
	}
	k := f.key(j.name, expiry, f.pipe.sent)
	if k.TTL == expiryGone || after == expiryGone || nothing && j.way != byType && j.way != byRange {
		return nil
	}
	switch j.way {
	case byDump:
		payload, err := reply.Bytes()
		if err != nil {
			return err
		}
		return f.takeDump(j, k, payload)
	case byRange:
		return f.takeString(j, k, reply)
	case byFields:
		k.Type = value.Hash
	case byIndex:
		k.Type = value.List
	case byType:
		k.Type = f.r.session.server.can.kind(j.kind)
		if nothing && k.Type != value.String && k.Type != value.Stream && k.Type != value.TimeSeries {
			return f.another(j, errChanged) // only these can be empty
		}
		f.noteModule(&k, j.kind)
	}
	return f.takeTyped(j, k, reply)
}

var (
	errChanged = errors.New("it keeps changing while it is read")
	errLong    = errors.New("it is longer than a key of its shape was before")
)

// takeString takes a value that GETRANGE answered. It cannot tell an empty
// string from none, nor a string that ends from one that goes on.
func (f *fetcher) takeString(j *job, k value.Key, reply resp.Reply) error {
	text, err := reply.Bytes()
	if err != nil {
		return err
	}
	if len(text) == 0 || len(text) >= rangeBytes {
		return f.another(j, errLong)
	}
	k.Type, k.Elements = value.String, len(text)
	if err := f.shaper.Begin(k); err != nil {
		return err
	}
	if err := f.shaper.String(text); err != nil {
		return err
	}
	return f.end(j, value.String)
}

// takeDump takes a value that DUMP answered.
func (f *fetcher) takeDump(j *job, k value.Key, payload []byte) error {
	kind, err := rdb.DumpType(payload)
	switch {
	case err != nil:
	case kind == value.Module:
		v := &moduleVisitor{Visitor: f.shaper, f: f}
		if err = f.decoder.Dump(payload, k, v); errors.Is(err, errTyped) {
			typed := *j
			typed.way, typed.typed, typed.kind = byType, true, v.kind
			f.push(typed)
			return nil
		}
	case !f.r.filter.dataType(kind.String()):
		return nil
	default:
		err = f.decoder.Dump(payload, k, f.shaper)
	}
	if err != nil {
		f.shaper.Abort()
		if errors.Is(err, errFiltered) {
			return nil
		}
		return f.another(j, err)
	}
	if len(payload) >= shortBytes {
		kind = value.Unknown // the next of its shape may be too long to be read by guess
	}
	f.r.source.shapes.learn(j.shape, kind)
	f.noteTail(j.name, nil)
	f.noteOversized(j)
	return nil
}

var (
	errFiltered = errors.New("keys of this type are not read")
	errTyped    = errors.New("keys of this type are read by their own command")
)

// A moduleVisitor learns the name of a module's type from the decoder.
type moduleVisitor struct {
	value.Visitor
	f    *fetcher
	kind string // of what is to be read by its own command, as TYPE tells it
}

// Begin tells that the value is not read, and begins its row.
func (v *moduleVisitor) Begin(k value.Key) error {
	if !v.f.r.filter.dataType(k.Module) {
		return errFiltered
	}
	if v.f.r.session.server.can.reads(k.Module) {
		v.kind, _ = serverName(k.Module)
		return errTyped
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
