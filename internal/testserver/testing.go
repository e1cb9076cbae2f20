package testserver

import (
	"context"
	"errors"
	"os"
)

// TB is what Redis needs of a test or benchmark.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Skip(args ...any)
	Fatal(args ...any)
	Error(args ...any)
}

// Redis starts a server that stops when the test ends. Where no redis-server is
// installed the test is skipped, or fails if REQUIRE_SERVERS is 1.
func Redis(tb TB, o Options) *Server {
	tb.Helper()
	s, err := Start(tb.Context(), o)
	if errors.Is(err, ErrMissing) && os.Getenv("REQUIRE_SERVERS") != "1" {
		tb.Skip("skipped: redis-server is not installed")
	}
	if err != nil {
		tb.Fatal("start redis-server: ", err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return s
}
