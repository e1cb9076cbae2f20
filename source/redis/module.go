package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
)

// Of the types that modules bring, two are read: JSON documents and time series.
// Each has its own command; DUMP answers with what only the module understands.
// (RedisJSON: JSON.GET; RedisTimeSeries: TS.RANGE, TS.INFO. Valkey's modules speak
// alike.)

// rootPath is the path of a whole document in the older syntax, which answers with
// the document itself and not with an array of what was found.
const rootPath = "."

// reads reports whether values of a module's type can be read, by the name that
// the data_type column has for it.
func (a *abilities) reads(dataType string) bool {
	return dataType == value.JSON.String() && a.jsonGet || dataType == value.TimeSeries.String() && a.tsRange
}

// kind returns the type that TYPE calls name; value.Module if it cannot be read.
func (a *abilities) kind(name string) value.Type {
	t := kindOf(name)
	if (t == value.JSON || t == value.TimeSeries) && !a.reads(t.String()) {
		return value.Module
	}
	return t
}

// feedSamples gives the shaper the samples of a TS.RANGE reply. It returns the
// moment of the last, in ms, and their number.
func (f *fetcher) feedSamples(samples resp.Elements) (last int64, took int, err error) {
	for ; samples.Len() > 0; took++ {
		sample, err := samples.Next().Elements()
		if err != nil {
			return last, took, err
		}
		if sample.Len() != 2 {
			return last, took, fmt.Errorf("the server answered a sample of %d elements, not of 2", sample.Len())
		}
		if last, err = sample.Next().Int(); err != nil {
			return last, took, err
		}
		text, err := sample.Bytes()
		if err != nil {
			return last, took, err
		}
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return last, took, fmt.Errorf("read a sample: %w", err)
		}
		if err := f.shaper.Sample(time.UnixMilli(last), v); err != nil {
			return last, took, err
		}
	}
	return last, took, nil
}

// readDocument reads a JSON document, which comes in one piece.
func (c *chunker) readDocument(ctx context.Context) error {
	c.elements = 1
	reply, err := c.one(ctx, "JSON.GET", c.name, rootPath)
	if err != nil {
		return err
	}
	text, err := reply.Bytes()
	if err != nil {
		return err
	}
	return c.f.shaper.String(text)
}

// samplesOfChunk is how many samples are asked for at once: each takes the reply
// about 30 bytes.
const samplesOfChunk = 5000

// readSamples reads the samples of a time series from a moment on, in ms.
func (c *chunker) readSamples(ctx context.Context, from int64) error {
	c.bound(samplesOfChunk)
	for !c.full() {
		reply, n, err := c.next(ctx, func(n int) []string {
			return []string{"TS.RANGE", c.name, strconv.FormatInt(from, 10), "+", "COUNT", itoa(n)}
		})
		if err != nil {
			return err
		}
		samples, err := reply.Elements()
		if err != nil {
			return err
		}
		last, took, err := c.f.feedSamples(samples)
		if err != nil || took < n {
			return err
		}
		c.elements = c.size.Most()
		from = last + 1
	}
	return nil
}

// A seriesInfo is what TS.INFO tells of a time series.
type seriesInfo struct {
	samples     int64
	first, last int64 // ms
}

// fact returns where a fact belongs; nil: it is of no interest.
func (s *seriesInfo) fact(name string) *int64 {
	switch name {
	case "totalSamples":
		return &s.samples
	case "firstTimestamp":
		return &s.first
	case "lastTimestamp":
		return &s.last
	}
	return nil
}

func parseSeriesInfo(reply resp.Reply) (s seriesInfo, err error) {
	facts, err := reply.Elements()
	if err != nil {
		return s, err
	}
	for facts.Len() > 1 {
		name, err := facts.Bytes()
		if err != nil {
			return s, err
		}
		fact := facts.Next()
		if into := s.fact(string(name)); into != nil {
			if *into, err = fact.Int(); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// info asks what there is of a time series.
func (c *chunker) info(ctx context.Context) (seriesInfo, error) {
	reply, err := c.one(ctx, "TS.INFO", c.name)
	if err != nil {
		return seriesInfo{}, err
	}
	return parseSeriesInfo(reply)
}

// modules tells how values of modules' types are read, where the server has them.
func (i *inspection) modules() {
	for _, m := range []struct{ command, what, without string }{
		{"JSON.GET", "JSON documents", "rows without a value"},
		{"TS.RANGE", "time series", "rows without a value"},
		{"TS.INFO", "time series", "read whole whenever they change"},
	} {
		answer, refused := i.server.can.refused[m.command]
		switch {
		case !refused && m.command != "TS.INFO":
			i.ok("permission "+m.command, m.what+" are read by "+m.command)
		case strings.HasPrefix(answer, "NOPERM"):
			i.add("permission "+m.command, source.Warn, fmt.Sprintf("%s is not permitted: %s are %s; %s", m.command, m.what, m.without, grant))
		}
	}
}
