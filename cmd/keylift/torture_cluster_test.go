package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/internal/torture"
)

// A clusterArena is a cluster whose nodes announce the addresses of proxies, so that
// keylift comes through these to each.
type clusterArena struct {
	cluster *testserver.Cluster
	nodes   []*testserver.Node // first primaries, then their replicas
	proxies map[*testserver.Node]*faultproxy.Proxy
	clients tortureClients
	moved   map[int]int // the shard that a block of slots is at, which is not its own
	where   map[string]*testserver.Node
}

func newClusterArena(t *testing.T) arena {
	t.Helper()
	c := &clusterArena{
		cluster: testserver.RedisCluster(t, testserver.ClusterOptions{Primaries: torture.Shards, Replicas: true, Server: testserver.Options{Args: tortureArgs}}),
		proxies: map[*testserver.Node]*faultproxy.Proxy{}, clients: tortureClients{}, moved: map[int]int{}, where: map[string]*testserver.Node{},
	}
	c.nodes = c.cluster.Nodes()
	for _, n := range c.nodes {
		c.proxies[n] = tortureProxy(t, n.Server)
		c.clients.connect(t, n.Server)
		c.announce(t, n)
	}
	late := time.After(hung)
	for !c.announced(t) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			t.Fatal("the nodes do not know each other's proxies")
		}
	}
	return c
}

// announce makes a node say that it has the address of its proxy.
func (c *clusterArena) announce(t *testing.T, n *testserver.Node) {
	t.Helper()
	_, port, _ := net.SplitHostPort(c.proxies[n].Address()) // of a listener
	c.clients.must(t, n.Server, "CONFIG", "SET", "cluster-announce-port", port)
}

// announced reports whether every node knows the proxies of all.
func (c *clusterArena) announced(t *testing.T) bool {
	t.Helper()
	for _, n := range c.nodes {
		known := c.clients.must(t, n.Server, "CLUSTER", "NODES")
		for _, p := range c.proxies {
			if !strings.Contains(known, p.Address()+"@") {
				return false
			}
		}
	}
	return true
}

// primary returns the primary of a shard at present.
func (c *clusterArena) primary(t *testing.T, shard int) *testserver.Node {
	t.Helper()
	primaries, err := c.cluster.Primaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testserver.Node{c.nodes[shard], c.nodes[torture.Shards+shard]} {
		if slices.Contains(primaries, n) {
			return n
		}
	}
	t.Fatalf("shard %d has no primary", shard)
	return nil
}

func (c *clusterArena) check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *clusterArena) prepare(t *testing.T, p *torture.Plan) {
	t.Helper()
	for _, proxy := range c.proxies {
		proxy.Refuse(false)
		weather(proxy, torture.Weather{})
	}
	for shard := range torture.Shards {
		c.clients.must(t, c.primary(t, shard).Server, "FLUSHALL")
	}
	for _, n := range c.nodes {
		c.announce(t, n)
		c.clients.must(t, n.Server, "CONFIG", "SET", "maxmemory", "0")
		for _, setting := range p.Server {
			c.clients.must(t, n.Server, "CONFIG", "SET", setting[0], setting[1])
		}
	}
	for block := range c.moved {
		c.move(t, block, ownShard(block))
	}
	c.check(t, c.cluster.Wait(t.Context()))
}

// A block of slots is a part of those of a shard.
const (
	shardSlots = 16384 / torture.Shards
	blockSlots = shardSlots * torture.Shards / torture.Blocks
)

func ownShard(block int) int { return block * torture.Shards / torture.Blocks }

func blockOf(block int) (first, last int) {
	shard := ownShard(block)
	first = shard*16384/torture.Shards + block%(torture.Blocks/torture.Shards)*blockSlots
	return first, first + blockSlots - 1
}

// move moves a block of slots to a shard, unless it is there.
func (c *clusterArena) move(t *testing.T, block, shard int) {
	t.Helper()
	if c.shardOf(block) == shard {
		return
	}
	first, last := blockOf(block)
	c.check(t, c.cluster.Move(t.Context(), first, last, c.primary(t, shard)))
	c.moved[block] = shard
	if ownShard(block) == shard {
		delete(c.moved, block)
	}
}

func (c *clusterArena) shardOf(block int) int {
	if shard, moved := c.moved[block]; moved {
		return shard
	}
	return ownShard(block)
}

func (c *clusterArena) args() []string {
	args := addressArgs(c.proxies[c.nodes[0]])
	for _, n := range c.nodes[1:] {
		args = append(args, "--nodes", c.proxies[n].Address())
	}
	return args
}

func (c *clusterArena) weather(w torture.Weather) {
	for _, proxy := range c.proxies {
		weather(proxy, w)
	}
}

