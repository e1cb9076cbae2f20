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
	"--appendonly", "yes", "--appendfsync", "no", "--hz", "100", "--notify-keyspace-events", "KEA", "--shutdown-timeout", "0",
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

func addressArgs(proxy *faultproxy.Proxy) []string {
	host, port, _ := net.SplitHostPort(proxy.Address()) // of a listener
	return []string{"--host", host, "--port", port}
}

func weather(proxy *faultproxy.Proxy, w torture.Weather) {
	proxy.Delay(w.Delay)
	proxy.Slow(w.Rate)
	proxy.CutAfter(w.CutAfter)
}

// tortureClients are clients of servers, each with a single connection.
type tortureClients map[*testserver.Server]rueidis.Client

func (c tortureClients) connect(t *testing.T, servers ...*testserver.Server) {
	t.Helper()
	for _, server := range servers {
		client, err := rueidis.NewClient(single(server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		c[server] = client
	}
}

// must sends a command to a server, again where the connection is broken.
func (c tortureClients) must(t *testing.T, server *testserver.Server, command ...string) string {
	t.Helper()
	client := c[server]
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

// drop makes the server close the connections of some kinds of clients.
func (c tortureClients) drop(t *testing.T, server *testserver.Server, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		c.must(t, server, "CLIENT", "KILL", "TYPE", kind)
	}
}

// evict makes the server evict some keys.
func (c tortureClients) evict(t *testing.T, server *testserver.Server) {
	t.Helper()
	c.must(t, server, "CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	_, rest, _ := strings.Cut(c.must(t, server, "INFO", "memory"), "used_memory:")
	line, _, _ := strings.Cut(rest, "\r")
	used, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, server, "CONFIG", "SET", "maxmemory", strconv.Itoa(used-20_000))
	c.must(t, server, "PING")
	c.must(t, server, "CONFIG", "SET", "maxmemory", "0")
}

// write writes to a server of its own and returns what that refused.
func (c tortureClients) write(ctx context.Context, server *testserver.Server, w torture.Write) (refused []error) {
	client := c[server]
	commands := rueidis.Commands{client.B().Select().Index(int64(w.Database)).Build()}
	if len(w.Commands) > 1 {
		commands = append(commands, client.B().Multi().Build())
	}
	for _, words := range w.Commands {
		commands = append(commands, client.B().Arbitrary(words...).Build())
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

// truth asks a server for all keys of databases.
func (c tortureClients) truth(t *testing.T, server *testserver.Server, databases []int) map[torture.Place]torture.Value {
	t.Helper()
	truth := map[torture.Place]torture.Value{}
	for _, database := range databases {
		if err := torture.Ask(t.Context(), c[server], database, truth); err != nil {
			t.Fatal(fmt.Errorf("ask the server: %w", err))
		}
	}
	c.must(t, server, "SELECT", "0")
	return truth
}
