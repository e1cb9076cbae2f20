package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/value"
)

func itoa(n int) string { return strconv.Itoa(n) }

// parseTime reads the reply of TIME: seconds and microseconds.
func parseTime(reply resp.Reply) (t time.Time, ok bool) {
	parts, err := reply.Elements()
	if err != nil || parts.Len() != 2 {
		return t, false
	}
	sec, errSec := digits(parts.Next())
	micro, errMicro := digits(parts.Next())
	return time.Unix(sec, micro*1000), errSec == nil && errMicro == nil
}

// digits reads a number that is a string.
func digits(reply resp.Reply) (int64, error) {
	text, err := reply.Bytes()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// parseScore reads a score as the server writes it.
func parseScore(text []byte) (float64, error) {
	score, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, fmt.Errorf("read a score: %w", err)
	}
	return score, nil
}

// parseStreamID reads an ID as Redis writes it, ms-seq.
func parseStreamID(text []byte) (value.StreamID, error) {
	ms, seq, _ := strings.Cut(string(text), "-")
	id := value.StreamID{}
	var err error
	if id.Ms, err = strconv.ParseUint(ms, 10, 64); err == nil {
		id.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil {
		return id, fmt.Errorf("read a stream ID: %w", err)
	}
	return id, nil
}

// treeOf returns a reply as slices, strings and integers.
func treeOf(r resp.Reply) (any, error) {
	elements, err := r.Elements()
	if err == nil {
		list := make([]any, 0, elements.Len())
		for elements.Len() > 0 {
			item, err := treeOf(elements.Next())
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	}
	if r[0] == ':' {
		return r.Int()
	}
	b, err := r.Bytes()
	if errors.Is(err, resp.ErrNil) {
		return nil, nil
	}
	return string(b), err
}
