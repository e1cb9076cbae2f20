// Package sourcetest is the suite that every implementation of source.Source
// must pass, whatever it reads.
package sourcetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// A Fixture is a source under test. What it reads does not change meanwhile, and
// is enough for several batches.
type Fixture struct {
	// Open returns a new source of the same deployment.
	Open func(t *testing.T) source.Source
	// Rows is the number of rows of a snapshot.
	Rows int
	// Resumable says that the deployment can be resumed from a position.
	Resumable bool
	// Changes says that what follows a complete snapshot is what changed since, and
	// not the next snapshot.
	Changes bool
}

// Run runs the suite.
func Run(t *testing.T, f Fixture) {
	t.Run("snapshot", f.snapshot)
	t.Run("generations", f.generations)
	if f.Resumable {
		t.Run("resume", f.resume)
	}
	t.Run("unknown position", f.unknown)
	t.Run("close early", f.closeEarly)
	t.Run("cancel", f.cancel)
	t.Run("inspect", f.inspect)
}

func (f Fixture) open(t *testing.T) source.Source {
	t.Helper()
	s := f.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close the source:", err)
		}
	})
	return s
}

// read reads to the end, or until stop says so, and counts rows.
func read(t *testing.T, s source.Source, from row.Position, stop func(*row.Batch) bool) (batches []*row.Batch, rows int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := s.Open(ctx, from)
	if err != nil {
		t.Fatal("open:", err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error("close the reader:", err)
		}
	}()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return batches, rows
		}
		if err != nil {
			t.Fatal("next:", err)
		}
		batches, rows = append(batches, b), rows+b.Len()
		if stop(b) {
			return batches, rows
		}
	}
}

func never(*row.Batch) bool { return false }

// snapshot: every batch is well-formed, and the last completes the snapshot.
func (f Fixture) snapshot(t *testing.T) {
	s := f.open(t)
	tables, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batches, rows := read(t, s, row.Position{}, never)
	if rows != f.Rows {
		t.Errorf("%d rows, want %d", rows, f.Rows)
	}
	for i, b := range batches {
		last := i == len(batches)-1
		if b.After.Generation != 1 {
			t.Errorf("batch %d is of generation %d", i, b.After.Generation)
		}
		if b.Closes != row.None && b.After.Token == "" {
			t.Errorf("batch %d closes %v without a place to resume from", i, b.Closes)
		}
		if last != (b.Closes == row.Snapshot) || last != (b.Scope != nil) {
			t.Errorf("batch %d of %d closes %v, its scope is set: %v", i, len(batches), b.Closes, b.Scope != nil)
		}
		if !slices.Contains(tables, b.Table) {
			t.Errorf("batch %d is of a table that Tables does not list", i)
		}
		for n := range b.Len() {
			if !batches[len(batches)-1].Scope(b, n) {
				t.Fatalf("row %d of batch %d is out of the scope of its own snapshot", n, i)
			}
		}
	}
}

// generations: behind a complete snapshot the next begins.
func (f Fixture) generations(t *testing.T) {
	s := f.open(t)
	first, _ := read(t, s, row.Position{}, never)
	second, rows := read(t, s, first[len(first)-1].After, never)
	if last := second[len(second)-1]; f.Changes && (last.Closes != row.Changes || last.After.Generation != 1 || rows != 0) {
		t.Errorf("behind the snapshot: the last closes %v of generation %d, %d rows", last.Closes, last.After.Generation, rows)
	} else if g := second[len(second)-1].After.Generation; !f.Changes && (g != 2 || rows != f.Rows) {
		t.Errorf("generation %d of %d rows, want 2 of %d", g, rows, f.Rows)
	}
	third, _ := read(t, s, row.Position{Generation: 41}, never)
	if g := third[0].After.Generation; g != 42 {
		t.Errorf("generation %d behind 41", g)
	}
}

// resume: from every checkpoint another source goes on to the end.
func (f Fixture) resume(t *testing.T) {
	whole, _ := read(t, f.open(t), row.Position{}, never)
	before := 0
	for i, b := range whole[:len(whole)-1] {
		before += b.Len()
		if b.Closes == row.None {
			continue
		}
		rest, after := read(t, f.open(t), b.After, never)
		if before+after != f.Rows {
			t.Errorf("resumed behind batch %d: %d rows and %d, want %d", i, before, after, f.Rows)
		}
		if last := rest[len(rest)-1]; last.Closes != row.Snapshot || last.After.Generation != 1 {
			t.Errorf("resumed behind batch %d: the last closes %v of generation %d", i, last.Closes, last.After.Generation)
		}
	}
}

func (f Fixture) unknown(t *testing.T) {
	s := f.open(t)
	for _, token := range []string{"?", "{}", `{"v":999}`} {
		r, err := s.Open(t.Context(), row.Position{Generation: 1, Token: token})
		if _, ok := errors.AsType[*source.PositionLostError](err); !ok {
			t.Errorf("open at %q: %v, want a lost position", token, err)
		}
		if err == nil {
			_ = r.Close()
		}
	}
}

// closeEarly: a reader closed in the middle, or before, ends.
func (f Fixture) closeEarly(t *testing.T) {
	s := f.open(t)
	read(t, s, row.Position{}, func(*row.Batch) bool { return true })
	r, err := s.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for range 1000 { // what was read before may still come
		if _, err = r.Next(t.Context()); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("next after close: %v", err)
	}
}

// cancel: a cancelled call returns, and nothing is taken for the end.
func (f Fixture) cancel(t *testing.T) {
	s := f.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Open(ctx, row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	for range f.Rows + 2 {
		if _, err = r.Next(ctx); err != nil {
			break
		}
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF) {
		t.Errorf("next: %v", err)
	}
	if _, err := s.Open(ctx, row.Position{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
}

func (f Fixture) inspect(t *testing.T) {
	report, err := f.open(t).Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Mode == "" || report.Reason == "" || len(report.Nodes) == 0 {
		t.Errorf("an incomplete report: %+v", report)
	}
	for _, finding := range report.Findings {
		if finding.Name == "" || finding.Detail == "" || finding.Level == source.Fail {
			t.Errorf("finding %+v", finding)
		}
	}
}
