package redis

import (
	"errors"
	"strconv"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
)

// Where the server does not tell how much memory a key takes, its elements are
// counted: bytesOfElement each is a guess, and manyElements are big at any size.
const (
	bytesOfElement = 64
	manyElements   = 10_000
)

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

// addQuestions moves questions into the pipeline.
func (f *fetcher) addQuestions() {
	n := max(len(f.questions)-f.r.source.options.BatchSize, 0)
	f.asking = append(f.asking[:0], f.questions[n:]...)
	f.questions = f.questions[:n]
	for i := range f.asking {
		switch j := &f.asking[i]; {
		case f.wantsType(j):
			f.pipe.add("TYPE", j.name)
		case f.r.session.server.can.memoryUsage:
			f.pipe.add("MEMORY", "USAGE", j.name)
		default:
			f.pipe.add(lengthOf(kindOf(j.kind)), j.name)
		}
	}
}

// answered takes the answer to the question about j.
func (f *fetcher) answered(j *job) error {
	answer, err := f.pipe.next().Bytes()
	if errors.Is(err, resp.ErrNil) {
		return nil // gone
	}
	refusal, refused := asReply(err)
	if err != nil && (!refused || unavailable(refusal)) {
		return err
	}
	if f.wantsType(j) {
		return f.typeAnswered(j, string(answer), err)
	}
	j.sized = true
	if !refused {
		if err := f.sizeAnswered(j, answer); err != nil {
			return err
		}
	}
	f.push(*j)
	return nil
}

func (f *fetcher) typeAnswered(j *job, answer string, refusal error) error {
	j.typed, j.kind = true, answer
	switch {
	case refusal != nil && j.way == byType:
		return f.setAside(j, refusal)
	case j.kind == "none", j.kind != "" && !f.r.source.filter.dataType(dataType(j.kind)):
		return nil
	}
	f.push(*j)
	return nil
}

func (f *fetcher) sizeAnswered(j *job, answer []byte) error {
	n, err := strconv.ParseInt(string(answer), 10, 64)
	switch {
	case f.r.session.server.can.memoryUsage, kindOf(j.kind) == value.String:
		j.size = n
	case n > manyElements:
		j.size = max(n*bytesOfElement, f.r.source.options.BigKeyBytes+1)
	default:
		j.size = n * bytesOfElement
	}
	return err
}
