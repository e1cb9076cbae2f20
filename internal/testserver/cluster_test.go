package testserver

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tell sends a command to a server and returns the flat reply.
func tell(t *testing.T, s *Server, command ...string) []string {
	t.Helper()
	reply, err := s.ask(t.Context(), command...)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestCluster(t *testing.T) {
	c := RedisCluster(t, ClusterOptions{})
	nodes := c.Nodes()
	if len(nodes) != 3 {
		t.Fatalf("%d nodes, want 3", len(nodes))
	}
	// Slot 12182 is that of foo.
	tell(t, nodes[2].Server, "SET", "foo", "1")
	for i := range 300 {
		tell(t, nodes[2].Server, "SET", "{foo}"+strconv.Itoa(i), "1")
	}
	if err := c.BeginMove(t.Context(), 12182, 12182, 150, nodes[0]); err != nil {
		t.Fatal(err)
	}
	if got := tell(t, nodes[2].Server, "DBSIZE"); got[0] != "151" {
		t.Errorf("in the middle of a move %s keys are left, want 151", got[0])
	}
	if err := c.Move(t.Context(), 12180, 12189, nodes[0]); err != nil {
		t.Fatal(err)
	}
	if got := tell(t, nodes[0].Server, "DBSIZE"); got[0] != "301" {
		t.Errorf("after a move %s keys are there, want 301", got[0])
	}
	if owner, err := c.Owner(t.Context(), 12189); err != nil || owner != nodes[0] {
		t.Errorf("slot 12189 belongs to %v (%v), want the first node", owner, err)
	}
	added, err := c.Add(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Move(t.Context(), 12180, 12189, added); err != nil {
		t.Fatal(err)
	}
	if got := tell(t, added.Server, "GET", "foo"); got[0] != "1" {
		t.Errorf("GET answered %q", got)
	}
	if err := c.Remove(t.Context(), added); err == nil || !strings.Contains(err.Error(), "move them first") {
		t.Errorf("a node with slots is removed: %v", err)
	}
	if err := c.Move(t.Context(), 12180, 12189, nodes[1]); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(t.Context(), added); err != nil {
		t.Fatal(err)
	}
	if primaries, err := c.Primaries(t.Context()); err != nil || !slices.Equal(primaries, nodes) {
		t.Errorf("%d primaries (%v), want the first three nodes", len(primaries), err)
	}
}

func TestCluster_failover(t *testing.T) {
	c := RedisCluster(t, ClusterOptions{Replicas: true, NodeTimeout: time.Second, Server: Options{Password: "pw", TLS: true}})
	nodes := c.Nodes()
	tell(t, nodes[0].Server, "SET", "bar", "1") // slot 5061
	is, err := c.FailOver(t.Context(), nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	if is != nodes[3] {
		t.Fatalf("%s took over, want the replica %s", is.Address(), nodes[3].Address())
	}
	if got := tell(t, is.Server, "GET", "bar"); got[0] != "1" {
		t.Errorf("GET answered %q", got)
	}
	if is, err = c.Crash(t.Context(), nodes[3]); err != nil {
		t.Fatal(err)
	}
	if is != nodes[0] {
		t.Fatalf("%s took over, want %s", is.Address(), nodes[0].Address())
	}
	if err := nodes[3].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}
