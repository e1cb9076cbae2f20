package rdb_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
)

// A visit is what a visitor was fed, in a form to compare: one text an element,
// sorted where the order means nothing.
type visit struct {
	Type     string
	Module   string   `json:",omitempty"`
	Elements []string `json:",omitempty"`
}

func textOf(b []byte) string { return strconv.Quote(string(b)) }

func fieldOf(field, val []byte, expiresAt time.Time) string {
	s := textOf(field) + ": " + textOf(val)
	if !expiresAt.IsZero() {
		s += " until " + strconv.FormatInt(expiresAt.UnixMilli(), 10)
	}
	return s
}

// scoredOf tells apart what has different bits: -0 from 0.
func scoredOf(member []byte, score float64) string {
	return textOf(member) + " " + strconv.FormatFloat(score, 'g', -1, 64)
}

func entryOf(id string, fields [][]byte) string {
	parts := make([]string, 0, 1+len(fields))
	parts = append(parts, id)
	for _, f := range fields {
		parts = append(parts, textOf(f))
	}
	return strings.Join(parts, " ")
}

// A recorder makes a visit of what it is fed and complains about a breach of the
// visitor's contract.
type recorder struct {
	visit visit
	key   value.Key
	state string // "", "begun", "ended"
	text  []byte // the pieces of a string
}

func (r *recorder) Begin(k value.Key) error {
	if r.state != "" {
		return errors.New("a second Begin")
	}
	r.state, r.key = "begun", k
	r.visit = visit{Type: k.Type.String(), Module: k.Module}
	return nil
}

func (r *recorder) add(t value.Type, element string) error {
	if r.state != "begun" || r.key.Type != t {
		return fmt.Errorf("an element of a %v for a %v, %q", t, r.key.Type, r.state)
	}
	r.visit.Elements = append(r.visit.Elements, element)
	return nil
}

func (r *recorder) String(b []byte) error {
	r.text = append(r.text, b...)
	r.visit.Elements = nil
	return r.add(value.String, textOf(r.text))
}

func (r *recorder) Element(b []byte) error { return r.add(value.List, textOf(b)) }
func (r *recorder) Member(b []byte) error  { return r.add(value.Set, textOf(b)) }

func (r *recorder) Field(field, val []byte, expiresAt time.Time) error {
	return r.add(value.Hash, fieldOf(field, val, expiresAt))
}

func (r *recorder) Scored(member []byte, score float64) error {
	return r.add(value.SortedSet, scoredOf(member, score))
}

func (r *recorder) Entry(id value.StreamID, fields [][]byte) error {
	return r.add(value.Stream, entryOf(string(id.Append(nil)), fields))
}

func (r *recorder) Sample(time.Time, float64) error { return errors.New("a sample") }

func (r *recorder) End() error {
	if r.state != "begun" {
		return errors.New("End without Begin")
	}
	r.state = "ended"
	want := r.key.Elements
	if r.key.Type == value.String {
		text, err := strconv.Unquote(r.visit.Elements[0])
		if err != nil || len(text) != want {
			return fmt.Errorf("%d bytes expected, %d fed", want, len(text))
		}
	} else if want >= 0 && want != len(r.visit.Elements) {
		return fmt.Errorf("%d elements expected, %d fed", want, len(r.visit.Elements))
	}
	switch r.key.Type {
	case value.Hash, value.Set, value.SortedSet:
		slices.Sort(r.visit.Elements)
	}
	return nil
}

// decode returns what d feeds for a payload that was read at.
func decode(d *rdb.Decoder, payload []byte, at time.Time) (visit, error) {
	r := &recorder{}
	err := d.Dump(payload, keyOf(at), r)
	if err == nil && r.state != "ended" {
		err = fmt.Errorf("no End, but %q", r.state)
	}
	return r.visit, err
}

// keyOf is the key that payloads are decoded for.
func keyOf(readAt time.Time) value.Key {
	return value.Key{Name: []byte("key"), ReadAt: readAt}
}

func equal(t *testing.T, name string, got, want visit) {
	t.Helper()
	if got.Type != want.Type || got.Module != want.Module {
		t.Errorf("%s: got a %s %s, want a %s %s", name, got.Type, got.Module, want.Type, want.Module)
		return
	}
	for i := range min(len(got.Elements), len(want.Elements)) {
		if got.Elements[i] != want.Elements[i] {
			t.Errorf("%s: element %d is %.200s, want %.200s", name, i, got.Elements[i], want.Elements[i])
			return
		}
	}
	if len(got.Elements) != len(want.Elements) {
		t.Errorf("%s: %d elements, want %d", name, len(got.Elements), len(want.Elements))
	}
}

var errVisitor = errors.New("the visitor failed")

// A failing visitor fails after some calls.
type failing struct {
	left int // calls until the failure; below 0: failed
}

func (f *failing) call() error {
	if f.left--; f.left < 0 {
		return errVisitor
	}
	return nil
}

func (f *failing) Begin(value.Key) error                { return f.call() }
func (f *failing) String([]byte) error                  { return f.call() }
func (f *failing) Field(_, _ []byte, _ time.Time) error { return f.call() }
func (f *failing) Element([]byte) error                 { return f.call() }
func (f *failing) Member([]byte) error                  { return f.call() }
func (f *failing) Scored([]byte, float64) error         { return f.call() }
func (f *failing) Entry(value.StreamID, [][]byte) error { return f.call() }
func (f *failing) Sample(time.Time, float64) error      { return f.call() }
func (f *failing) End() error                           { return f.call() }
