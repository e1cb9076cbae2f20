package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/internal/torture"
)

// A standalone is a server with a replica that takes over when it fails.
type standalone struct {
	primary, replica *testserver.Server
	proxy            *faultproxy.Proxy // leads keylift to the primary
	replicate        *faultproxy.Proxy // leads the replica to the primary
	clients          tortureClients
}

func newStandalone(t *testing.T) arena {
	t.Helper()
	s := &standalone{clients: tortureClients{}}
	s.primary = testserver.Redis(t, testserver.Options{Args: tortureArgs})
	s.replica = testserver.Redis(t, testserver.Options{Args: tortureArgs})
	s.proxy, s.replicate = tortureProxy(t, s.primary), tortureProxy(t, s.primary)
	s.clients.connect(t, s.primary, s.replica)
	return s
}

func (s *standalone) prepare(t *testing.T, p *torture.Plan) {
	t.Helper()
	s.proxy.Refuse(false)
	s.replicate.Swallow(false)
	s.clients.must(t, s.replica, "REPLICAOF", "NO", "ONE")
	for _, server := range []*testserver.Server{s.primary, s.replica} {
		s.clients.must(t, server, "CONFIG", "SET", "maxmemory", "0")
		s.clients.must(t, server, "FLUSHALL")
		for _, setting := range p.Server {
			s.clients.must(t, server, "CONFIG", "SET", setting[0], setting[1])
		}
	}
	if p.Has(torture.FailOver) {
		s.attach(t)
	}
}

func (s *standalone) args() []string { return addressArgs(s.proxy) }

func (s *standalone) weather(w torture.Weather) { weather(s.proxy, w) }

func (s *standalone) write(ctx context.Context, w torture.Write) []error {
	return s.clients.write(ctx, s.primary, w)
}

func (s *standalone) inflict(t *testing.T, step torture.Step) {
	t.Helper()
	switch f := step.Fault; f {
	case torture.Cut, torture.Hang, torture.Refuse:
		disturb(s.proxy, f)
	case torture.KillClients:
		s.clients.drop(t, s.primary, "normal", "pubsub", "replica")
	case torture.Evict:
		s.clients.evict(t, s.primary)
	case torture.Restart:
		if err := s.primary.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	case torture.Lag:
		s.replicate.Swallow(true)
	case torture.FailOver:
		s.failOver(t)
	default:
		t.Fatalf("a standalone server has no fault %q", f)
	}
}

// attach makes the replica one of the primary and waits until it is.
func (s *standalone) attach(t *testing.T) {
	t.Helper()
	s.replicate.Redirect("tcp", s.primary.Address())
	host, port, _ := net.SplitHostPort(s.replicate.Address()) // of a listener
	s.clients.must(t, s.replica, "REPLICAOF", host, port)
	late := time.After(hung)
	for !strings.Contains(s.clients.must(t, s.replica, "INFO", "replication"), "master_link_status:up") {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-late:
			t.Fatal("the replica did not come up")
		}
	}
}

// failOver lets the replica take over from the primary, which dies.
func (s *standalone) failOver(t *testing.T) {
	t.Helper()
	s.primary.Kill()
	s.replicate.Cut()
	s.replicate.Swallow(false)
	s.clients.must(t, s.replica, "REPLICAOF", "NO", "ONE")
	s.primary, s.replica = s.replica, s.primary
	s.proxy.Redirect("tcp", s.primary.Address())
	if err := s.replica.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.attach(t)
}

func (s *standalone) ask(t *testing.T, databases []int) map[torture.Place]torture.Value {
	t.Helper()
	return s.clients.truth(t, s.primary, databases)
}
