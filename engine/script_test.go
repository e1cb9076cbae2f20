package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/memory"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var players = &row.Table{Name: "players", Keys: 1, Columns: []row.Column{
	{Name: "key", Type: row.String},
	{Name: "value", Type: row.String},
}}

// A script is a source whose snapshots are made of the batches that a test gives
// it. Its positions are bound to the server, as a SCAN cursor is to a process.
type script struct {
	server  string
	batches []batch
	// before is called before each batch is delivered, with how many were so far; an
	// error is returned in the batch's place.
	before func(delivered int) error
	// tables is called when the tables are listed, if it is not nil.
	tables func() error

	delivered int
	opened    []row.Position
	readers   int // open ones
}

// A batch is its rows, key and value in turn, and what it closes. The last one of
// a script closes the snapshot.
type batch struct {
	rows   []string
	closes row.Boundary
}

// keys returns batches with so many rows each, all with the value, of which every
// one may be a checkpoint.
func keys(batches, rows int, value string) (all []batch) {
	for i := range batches {
		b := batch{closes: row.Commit}
		for j := range rows {
			b.rows = append(b.rows, fmt.Sprintf("k%d", i*rows+j), value)
		}
		all = append(all, b)
	}
	return all
}

func (s *script) Tables(context.Context) ([]*row.Table, error) {
	if s.tables != nil {
		if err := s.tables(); err != nil {
			return nil, err
		}
	}
	return []*row.Table{players}, nil
}

func (s *script) Inspect(context.Context) (*source.Report, error) { return &source.Report{}, nil }

func (s *script) Close() error { return nil }

func (s *script) Open(_ context.Context, from row.Position) (source.Reader, error) {
	s.opened = append(s.opened, from)
	r := &scriptReader{s: s, server: s.server, generation: from.Generation + 1}
	if from.Token != "" {
		server, place, _ := strings.Cut(from.Token, " ")
		next, err := strconv.Atoi(place)
		switch {
		case place == "end":
		case err != nil:
			return nil, err
		case server != s.server:
			return nil, &source.PositionLostError{Reason: server + " became " + s.server}
		default:
			r.generation, r.next = from.Generation, next
		}
	}
	s.readers++
	return r, nil
}

type scriptReader struct {
	s          *script
	server     string
	generation int64
	next       int
}

func (r *scriptReader) Close() error {
	r.s.readers--
	return nil
}

func (r *scriptReader) Next(ctx context.Context) (*row.Batch, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if r.next == len(r.s.batches) {
		return nil, io.EOF
	}
	if r.s.before != nil {
		if err := r.s.before(r.s.delivered); err != nil {
			return nil, err
		}
	}
	if r.server != r.s.server {
		return nil, &source.PositionLostError{Reason: r.server + " became " + r.s.server}
	}
	r.s.delivered++
	b := row.NewBatch(players)
	from := r.s.batches[r.next]
	for i := 0; i < len(from.rows); i += 2 {
		b.AppendText(0, from.rows[i])
		b.AppendText(1, from.rows[i+1])
		b.EndRow(row.Upsert)
	}
	r.next++
	b.After = row.Position{Generation: r.generation, Token: fmt.Sprintf("%s %d", r.server, r.next)}
	b.Closes = from.closes
	if r.next == len(r.s.batches) {
		b.After.Token = r.server + " end"
	}
	if r.next == len(r.s.batches) && b.Closes == row.Commit {
		b.Closes, b.Scope = row.Snapshot, func(*row.Batch, int) bool { return true }
	}
	return b, nil
}

// outage is an error that may pass.
type outage struct{}

func (outage) Error() string   { return "the line is dead" }
func (outage) Retryable() bool { return true }

var errBroken = errors.New("broken for good")

// failing returns a before that fails with err once n batches are delivered, once.
func failing(n int, err error) func(int) error {
	return func(delivered int) error {
		if delivered == n && err != nil {
			once := err
			err = nil
			return once
		}
		return nil
	}
}

// options are those of a run that makes a checkpoint wherever one is legal.
func options(s source.Source, d destination.Destination) engine.Options {
	return engine.Options{
		Sync: "game", Source: s, Destination: d, QueueBytes: 1 << 20, CheckpointRows: 1,
		MayDelete: destination.AnyShare, RetryFor: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}
}

// run runs once and fails the test unless the error is want.
func run(t *testing.T, o engine.Options, want error) *engine.Summary {
	t.Helper()
	sum, err := engine.Run(t.Context(), o)
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("run: got error %v, want %v", err, want)
	}
	return sum
}

// values returns what the destination shows, by key.
func values(t *testing.T, d *memory.Destination) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := d.Prepare(t.Context(), []*row.Table{players}); err != nil {
		t.Fatal(err)
	}
	for b, err := range d.Rows(t.Context(), players) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Ops {
			found[string(b.TextAt(0, i))] = string(b.TextAt(1, i))
		}
	}
	return found
}

// wantValues fails the test unless the destination shows just what the batches say.
func wantValues(t *testing.T, d *memory.Destination, batches []batch) {
	t.Helper()
	got, want := values(t, d), map[string]string{}
	for _, b := range batches {
		for i := 0; i < len(b.rows); i += 2 {
			want[b.rows[i]] = b.rows[i+1]
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d rows, want %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("row %s: got %q, want %q", k, got[k], v)
		}
	}
}

func wantPosition(t *testing.T, what string, got, want row.Position) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}
