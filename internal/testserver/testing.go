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
	if errors.Is(err, ErrMissing) {
		Missing(tb, "redis-server")
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

// Missing ends a test that needs a program which is not installed: it is skipped, or
// fails if REQUIRE_SERVERS is 1.
func Missing(tb TB, program string) {
	tb.Helper()
	if os.Getenv("REQUIRE_SERVERS") == "1" {
		tb.Fatal(program, " is not installed")
	}
	tb.Skip("skipped: ", program, " is not installed")
}
