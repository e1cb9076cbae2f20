package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// Bounds of what is read of one value.
const (
	lookBytes   = 128 << 10 // by the server's count
	lookText    = 1 << 10   // of a field's value
	wholeFields = 200       // a hash of so many fields is read whole
	someFields  = 50        // of a larger one
	scanWhole   = 512       // the COUNT of HSCAN that does so
)

// look looks at the values of a few keys: first at their sizes, then into those
// that may become columns. All commands of an exchange are for one place.
func (m *sampler) look(ctx context.Context, looks []*look) error {
	for len(looks) > 0 {
		n := 1
		for n < len(looks) && looks[n].place == looks[0].place {
			n++
		}
		m.session = m.places[looks[0].place].session
		if err := m.sizes(ctx, looks[:n]); err != nil {
			return err
		}
		if err := m.contents(ctx, looks[:n]); err != nil {
			return err
		}
		looks = looks[n:]
	}
	return nil
}

// sizes asks how large values are.
func (m *sampler) sizes(ctx context.Context, looks []*look) error {
	can := &m.session.server.can
	type question struct {
		command string
		into    *int64
		of      *look
	}
	var questions []question
	var commands [][]string
	ask := func(l *look, into *int64, command string, args ...string) {
		if _, refused := can.refused[command]; refused {
			m.refused[command]++
			return
		}
		questions = append(questions, question{command, into, l})
		commands = append(commands, args)
	}
	for _, l := range looks {
		ask(l, &l.Bytes, "MEMORY USAGE", "MEMORY", "USAGE", l.name, "SAMPLES", sizeSamples)
		if hasLength(l.kind) {
			ask(l, &l.Elements, lengthOf(l.kind), lengthOf(l.kind), l.name)
		}
	}
	if len(commands) == 0 {
		return nil
	}
	replies, err := m.do(ctx, m.places[looks[0].place].database, costOfTrip+time.Duration(len(commands))*costOfSize, commands...)
	if err != nil {
		return err
	}
	for _, q := range questions {
		n, err := replies.Next().Int()
		if errors.Is(err, resp.ErrNil) {
			q.of.gone = true
			continue
		}
		if err != nil {
			if err := m.refusal(q.command, err); err != nil {
				return err
			}
			continue
		}
		*q.into = n
		q.of.gone = q.of.gone || n == 0 && q.of.kind != value.String && q.of.kind != value.Stream
	}
	return nil
}

// contents reads fields of hashes and of JSON objects.
func (m *sampler) contents(ctx context.Context, looks []*look) error {
	var asked []*look
	var commands [][]string
	cost := costOfTrip
	for _, l := range looks {
		if l.gone {
			continue
		}
		command, fields := m.contentCommand(l)
		if command == nil {
			continue
		}
		if _, refused := m.session.server.can.refused[command[0]]; refused {
			m.refused[command[0]]++
			continue
		}
		asked = append(asked, l)
		commands = append(commands, command)
		cost += costOfSize + time.Duration(fields)*costOfField
	}
	if len(commands) == 0 {
		return nil
	}
	replies, err := m.do(ctx, m.places[looks[0].place].database, cost, commands...)
	if err != nil {
		return err
	}
	for i, l := range asked {
		reply := replies.Next()
		if reply.Err() != nil {
			if err := m.refusal(commands[i][0], reply.Err()); err != nil {
				return err
			}
			continue
		}
		if l.kind == value.Hash {
			err = l.readHash(reply)
		} else {
			err = l.readJSON(reply)
		}
		if err != nil {
			return fmt.Errorf("read a key of the sample: %w", err)
		}
	}
	return nil
}

// contentCommand returns the command that reads fields of a value, and about how
// many; nil where there are none, or they may be too long.
func (m *sampler) contentCommand(l *look) (command []string, fields int64) {
	switch {
	case l.kind == value.JSON && l.Bytes >= 0 && l.Bytes <= lookBytes:
		return []string{"JSON.GET", l.name}, l.Bytes / 100
	case l.kind == value.JSON:
		return nil, 0
	case l.kind != value.Hash || l.Elements < 0:
		return nil, 0
	}
	few := l.Elements <= wholeFields
	switch {
	case few && l.Bytes <= lookBytes:
		return []string{"HSCAN", l.name, "0", "COUNT", itoa(scanWhole)}, l.Elements
	case l.Bytes/l.Elements*someFields <= lookBytes:
		return []string{"HSCAN", l.name, "0", "COUNT", itoa(someFields)}, someFields
	}
	return nil, 0
}

func (l *look) readHash(reply resp.Reply) error {
	found, err := parseScan(reply)
	if err != nil {
		return err
	}
	l.Read = true
	_, _, err = eachPair(found.elements, func(field, val []byte) error {
		l.Fields = append(l.Fields, table.LookField{Name: string(field), Value: string(val[:min(len(val), lookText)])})
		return nil
	})
	return err
}

// readJSON takes the fields of a document that is an object.
func (l *look) readJSON(reply resp.Reply) error {
	text, err := reply.Bytes()
	if errors.Is(err, resp.ErrNil) {
		l.gone = true
		return nil
	}
	if err != nil || len(text) == 0 {
		return err
	}
	l.Read = true
	var object map[string]json.RawMessage
	if text[0] == '{' {
		if err := json.Unmarshal(text, &object); err != nil {
			return err
		}
	}
	l.Elements = int64(len(object))
	for name, raw := range object {
		f := table.LookField{Name: name, Value: string(raw)}
		if bytes.Equal(raw, []byte("null")) {
			continue
		}
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &f.Value); err != nil {
				return err
			}
		}
		l.Fields = append(l.Fields, f)
	}
	slices.SortFunc(l.Fields, func(a, b table.LookField) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// tellUnseen tells what the sample does not know, and why.
func (m *sampler) tellUnseen() {
	s := m.sample
	unseen := func(format string, args ...any) { s.Unseen = append(s.Unseen, fmt.Sprintf(format, args...)) }
	if s.Keys < 0 {
		unseen("how many keys there are: neither INFO nor DBSIZE is permitted; %s", grant)
	}
	if !m.session.server.can.typeOf {
		unseen("types, sizes and values: TYPE is not permitted; %s", grant)
		return
	}
	if n := m.refused["TYPE"]; n > 0 {
		unseen("the types of %d of %d keys: the server refused to tell; %s", n, s.Matched, grant)
	}
	for _, c := range []struct{ command, what string }{
		{"MEMORY USAGE", "the memory that keys take"},
		{"STRLEN", "the lengths of strings"},
		{"HLEN", "the columns of hashes"},
		{"LLEN", "the lengths of lists"},
		{"SCARD", "the sizes of sets"},
		{"ZCARD", "the sizes of sorted sets"},
		{"XLEN", "the lengths of streams"},
		{"HSCAN", "the columns of hashes"},
		{"JSON.GET", "the columns of JSON documents"},
	} {
		if m.refused[c.command] > 0 {
			unseen("%s: %s is not permitted; %s", c.what, c.command, grant)
		}
	}
}
