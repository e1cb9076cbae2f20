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
	return started(tb, "redis-server", o, Start)
}

// RedisCluster starts a cluster, as Redis does a server.
func RedisCluster(tb TB, o ClusterOptions) *Cluster {
	tb.Helper()
	return started(tb, "a cluster", o, StartCluster)
}

// RedisSentinel starts a Sentinel group, as Redis does a server.
func RedisSentinel(tb TB, o SentinelOptions) *Group {
	tb.Helper()
	return started(tb, "a Sentinel group", o, StartSentinel)
}

func started[S interface{ Stop() error }, O any](tb TB, what string, o O, start func(context.Context, O) (S, error)) S {
	tb.Helper()
	s, err := start(tb.Context(), o)
	if errors.Is(err, ErrMissing) {
		Missing(tb, "redis-server")
	}
	if err != nil {
		tb.Fatal("start "+what+": ", err)
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
