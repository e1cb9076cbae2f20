package redis

import (
	"context"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// seriesOverlap is how far before the last sample that was read samples are read
// again, in ms: they may have been rewritten.
const seriesOverlap = 3_600_000

// A resumption is where the reading of a key begins.
type resumption struct {
	from    value.StreamID // the first element to be read; of a time series a moment
	behind  bool           // what lies before from was read
	replace bool           // the key was made anew: what was read of it is gone
}

// resume decides where the reading of a key begins that has a mark. Where it cannot
// tell that the key is the one that was read, all of it is read.
func (c *chunker) resume(ctx context.Context, kind value.Type, m *mark) (resumption, error) {
	if kind == value.Stream {
		return c.resumeStream(ctx, m)
	}
	info, err := c.info(ctx)
	if _, refused := asReply(err); refused {
		return resumption{}, nil
	}
	first, last := value.StreamID{Ms: uint64(max(info.first, 0))}, value.StreamID{Ms: uint64(max(info.last, 0))}
	if err != nil || before(first, m.First) || before(last, m.Last) {
		return resumption{}, err
	}
	return resumption{from: value.StreamID{Ms: m.Last.Ms - min(seriesOverlap, m.Last.Ms)}, behind: true}, nil
}

// resumeStream looks at a stream's first entry and at the one that was read last. A
// stream's entries never change, and new ones have higher IDs, so where the latter
// is the same there is nothing new before it. Where it is gone, all that is left may
// lie behind it; if not, nobody knows.
func (c *chunker) resumeStream(ctx context.Context, m *mark) (resumption, error) {
	at := string(m.Last.Append(nil))
	replies, err := c.do(ctx, []string{"XRANGE", c.name, "-", "+", "COUNT", "1"}, []string{"XRANGE", c.name, at, at})
	if err != nil {
		return resumption{}, err
	}
	first, _, holds, err := oneEntry(replies.Next())
	if err != nil || !holds {
		return resumption{}, err
	}
	_, check, there, err := oneEntry(replies.Next())
	switch {
	case err != nil:
		return resumption{}, err
	case before(first, m.First), there && check != m.Check:
		return resumption{replace: true}, nil
	case there:
		return resumption{from: m.Last, behind: true}, nil
	}
	return resumption{}, nil
}

// oneEntry returns the ID and the check of the only entry of an XRANGE reply; there
// is false without one.
func oneEntry(reply resp.Reply) (id value.StreamID, check uint64, there bool, err error) {
	entries, err := reply.Elements()
	if err != nil || entries.Len() == 0 {
		return id, 0, false, err
	}
	_, _, _, err = eachEntry(entries, func(at value.StreamID, fields [][]byte) error {
		id, check = at, table.EntryCheck(fields)
		return nil
	})
	return id, check, err == nil, err
}

func before(a, b value.StreamID) bool { return a.Ms < b.Ms || a.Ms == b.Ms && a.Seq < b.Seq }
