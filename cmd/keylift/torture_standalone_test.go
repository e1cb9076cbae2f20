package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/internal/torture"
)

// tortureArgs are those of every server that keylift is tortured with: it keeps its
// data over a restart, starts snapshots at once, tells of every change, and does not
// wait for replicas when it is shut down.
var tortureArgs = []string{
	"--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0", "--hz", "100", "--notify-keyspace-events", "KEA", "--shutdown-timeout", "0",
}

// A standalone is a server with a replica that takes over when it fails.
type standalone struct {
	primary, replica *testserver.Server
	proxy            *faultproxy.Proxy // leads keylift to the primary
	replicate        *faultproxy.Proxy // leads the replica to the primary
	clients          map[*testserver.Server]rueidis.Client
}

func newStandalone(t *testing.T) arena {
	t.Helper()
	s := &standalone{clients: map[*testserver.Server]rueidis.Client{}}
	s.primary = testserver.Redis(t, testserver.Options{Args: tortureArgs})
	s.replica = testserver.Redis(t, testserver.Options{Args: tortureArgs})
	s.proxy, s.replicate = tortureProxy(t, s.primary), tortureProxy(t, s.primary)
	for _, server := range []*testserver.Server{s.primary, s.replica} {
		client, err := rueidis.NewClient(single(server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		s.clients[server] = client
	}
	return s
}

func tortureProxy(t *testing.T, server *testserver.Server) *faultproxy.Proxy {
	t.Helper()
	proxy, err := faultproxy.Start("tcp", server.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return proxy
}

// single are the options of a client with a single connection.
func single(server *testserver.Server) rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: []string{server.Address()}, ForceSingleClient: true, DisableCache: true, PipelineMultiplex: -1, BlockingPipeline: -1,
		ClientSetInfo: rueidis.DisableClientSetInfo, ConnWriteTimeout: time.Minute,
	}
}

// must sends a command to a server, again where the connection is broken.
func (s *standalone) must(t *testing.T, server *testserver.Server, command ...string) string {
	t.Helper()
	client := s.clients[server]
	late := time.After(hung)
	for {
		reply, err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).ToMessage()
		if err == nil {
			text, _ := reply.ToString() // CLIENT KILL answers by a number
			return text
		}
		if _, refused := rueidis.IsRedisErr(err); refused {
			t.Fatalf("%s: %v", command, err)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-late:
			t.Fatalf("%s: %v", command, err)
		}
	}
}

func (s *standalone) prepare(t *testing.T, p *torture.Plan) {
	t.Helper()
	s.proxy.Refuse(false)
	s.replicate.Swallow(false)
	s.must(t, s.replica, "REPLICAOF", "NO", "ONE")
	for _, server := range []*testserver.Server{s.primary, s.replica} {
		s.must(t, server, "CONFIG", "SET", "maxmemory", "0")
		s.must(t, server, "FLUSHALL")
		for _, setting := range p.Server {
			s.must(t, server, "CONFIG", "SET", setting[0], setting[1])
		}
	}
	if p.Has(torture.FailOver) {
		s.attach(t)
	}
}

func (s *standalone) args() []string { return addressArgs(s.proxy) }

func addressArgs(proxy *faultproxy.Proxy) []string {
	host, port, _ := net.SplitHostPort(proxy.Address()) // of a listener
	return []string{"--host", host, "--port", port}
}

func (s *standalone) weather(w torture.Weather) { weather(s.proxy, w) }

func weather(proxy *faultproxy.Proxy, w torture.Weather) {
	proxy.Delay(w.Delay)
	proxy.Slow(w.Rate)
	proxy.CutAfter(w.CutAfter)
}

func (s *standalone) write(ctx context.Context, w torture.Write) (refused []error) {
	client := s.clients[s.primary]
	commands := rueidis.Commands{client.B().Select().Index(int64(w.Database)).Build()}
	if len(w.Commands) > 1 {
		commands = append(commands, client.B().Multi().Build())
	}
	for _, c := range w.Commands {
		commands = append(commands, client.B().Arbitrary(c...).Build())
	}
	if len(w.Commands) > 1 {
		commands = append(commands, client.B().Exec().Build())
	}
	for _, reply := range client.DoMulti(ctx, commands...) {
		if err := reply.Error(); err != nil && !rueidis.IsRedisNil(err) {
			refused = append(refused, err)
		}
	}
	return refused
}

func (s *standalone) inflict(t *testing.T, f torture.Fault) {
	t.Helper()
	switch f {
	case torture.Cut, torture.Hang, torture.Refuse:
		disturb(s.proxy, f)
	case torture.KillClients:
		for _, kind := range []string{"normal", "pubsub", "replica"} {
			s.must(t, s.primary, "CLIENT", "KILL", "TYPE", kind)
		}
	case torture.Evict:
		s.evict(t)
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

// disturb is what the network alone does.
func disturb(proxy *faultproxy.Proxy, f torture.Fault) {
	switch f {
	case torture.Hang:
		proxy.Swallow(true)
		time.Sleep(20 * time.Millisecond)
		proxy.Cut()
		proxy.Swallow(false)
	case torture.Refuse:
		proxy.Refuse(true)
		proxy.Cut()
		time.Sleep(20 * time.Millisecond)
		proxy.Refuse(false)
	default:
		proxy.Cut()
	}
}

// evict makes the server evict some keys.
func (s *standalone) evict(t *testing.T) {
	t.Helper()
	s.must(t, s.primary, "CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	_, rest, _ := strings.Cut(s.must(t, s.primary, "INFO", "memory"), "used_memory:")
	line, _, _ := strings.Cut(rest, "\r")
	used, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	s.must(t, s.primary, "CONFIG", "SET", "maxmemory", strconv.Itoa(used-20_000))
	s.must(t, s.primary, "PING")
	s.must(t, s.primary, "CONFIG", "SET", "maxmemory", "0")
}

// attach makes the replica one of the primary and waits until it is.
func (s *standalone) attach(t *testing.T) {
	t.Helper()
	s.replicate.Redirect("tcp", s.primary.Address())
	host, port, _ := net.SplitHostPort(s.replicate.Address()) // of a listener
	s.must(t, s.replica, "REPLICAOF", host, port)
	late := time.After(hung)
	for !strings.Contains(s.must(t, s.replica, "INFO", "replication"), "master_link_status:up") {
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
	s.must(t, s.replica, "REPLICAOF", "NO", "ONE")
	s.primary, s.replica = s.replica, s.primary
	s.proxy.Redirect("tcp", s.primary.Address())
	if err := s.replica.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.attach(t)
}

func (s *standalone) ask(t *testing.T, databases []int) map[torture.Place]torture.Value {
	t.Helper()
	truth := map[torture.Place]torture.Value{}
	for _, database := range databases {
		if err := torture.Ask(t.Context(), s.clients[s.primary], database, truth); err != nil {
			t.Fatal(fmt.Errorf("ask the server: %w", err))
		}
	}
	s.must(t, s.primary, "SELECT", "0")
	return truth
}
