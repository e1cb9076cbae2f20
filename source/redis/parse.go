package redis

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/keylift/keylift/value"
)

// parseInt reads an integer reply.
func parseInt(reply []byte) (int64, error) {
	digits := bytes.TrimPrefix(reply, []byte("-"))
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("the server answered %.40q where an integer belongs", reply)
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(reply) {
		n = -n
	}
	return n, nil
}

// parseScore reads a score as ZSCAN writes it.
func parseScore(text string) (float64, error) {
	score, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("read a score: %w", err)
	}
	return score, nil
}

// parseStreamID reads an ID as Redis writes it, ms-seq.
func parseStreamID(text string) (value.StreamID, error) {
	ms, seq, _ := strings.Cut(text, "-")
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
