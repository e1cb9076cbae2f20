package testserver

import "testing"

func TestSentinel(t *testing.T) {
	g := RedisSentinel(t, SentinelOptions{})
	servers := g.Servers()
	if is, err := g.Primary(t.Context()); err != nil || is != servers[0] {
		t.Fatalf("the primary is not the first server (%v)", err)
	}
	tell(t, servers[0], "SET", "a", "1")
	is, err := g.FailOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if is != servers[1] {
		t.Fatalf("%s was promoted, want the replica", is.Address())
	}
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := tell(t, is, "GET", "a"); got[0] != "1" {
		t.Errorf("after a failover GET answered %q", got)
	}
	if is, err = g.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := tell(t, is, "GET", "a"); got[0] != "1" {
		t.Errorf("GET answered %q", got)
	}
}

func TestSentinel_identity(t *testing.T) {
	g := RedisSentinel(t, SentinelOptions{
		Name: "cache", Replicas: 2, Password: "watch", Server: Options{Password: "pw", TLS: true},
	})
	if n := len(g.Servers()) + len(g.Sentinels()); n != 6 {
		t.Errorf("%d processes, want 6", n)
	}
	if _, err := g.FailOver(t.Context()); err != nil {
		t.Fatal(err)
	}
}
