package redis

import (
	"context"
	"errors"

	"github.com/keylift/keylift/value"
	"github.com/redis/rueidis"
)

// A question is asked about keys before they are read, a run of keys in one
// round trip.
type question struct {
	wanted  func(*job) bool
	command func(*job) rueidis.Completed
	answer  func(*job, []byte) error
	// refused decides about a job whose question was answered by an error:
	// whether it is still one.
	refused func(*job, *rueidis.RedisError) (keep bool, err error)
}

// Questions are cheap, so that a pipeline of them has this many times the keys
// of one that reads values.
const questionsPerKey = 4

// ask asks q about the jobs. Keys that are gone are no jobs any more.
func (f *fetcher) ask(ctx context.Context, q question) error {
	kept := f.jobs[:0]
	for rest := f.jobs; len(rest) > 0; {
		end, asked := 0, 0
		f.begin()
		for ; end < len(rest) && asked < f.r.source.options.BatchSize*questionsPerKey; end++ {
			if q.wanted(&rest[end]) {
				f.pipe.add(q.command(&rest[end]))
				asked++
			}
		}
		if asked > 0 {
			if err := f.send(ctx); err != nil {
				return err
			}
		}
		for i := range rest[:end] {
			keep, err := true, error(nil)
			if q.wanted(&rest[i]) {
				keep, err = f.reply(&rest[i], q)
			}
			if err != nil {
				return err
			}
			if keep {
				kept = append(kept, rest[i])
			}
		}
		if asked > 0 {
			f.pipe.end()
		}
		rest = rest[end:]
	}
	f.jobs = kept
	return nil
}

// reply takes the answer about j and reports whether it is still a job.
func (f *fetcher) reply(j *job, q question) (keep bool, err error) {
	reply, err := f.pipe.next()
	if errors.Is(err, errNone) {
		return false, nil
	}
	if refusal, refused := asReply(err); refused {
		if unavailable(refusal) {
			return false, err
		}
		return q.refused(j, refusal)
	}
	if err != nil {
		return false, err
	}
	return true, q.answer(j, reply)
}

// keep drops the jobs for which it says no.
func (f *fetcher) keep(it func(j *job) bool) {
	kept := f.jobs[:0]
	for i := range f.jobs {
		if it(&f.jobs[i]) {
			kept = append(kept, f.jobs[i])
		}
	}
	f.jobs = kept
}

// askTypes asks for the type of the keys whose reading depends on it, and drops
// the keys of types that are not read.
func (f *fetcher) askTypes(ctx context.Context) error {
	can, b := &f.r.session.server.can, f.r.session.client.B()
	_, byServer := f.r.serverType()
	filtering := len(f.r.source.filter.types) > 0 && !byServer && can.typeOf
	sizing := !can.memoryUsage && can.typeOf
	err := f.ask(ctx, question{
		wanted: func(j *job) bool {
			return j.kind == "" && (j.way == byType || filtering || sizing && j.way != byRange)
		},
		command: func(j *job) rueidis.Completed { return b.Type().Key(j.name).Build() },
		answer: func(j *job, reply []byte) error {
			j.kind = string(reply)
			return nil
		},
		refused: func(j *job, refusal *rueidis.RedisError) (bool, error) {
			if j.way != byType {
				return true, nil
			}
			return false, f.setAside(j, refusal)
		},
	})
	if err != nil {
		return err
	}
	f.keep(func(j *job) bool {
		return j.kind == "" || j.kind != "none" && f.r.source.filter.dataType(dataType(j.kind))
	})
	return nil
}

// askSizes asks for the size of the keys that could be big, and puts the big
// ones aside to be read in chunks.
func (f *fetcher) askSizes(ctx context.Context) error {
	can, b := &f.r.session.server.can, f.r.session.client.B()
	q := question{
		wanted:  func(j *job) bool { return j.way != byRange && j.size == 0 },
		command: func(j *job) rueidis.Completed { return b.MemoryUsage().Key(j.name).Build() },
		answer: func(j *job, reply []byte) (err error) {
			j.size, err = parseInt(reply)
			return err
		},
		refused: func(*job, *rueidis.RedisError) (bool, error) { return true, nil },
	}
	if !can.memoryUsage {
		f.byLength(&q)
	}
	if err := f.ask(ctx, q); err != nil {
		return err
	}
	f.keep(func(j *job) bool {
		if j.size > f.r.source.options.BigKeyBytes {
			f.big = append(f.big, *j)
			return false
		}
		return true
	})
	return nil
}

// Where the server does not tell how much memory a key takes, its elements are
// counted: bytesOfElement each is a guess, and manyElements are big at any size.
const (
	bytesOfElement = 64
	manyElements   = 10_000
)

// byLength makes q ask for the number of elements.
func (f *fetcher) byLength(q *question) {
	b := f.r.session.client.B()
	q.wanted = func(j *job) bool {
		if j.way == byRange || j.size > 0 || j.kind == "" {
			return false
		}
		return hasLength(kindOf(j.kind))
	}
	q.command = func(j *job) rueidis.Completed { return lengthOf(b, kindOf(j.kind), j.name) }
	q.answer = func(j *job, reply []byte) error {
		n, err := parseInt(reply)
		switch {
		case kindOf(j.kind) == value.String:
			j.size = n
		case n > manyElements:
			j.size = max(n*bytesOfElement, f.r.source.options.BigKeyBytes+1)
		default:
			j.size = n * bytesOfElement
		}
		return err
	}
}
