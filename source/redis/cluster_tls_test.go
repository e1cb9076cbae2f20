package redis

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/redis/rueidis"
)

// A cluster that speaks TLS alone, with certificates of a private authority, is read by
// the name that its nodes announce, and by no address: certificates may hold none.
func TestCluster_TLS(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{Replicas: true, Server: testserver.Options{
		Password: "pw", TLS: true, Args: []string{"--cluster-announce-hostname", "localhost"},
	}})
	client := clusterClient(t, c, func(o *rueidis.ClientOption) { o.Password = "pw" })
	want := map[string]string{"a": "1", "b": "2", "c": "3"} // of three nodes
	for key, text := range want {
		send(t, client, "SET", key, text)
	}
	for _, n := range c.Nodes() { // they tell each other of their names and roles when they please
		node := clientOf(t, n.Server, func(o *rueidis.ClientOption) { o.Password = "pw" })
		until(t, func() bool {
			text, err := send(t, node, "CLUSTER", "NODES").ToString()
			if err != nil {
				t.Fatal(err)
			}
			return strings.Count(text, ",localhost ") == 6 && strings.Count(text, "slave ") == 3
		}, "all names and roles are known")
	}
	named := func(o *Options) {
		_, port, _ := net.SplitHostPort(o.Address)
		o.Address, o.Password = net.JoinHostPort("localhost", port), "pw"
		o.TLS = func() *tls.Config {
			config := c.Nodes()[0].ClientTLS()
			config.ServerName = ""
			config.VerifyConnection = func(s tls.ConnectionState) error {
				if s.ServerName != "localhost" {
					return fmt.Errorf("a server was reached as %q", s.ServerName)
				}
				return nil
			}
			return config
		}
	}

	for _, change := range []func(*Options){func(*Options) {}, fromReplica} {
		var log strings.Builder
		got := readAll(t, sourceOf(t, c.Nodes()[0].Server, named, change, logTo(&log)), row.Position{})
		holdsAll(t, got.rows, want)
		if len(got.rows) != len(want) || log.Len() > 0 {
			t.Errorf("%d rows, and the log says %s", len(got.rows), &log)
		}
	}

	m := &mirror{}
	src := sourceOf(t, c.Nodes()[0].Server, named, replica, fast)
	r := openReader(t, src, row.Position{})
	if _, err := m.until(t.Context(), t, r, "a"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"d", "f", "g"} {
		want[key] = "changed"
		send(t, client, "SET", key, "changed")
		if _, err := m.until(t.Context(), t, r, key); err != nil {
			t.Fatal(err)
		}
	}
	holdsAll(t, m.rows, want)
	if _, err := src.Lag(t.Context(), m.at); err != nil {
		t.Error(err)
	}
}
