package main

import (
	"context"
	"testing"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/internal/torture"
)

// A sentinelArena is a server with a replica, which sentinels tell keylift the address
// of, and which they have change places. keylift comes through proxies to all of them,
// and so do the servers to each other.
type sentinelArena struct {
	group   *testserver.Group
	primary *testserver.Server
	proxies map[*testserver.Server]*faultproxy.Proxy // of servers and sentinels
	clients tortureClients
}

func newSentinelArena(t *testing.T) arena {
	t.Helper()
	s := &sentinelArena{proxies: map[*testserver.Server]*faultproxy.Proxy{}, clients: tortureClients{}}
	front := func(server *testserver.Server) string {
		s.proxies[server] = tortureProxy(t, server)
		return s.proxies[server].Address()
	}
	s.group = testserver.RedisSentinel(t, testserver.SentinelOptions{Server: testserver.Options{Args: tortureArgs}, Front: front})
	s.clients.connect(t, s.group.Servers()...)
	s.clients.connect(t, s.group.Sentinels()...)
	for _, sentinel := range s.group.Sentinels() {
		front(sentinel)
		// A slow machine is no failover.
		s.clients.must(t, sentinel, "SENTINEL", "SET", s.group.Name(), "down-after-milliseconds", "120000")
	}
	return s
}

func (s *sentinelArena) check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settle waits until all is well and all agree.
func (s *sentinelArena) settle(t *testing.T) {
	t.Helper()
	s.check(t, s.group.Wait(t.Context()))
	var err error
	s.primary, err = s.group.Primary(t.Context())
	s.check(t, err)
}

func (s *sentinelArena) prepare(t *testing.T, p *torture.Plan) {
	t.Helper()
	for _, proxy := range s.proxies {
		proxy.Refuse(false)
	}
	s.weather(torture.Weather{})
	s.settle(t)
	s.clients.must(t, s.primary, "FLUSHALL")
	for _, server := range s.group.Servers() {
		s.clients.must(t, server, "CONFIG", "SET", "maxmemory", "0")
		for _, setting := range p.Server {
			s.clients.must(t, server, "CONFIG", "SET", setting[0], setting[1])
		}
	}
}

func (s *sentinelArena) args() []string {
	args := []string{"--sentinel-name", s.group.Name()}
	for _, sentinel := range s.group.Sentinels() {
		args = append(args, "--sentinel-addresses", s.proxies[sentinel].Address())
	}
	return args
}

func (s *sentinelArena) weather(w torture.Weather) {
	for _, proxy := range s.proxies {
		weather(proxy, w)
	}
}

func (s *sentinelArena) write(ctx context.Context, w torture.Write) []error {
	return s.clients.write(ctx, s.primary, w)
}

func (s *sentinelArena) inflict(t *testing.T, step torture.Step) {
	t.Helper()
	// Which of the two it is that a step names may have changed since.
	struck := s.group.Servers()[step.Shard%2]
	switch f := step.Fault; f {
	case torture.Cut:
		for _, proxy := range s.proxies {
			proxy.Cut()
		}
	case torture.Hang, torture.Refuse:
		disturb(s.proxies[struck], f)
	case torture.KillClients:
		s.clients.drop(t, s.primary, "normal", "pubsub", "replica")
	case torture.Evict:
		s.clients.evict(t, s.primary)
	case torture.Restart:
		s.settle(t) // after a failover that went before
		s.check(t, struck.Restart(t.Context()))
	case torture.FailOver:
		s.settle(t)
		var err error
		s.primary, err = s.group.FailOver(t.Context())
		s.check(t, err)
	default:
		t.Fatalf("a Sentinel group has no fault %q", f)
	}
}

func (s *sentinelArena) ask(t *testing.T, databases []int) map[torture.Place]torture.Value {
	t.Helper()
	s.settle(t)
	return s.clients.truth(t, s.primary, databases)
}
