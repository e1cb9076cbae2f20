package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
)

// kinds maps the answers of TYPE to types.
var kinds = map[string]value.Type{
	"string": value.String,
	"hash":   value.Hash,
	"list":   value.List,
	"set":    value.Set,
	"zset":   value.SortedSet,
	"stream": value.Stream,

	"ReJSON-RL": value.JSON,
	"TSDB-TYPE": value.TimeSeries,
}

// kindOf returns the type that TYPE calls name.
func kindOf(name string) value.Type {
	if t, ok := kinds[name]; ok {
		return t
	}
	return value.Module
}

// dataType returns what the data_type column says for what TYPE calls name.
func dataType(name string) string {
	if known, ok := kinds[name]; ok {
		return known.String()
	}
	return name
}

// serverName returns what the server calls a type that data_type calls name; ok is
// false where that is not known.
func serverName(name string) (called string, ok bool) {
	for called, t := range kinds {
		if t.String() == name {
			return called, true
		}
	}
	return "", false
}

// noteModule completes k, of the type that TYPE calls name, if it is a module's,
// and tells that its value is not read.
func (f *fetcher) noteModule(k *value.Key, name string) {
	if k.Type == value.Module {
		k.Module = dataType(name)
		f.r.notices.module(k.Module, string(k.Name))
	}
}

// wholeCommand returns the command that reads a whole value of j's type.
func wholeCommand(j *job, kind value.Type) []string {
	switch kind {
	case value.String:
		return []string{"GET", j.name}
	case value.Hash:
		return []string{"HGETALL", j.name}
	case value.List:
		return []string{"LRANGE", j.name, "0", "-1"}
	case value.Set:
		return []string{"SMEMBERS", j.name}
	case value.SortedSet:
		return []string{"ZRANGE", j.name, "0", "-1", "WITHSCORES"}
	case value.Stream:
		return []string{"XRANGE", j.name, "-", "+"}
	case value.JSON:
		return []string{"JSON.GET", j.name, rootPath}
	case value.TimeSeries:
		return []string{"TS.RANGE", j.name, "-", "+"}
	}
	return []string{"TYPE", j.name} // nothing but the name is known of it
}

// takeTyped takes a value in the form of a typed reply.
func (f *fetcher) takeTyped(j *job, k value.Key, reply resp.Reply) error {
	took, err := f.feed(k, reply)
	if j.way.guessed() && took >= fewElements {
		err = errLong
	}
	if err != nil {
		f.shaper.Abort()
		f.r.source.shapes.learn(j.shape, value.Unknown)
		if errors.Is(err, resp.ErrNil) {
			err = errChanged // it is another key by now
		}
		return f.another(j, err)
	}
	if err := f.end(j, k.Type); err != nil {
		return err
	}
	f.noteTail(j.name, nil)
	return nil
}

// feed gives the shaper a value in the form of a typed reply, and returns the
// number of its elements.
func (f *fetcher) feed(k value.Key, reply resp.Reply) (took int, err error) {
	if err := f.shaper.Begin(k); err != nil {
		return 0, err
	}
	switch k.Type {
	case value.String, value.JSON:
		b, err := reply.Bytes()
		if err != nil {
			return 0, err
		}
		return 1, f.shaper.String(b)
	case value.Hash, value.List, value.Set, value.SortedSet, value.Stream, value.TimeSeries:
	default:
		return 0, nil
	}
	elements, err := reply.Elements()
	if err != nil {
		return 0, err
	}
	switch k.Type {
	case value.Hash:
		took, _, err = eachPair(elements, func(field, val []byte) error { return f.shaper.Field(field, val, time.Time{}) })
	case value.List:
		took, _, err = each(elements, f.shaper.Element)
	case value.Set:
		took, _, err = each(elements, f.shaper.Member)
	case value.SortedSet:
		took, _, err = eachPair(elements, f.scored)
	case value.Stream:
		_, took, _, err = f.feedEntries(elements)
	case value.TimeSeries:
		_, took, err = f.feedSamples(elements)
	}
	return took, err
}

// scored gives the shaper a member and its score.
func (f *fetcher) scored(member, text []byte) error {
	score, err := parseScore(text)
	if err != nil {
		return err
	}
	return f.shaper.Scored(member, score)
}

// each gives every element to take, and returns their number and their bytes.
func each(elements resp.Elements, take func([]byte) error) (took, bytes int, err error) {
	for ; elements.Len() > 0; took++ {
		b, err := elements.Bytes()
		if err != nil {
			return took, bytes, err
		}
		bytes += len(b)
		if err := take(b); err != nil {
			return took, bytes, err
		}
	}
	return took, bytes, nil
}

// eachPair gives every two elements to take, and returns the number of pairs and
// their bytes.
func eachPair(elements resp.Elements, take func(first, second []byte) error) (took, bytes int, err error) {
	for ; elements.Len() > 1; took++ {
		first, err := elements.Bytes()
		if err != nil {
			return took, bytes, err
		}
		second, err := elements.Bytes()
		if err != nil {
			return took, bytes, err
		}
		bytes += len(first) + len(second)
		if err := take(first, second); err != nil {
			return took, bytes, err
		}
	}
	return took, bytes, nil
}

// feedEntries gives the shaper the entries of an XRANGE reply. It returns the ID
// of the last, their number and the bytes of their fields.
func (f *fetcher) feedEntries(entries resp.Elements) (last value.StreamID, took, bytes int, err error) {
	return eachEntry(entries, f.shaper.Entry)
}

// eachEntry gives the entries of an XRANGE reply to take.
func eachEntry(entries resp.Elements, take func(value.StreamID, [][]byte) error) (last value.StreamID, took, bytes int, err error) {
	var fields [][]byte
	for ; entries.Len() > 0; took++ {
		entry, err := entries.Next().Elements()
		if err != nil {
			return last, took, bytes, err
		}
		if entry.Len() != 2 {
			return last, took, bytes, fmt.Errorf("the server answered a stream entry of %d elements, not of 2", entry.Len())
		}
		id, err := entry.Bytes()
		if err != nil {
			return last, took, bytes, err
		}
		if last, err = parseStreamID(id); err != nil {
			return last, took, bytes, err
		}
		parts, err := entry.Next().Elements()
		if err != nil {
			return last, took, bytes, err
		}
		fields = fields[:0]
		if _, n, err := each(parts, func(b []byte) error { fields = append(fields, b); return nil }); err != nil {
			return last, took, bytes, err
		} else {
			bytes += n
		}
		if err := take(last, fields); err != nil {
			return last, took, bytes, err
		}
	}
	return last, took, bytes, nil
}

// do sends commands on the connection for everything else, in a database. An
// error ends the session; error replies are among the replies.
func (r *reader) do(ctx context.Context, database int, commands ...[]string) (*resp.Replies, error) {
	if !r.source.options.manyDatabases() {
		return r.session.do(ctx, commands...)
	}
	replies, err := r.session.do(ctx, append([][]string{{"SELECT", itoa(database)}}, commands...)...)
	if err != nil {
		return nil, err
	}
	if err := replies.Next().Err(); err != nil {
		return nil, fmt.Errorf("select database %d: %w", database, err)
	}
	return replies, nil
}
