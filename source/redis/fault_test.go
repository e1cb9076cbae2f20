package redis

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

func proxyTo(tb testing.TB, s *testserver.Server) *faultproxy.Proxy {
	tb.Helper()
	p, err := faultproxy.Start(s.Network(), s.Address())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func through(p *faultproxy.Proxy) func(*Options) {
	return func(o *Options) { o.Network, o.Address = "tcp", p.Address() }
}

// unread lets little be read before Next asks for it, so that much is left to read
// when something happens to the server.
func unread(o *Options) { o.MemoryBytes = 1 }

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

// Connections cut after more and more bytes: each break is reported as one that
// may pass, and going on from the last place ends with every key.
func TestReader_Next_cut(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 20_000)
	p := proxyTo(t, s)
	src := sourceOf(t, s, through(p))
	if _, err := src.Tables(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := map[string]aRow{}
	var at row.Position
	cuts := 0
	for n := int64(5000); ; n += 40_000 {
		p.CutAfter(n)
		got, err := tryRead(t, src, at)
		maps.Copy(rows, got.rows)
		if len(got.commits) > 0 {
			at = got.commits[len(got.commits)-1]
		}
		if err == nil {
			break
		}
		cuts++
		if !retryable(err) {
			t.Fatalf("after a cut: %v, want an error that may pass", err)
		}
	}
	if cuts < 3 {
		t.Errorf("only %d cuts", cuts)
	}
	if len(rows) != 20_000 {
		t.Errorf("%d keys of 20000", len(rows))
	}
}

// A server that restarts while it is read: the reading ends with an error that
// may pass, and the position is lost.
func TestReader_Next_restart(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 50_000)
	src := sourceOf(t, s, unread)
	r, err := src.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next(t.Context())
	}
	if !retryable(err) {
		t.Fatalf("after a restart: %v, want an error that may pass", err)
	}
	var lost *source.PositionLostError
	if _, err := src.Open(t.Context(), first.After); !errors.As(err, &lost) {
		t.Errorf("%v, want a lost position", err)
	}
}

func TestReader_Next_outage(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 50_000)
	p := proxyTo(t, s)
	src := sourceOf(t, s, through(p), unread, func(o *Options) { o.IOTimeout, o.ConnectTimeout = 300*time.Millisecond, 300*time.Millisecond })
	r, err := src.Open(t.Context(), row.Position{})
	for err != nil && retryable(err) { // where the machine is slow
		r, err = src.Open(t.Context(), row.Position{})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p.Swallow(true)
	for err == nil {
		_, err = r.Next(t.Context())
	}
	if !retryable(err) {
		t.Errorf("while nothing answers: %v, want an error that may pass", err)
	}
	if _, err := src.Open(t.Context(), row.Position{}); !retryable(err) {
		t.Errorf("open while nothing answers: %v, want an error that may pass", err)
	}
	p.Swallow(false)
	p.Refuse(true)
	if _, err := src.Open(t.Context(), row.Position{}); !retryable(err) {
		t.Errorf("open while refused: %v, want an error that may pass", err)
	}
	p.Refuse(false)
	if got := readAll(t, sourceOf(t, s, through(p)), row.Position{}); len(got.rows) != 50_000 {
		t.Errorf("%d keys after the outage", len(got.rows))
	}
}

// Cancelling ends calls that wait for a server that does not answer.
func TestReader_Next_cancelled(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 50_000)
	p := proxyTo(t, s)
	src := sourceOf(t, s, through(p), unread)
	r, err := src.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	p.Swallow(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for err == nil {
		_, err = r.Next(ctx)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("next: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := src.Open(ctx, row.Position{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: %v", err)
	}
	if _, err := src.Inspect(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("inspect: %v", err)
	}
}

// With a long way to the server the same rows arrive, with more in flight.
func TestReader_Next_farAway(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 20_000)
	p := proxyTo(t, s)
	p.Delay(4 * time.Millisecond)
	src := sourceOf(t, s, through(p))
	r, err := src.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if depth := cap(r.(*reader).session.values.inFlight); depth < 10 {
		t.Errorf("%d pipelines in flight at a round trip of 4 ms", depth)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if got := readAll(t, src, row.Position{}); len(got.rows) != 20_000 {
		t.Errorf("%d keys", len(got.rows))
	}
}
