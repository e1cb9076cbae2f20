package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/keylift/keylift/value"
	"github.com/redis/rueidis"
)

// kinds maps the answers of TYPE to types.
var kinds = map[string]value.Type{
	"string": value.String,
	"hash":   value.Hash,
	"list":   value.List,
	"set":    value.Set,
	"zset":   value.SortedSet,
	"stream": value.Stream,
}

// moduleNames are the types of modules that are better known by other names.
var moduleNames = map[string]string{
	"ReJSON-RL": value.JSON.String(),
	"TSDB-TYPE": value.TimeSeries.String(),
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
	if known, ok := moduleNames[name]; ok {
		return known
	}
	return name
}

// noteModule completes k, of the type that TYPE calls name, if it is a module's,
// and tells that its value is not read.
func (f *fetcher) noteModule(k *value.Key, name string) {
	if k.Type == value.Module {
		k.Module = dataType(name)
		f.r.notices.module(k.Module, string(k.Name))
	}
}

// readTyped reads the values of the typed jobs by the commands of their types.
func (f *fetcher) readTyped(ctx context.Context) error {
	if len(f.typed) == 0 {
		return nil
	}
	o := &f.r.source.options
	jobs := f.typed
	f.typed = nil // what has to be read again comes in here
	for len(jobs) > 0 {
		end, bytes := 0, int64(0)
		for end < len(jobs) && end < o.BatchSize && bytes < o.pipeBytes() {
			bytes += jobs[end].size
			end++
		}
		if err := f.readTypedRun(ctx, jobs[:end]); err != nil {
			return err
		}
		if err := f.emit(ctx); err != nil {
			return err
		}
		jobs = jobs[end:]
	}
	return nil
}

// readTypedRun reads the values of jobs in one round trip.
func (f *fetcher) readTypedRun(ctx context.Context, jobs []job) error {
	b := f.r.session.client.B()
	var commands []rueidis.Completed
	for i := range jobs {
		j := &jobs[i]
		commands = append(commands, f.expiry(j.name))
		switch kindOf(j.kind) {
		case value.String:
			commands = append(commands, b.Get().Key(j.name).Build())
		case value.Hash:
			commands = append(commands, b.Hgetall().Key(j.name).Build())
		case value.List:
			commands = append(commands, b.Lrange().Key(j.name).Start(0).Stop(-1).Build())
		case value.Set:
			commands = append(commands, b.Smembers().Key(j.name).Build())
		case value.SortedSet:
			commands = append(commands, b.Zrange().Key(j.name).Min("0").Max("-1").Withscores().Build())
		case value.Stream:
			commands = append(commands, b.Xrange().Key(j.name).Start("-").End("+").Build())
		default: // nothing but the name is known of it
			commands = append(commands, b.Type().Key(j.name).Build())
		}
		// An empty reply does not tell an empty stream from none.
		commands = append(commands, f.expiry(j.name))
	}
	sent := time.Now()
	replies, err := f.do(ctx, commands...)
	if err != nil {
		return err
	}
	for i := range jobs {
		if err := f.receiveTyped(&jobs[i], replies[3*i:3*i+3], sent); err != nil {
			return err
		}
	}
	return nil
}

// do sends commands with replies of any form, in the page's database. An error
// ends the session; error replies are among the replies.
func (f *fetcher) do(ctx context.Context, commands ...rueidis.Completed) ([]rueidis.RedisResult, error) {
	return f.r.do(ctx, f.page.database, commands...)
}

func (r *reader) do(ctx context.Context, database int, commands ...rueidis.Completed) ([]rueidis.RedisResult, error) {
	ctx, cancel := context.WithTimeout(ctx, r.source.options.IOTimeout)
	defer cancel()
	many := r.source.options.manyDatabases()
	if many {
		commands = append([]rueidis.Completed{r.session.client.B().Select().Index(int64(database)).Build()}, commands...)
	}
	replies := r.session.client.DoMulti(ctx, commands...)
	for _, reply := range replies {
		if err := reply.NonRedisError(); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, err
		}
	}
	if many {
		if err := replies[0].Error(); err != nil {
			return nil, fmt.Errorf("select database %d: %w", database, err)
		}
		replies = replies[1:]
	}
	return replies, nil
}