// write writes where the cluster says. What is answered ASK or TRYAGAIN in a
// transaction is refused.
func (c *clusterArena) write(ctx context.Context, w torture.Write) (refused []error) {
	first := w.Commands[0]
	if strings.HasPrefix(first[0], "FLUSH") {
		for _, n := range c.nodes { // replicas refuse it
			if err := c.send(ctx, n, false, w.Commands)[0]; err != nil && !strings.HasPrefix(err.Error(), "READONLY") {
				refused = append(refused, err)
			}
		}
		return refused
	}
	key := strings.Join(first[:min(2, len(first))], " ")
	n := c.where[key]
	if n == nil {
		n = c.nodes[0]
	}
	for range len(c.nodes) {
		var moved, ask *testserver.Node
		refused, moved, ask = c.refused(n, c.send(ctx, n, false, w.Commands))
		switch {
		case moved != nil:
			n = moved
			continue
		case ask != nil && len(w.Commands) == 1:
			refused, _, _ = c.refused(ask, c.send(ctx, ask, true, w.Commands))
		default:
			c.where[key] = n
		}
		break
	}
	return refused
}

// refused returns the errors among replies of a node, and where they say that the keys
// are. A node that does not answer is taken for one that says they are at the next.
func (c *clusterArena) refused(n *testserver.Node, replies []error) (refused []error, moved, ask *testserver.Node) {
	for _, err := range replies {
		if err == nil || rueidis.IsRedisNil(err) {
			continue
		}
		refused = append(refused, err)
		reply, known := rueidis.IsRedisErr(err)
		if !known {
			moved = c.nodes[(slices.Index(c.nodes, n)+1)%len(c.nodes)]
			continue
		}
		if address, is := reply.IsMoved(); is {
			moved = c.nodeAt(address)
		}
		if address, is := reply.IsAsk(); is {
			ask = c.nodeAt(address)
		}
	}
	return refused, moved, ask
}

// nodeAt returns the node of an address, its own or its proxy's.
func (c *clusterArena) nodeAt(address string) *testserver.Node {
	for n, proxy := range c.proxies {
		if address == proxy.Address() || address == n.Address() {
			return n
		}
	}
	return nil
}

// send sends commands to a node and returns an error for each.
func (c *clusterArena) send(ctx context.Context, n *testserver.Node, asking bool, words [][]string) []error {
	client := c.clients[n.Server]
	var commands rueidis.Commands
	if asking {
		commands = append(commands, client.B().Asking().Build())
	}
	if len(words) > 1 {
		commands = append(commands, client.B().Multi().Build())
	}
	for _, w := range words {
		commands = append(commands, client.B().Arbitrary(w...).Build())
	}
	if len(words) > 1 {
		commands = append(commands, client.B().Exec().Build())
	}
	var errs []error
	for _, reply := range client.DoMulti(ctx, commands...) {
		errs = append(errs, reply.Error())
	}
	return errs
}

func (c *clusterArena) inflict(t *testing.T, s torture.Step) {
	t.Helper()
	switch s.Fault {
	case torture.Cut:
		for _, proxy := range c.proxies {
			proxy.Cut()
		}
	case torture.Hang, torture.Refuse:
		disturb(c.proxies[c.primary(t, s.Shard)], s.Fault)
	case torture.KillClients:
		for _, n := range c.nodes {
			c.clients.drop(t, n.Server, "normal", "pubsub", "replica")
		}
	case torture.Evict:
		c.clients.evict(t, c.primary(t, s.Shard).Server)
	case torture.Restart:
		n := c.primary(t, s.Shard)
		c.check(t, n.Restart(t.Context()))
		c.announce(t, n)
		c.check(t, c.cluster.Wait(t.Context()))
	case torture.FailOver:
		_, err := c.cluster.FailOver(t.Context(), c.primary(t, s.Shard))
		c.check(t, err)
	case torture.Open:
		if c.shardOf(s.Block) != s.Shard {
			first, last := blockOf(s.Block)
			c.check(t, c.cluster.BeginMove(t.Context(), first, last, 1, c.primary(t, s.Shard)))
		}
	case torture.Reshard:
		c.move(t, s.Block, s.Shard)
	default:
		t.Fatalf("a cluster has no fault %q", s.Fault)
	}
}

func (c *clusterArena) ask(t *testing.T, _ []int) map[torture.Place]torture.Value {
	t.Helper()
	truth := map[torture.Place]torture.Value{}
	for shard := range torture.Shards {
		n := c.primary(t, shard)
		late := time.After(hung)
		for {
			err := torture.Ask(t.Context(), c.clients[n.Server], 0, truth)
			if err == nil {
				break
			}
			if _, refused := errors.AsType[*rueidis.RedisError](err); refused {
				t.Fatal(fmt.Errorf("ask the cluster: %w", err))
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-late:
				t.Fatal(fmt.Errorf("ask the cluster: %w", err))
			}
		}
	}
	return truth
}
