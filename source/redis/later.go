package redis

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// A later reads, behind a replica's snapshot and as part of it, the keys whose
// values the snapshot holds in a form that only their module understands. It
// finds them by SCAN, by their type, so that it need not remember their names. They
// are read as of some moment behind the snapshot, up to offset in the server's
// history: the changes behind the snapshot, up to there at least, make all keys
// those of one moment again.
type later struct {
	source     *Source
	node       *node
	server     server
	connect    func(context.Context) (*session, error) // to the node
	share      *share                                  // of a cluster's slots; nil: all keys are read
	generation int64
	marks      *marks
	found      [2]atomic.Bool // by readLater
	pass       *reader        // nil: between passes
	offset     int64          // set at the end if anything was read
}

var readLater = [...]value.Type{value.JSON, value.TimeSeries}

// wants reports whether keys of a type are to be read, and remembers that there
// are some.
func (l *later) wants(dataType string) bool {
	for i, t := range readLater {
		if t.String() == dataType && l.server.can.scan && l.server.can.reads(dataType) {
			l.found[i].Store(true)
			return true
		}
	}
	return false
}

// Next returns the next batch, which closes nothing; io.EOF follows the last.
func (l *later) Next(ctx context.Context) (*row.Batch, error) {
	for {
		if l.pass == nil {
			t, more := l.next()
			if !more {
				return nil, io.EOF
			}
			if err := l.begin(ctx, t); err != nil {
				return nil, err
			}
		}
		b, err := l.pass.Next(ctx)
		if errors.Is(err, io.EOF) {
			if err := l.end(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		b.After, b.Closes, b.Scope = row.Position{Generation: l.generation}, row.None, nil
		return b, nil
	}
}

// next returns the type to be read next.
func (l *later) next() (value.Type, bool) {
	for i, t := range readLater {
		if l.found[i].Swap(false) {
			return t, true
		}
	}
	return value.Unknown, false
}

// begin begins to read all keys of a type.
func (l *later) begin(ctx context.Context, t value.Type) error {
	ss, err := l.connect(ctx)
	if err != nil {
		return err
	}
	if is := ss.server.runID; is != l.server.runID {
		ss.close()
		return l.node.outage(&replacedError{was: l.server.runID, is: is})
	}
	r := l.source.readerOf(ss)
	r.marks, r.share, r.filter.Types = l.marks, l.share, []string{t.String()}
	_, byServer := r.serverType()
	r.filtering = !byServer
	if err := r.place(row.Position{Generation: l.generation - 1}); err != nil {
		return err
	}
	if err := r.begin(ctx, r.scan); err != nil {
		ss.close()
		return err
	}
	l.pass = r
	return nil
}

// end ends the reading of a type.
func (l *later) end(ctx context.Context) error {
	offset, err := l.pass.session.offset(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return l.node.readError(err)
	}
	l.offset = offset
	return l.Close()
}

// Close ends the reading.
func (l *later) Close() error {
	if l.pass == nil {
		return nil
	}
	err := l.pass.Close()
	l.pass = nil
	return err
}