// receiveTyped takes the replies for j: expiry, value, expiry.
func (f *fetcher) receiveTyped(j *job, replies []rueidis.RedisResult, sent time.Time) error {
	for _, reply := range replies {
		if err := reply.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return f.another(j, err)
		}
	}
	before, err := replies[0].AsInt64()
	if err != nil {
		return err
	}
	after, err := replies[2].AsInt64()
	if err != nil {
		return err
	}
	if before == expiryGone && after != expiryGone {
		return f.another(j, errChanged)
	}
	k := f.key(j.name, before, sent)
	if after == expiryGone || k.TTL == expiryGone {
		return nil
	}
	k.Type = kindOf(j.kind)
	f.noteModule(&k, j.kind)
	message, err := replies[1].ToMessage()
	if err != nil { // nil: it is another key by now
		return f.another(j, errChanged)
	}
	text := len(f.batch.Text)
	if err := f.feed(k, &message); err != nil {
		f.batch.DropRow(text)
		return f.another(j, err)
	}
	return f.end(j, k.Type)
}

// feed gives the shaper a value in the form of a typed reply.
func (f *fetcher) feed(k value.Key, m *rueidis.RedisMessage) error {
	if err := f.shaper.Begin(k); err != nil {
		return err
	}
	switch k.Type {
	case value.String:
		b, err := m.AsBytes()
		if err != nil {
			return err
		}
		return f.shaper.String(b)
	case value.Hash:
		fields, err := m.AsStrMap()
		if err != nil {
			return err
		}
		for field, val := range fields {
			if err := f.shaper.Field([]byte(field), []byte(val), time.Time{}); err != nil {
				return err
			}
		}
	case value.List:
		return each(m, f.shaper.Element)
	case value.Set:
		return each(m, f.shaper.Member)
	case value.SortedSet:
		_, _, err := f.feedScored(m)
		return err
	case value.Stream:
		_, _, _, err := f.feedEntries(m)
		return err
	}
	return nil
}

// each gives every element of an array to take.
func each(m *rueidis.RedisMessage, take func([]byte) error) error {
	elements, err := m.ToArray()
	if err != nil {
		return err
	}
	for i := range elements {
		b, err := elements[i].AsBytes()
		if err != nil {
			return err
		}
		if err := take(b); err != nil {
			return err
		}
	}
	return nil
}

// feedScored gives the shaper the members of a ZRANGE reply. It returns their
// number and the bytes of their names.
func (f *fetcher) feedScored(m *rueidis.RedisMessage) (took, bytes int, err error) {
	members, err := m.AsZScores()
	if err != nil {
		return 0, 0, err
	}
	for _, z := range members {
		bytes += len(z.Member)
		if err := f.shaper.Scored([]byte(z.Member), z.Score); err != nil {
			return 0, 0, err
		}
	}
	return len(members), bytes, nil
}

// feedEntries gives the shaper the entries of an XRANGE reply. It returns the ID
// of the last, their number and the bytes of their fields.
func (f *fetcher) feedEntries(m *rueidis.RedisMessage) (last value.StreamID, took, bytes int, err error) {
	entries, err := m.AsXRangeSlices()
	if err != nil {
		return last, 0, 0, err
	}
	var fields [][]byte
	for _, e := range entries {
		if last, err = parseStreamID(e.ID); err != nil {
			return last, 0, 0, err
		}
		fields = fields[:0]
		for _, fv := range e.FieldValues {
			fields = append(fields, []byte(fv.Field), []byte(fv.Value))
			bytes += len(fv.Field) + len(fv.Value)
		}
		if err := f.shaper.Entry(last, fields); err != nil {
			return last, 0, 0, err
		}
	}
	return last, len(entries), bytes, nil
}
