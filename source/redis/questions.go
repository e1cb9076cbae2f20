package redis

import (
	"errors"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
)

// Where the server does not tell how much memory a key takes, its elements are
// counted: bytesOfElement each is a guess, and manyElements are big at any size.
const (
	bytesOfElement = 64
	manyElements   = 10_000
)

// sizeSamples is how many elements MEMORY USAGE looks at.
const sizeSamples = "1"

// counted reports whether it is enough to know that j has few elements: keys of
// its shape were small before. That costs the server less than MEMORY USAGE.
func (j *job) counted() bool { return j.guess == value.Set || j.guess == value.SortedSet }

// wantsType reports whether the reading of j depends on its type, which is not
// known yet: to choose the command, to leave keys out, or to count elements.
func (f *fetcher) wantsType(j *job) bool {
	if j.typed || j.way.guessed() {
		return false
	}
	can := &f.r.session.server.can
	return j.way == byType || can.typeOf && (f.r.filtering || !can.memoryUsage)
}

// wantsSize reports whether j could be big as far as is known. What is believed
// to be short is read up to a limit.
func (f *fetcher) wantsSize(j *job) bool {
	return !j.sized && !j.way.guessed() && (f.r.session.server.can.memoryUsage || hasLength(kindOf(j.kind)))
}

// addQuestions moves up to most questions into the pipeline.
func (f *fetcher) addQuestions(most int) {
	n := max(len(f.questions)-most, 0)
	f.asking = append(f.asking[:0], f.questions[n:]...)
	f.questions = f.questions[:n]
	for i := range f.asking {
		switch j := &f.asking[i]; {
		case f.wantsType(j):
			f.pipe.add("TYPE", j.name)
		case j.counted():
			f.pipe.add(lengthOf(j.guess), j.name)
		case f.r.session.server.can.memoryUsage:
			f.pipe.add("MEMORY", "USAGE", j.name, "SAMPLES", sizeSamples)
		default:
			f.pipe.add(lengthOf(kindOf(j.kind)), j.name)
		}
	}
}

// answered takes the answer to the question about j.
func (f *fetcher) answered(j *job) error {
	reply := f.pipe.next()
	var kind []byte
	var n int64
	var err error
	if f.wantsType(j) {
		kind, err = reply.Bytes()
	} else {
		n, err = reply.Int()
	}
	if errors.Is(err, resp.ErrNil) {
		return nil // gone
	}
	if f.strayed(j, err) {
		return nil
	}
	refusal, refused := asReply(err)
	if err != nil && (!refused || unavailable(refusal)) {
		return err
	}
	if f.wantsType(j) {
		return f.typeAnswered(j, string(kind), err)
	}
	if j.counted() {
		f.countAnswered(j, n, refused)
		return nil
	}
	j.sized = true
	if !refused {
		f.sizeAnswered(j, n)
	}
	f.push(*j)
	return nil
}

// countAnswered takes the number of elements of a key that was small by guess.
// Where it is not, or of another type, its size is asked for.
func (f *fetcher) countAnswered(j *job, n int64, refused bool) {
	if n == 0 && !refused {
		return // gone
	}
	j.guess, j.sized = value.Unknown, n < fewElements && !refused
	f.push(*j)
}

func (f *fetcher) typeAnswered(j *job, answer string, refusal error) error {
	j.typed, j.kind = true, answer
	switch {
	case refusal != nil && j.way == byType:
		return f.setAside(j, refusal)
	case j.kind == "none", j.kind != "" && !f.r.filter.dataType(dataType(j.kind)):
		return nil
	case kindOf(j.kind) == value.TimeSeries && !f.r.session.server.can.memoryUsage:
		j.size = f.r.source.options.BigKeyBytes + 1 // may be
	}
	f.push(*j)
	return nil
}

func (f *fetcher) sizeAnswered(j *job, n int64) {
	switch {
	case f.r.session.server.can.memoryUsage, kindOf(j.kind) == value.String:
		j.size = n
	case n > manyElements:
		j.size = max(n*bytesOfElement, f.r.source.options.BigKeyBytes+1)
	default:
		j.size = n * bytesOfElement
	}
}
