package redis

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

func fromReplica(o *Options) { o.ReadReplica = true }

// copyOf starts a replica that copies from a server at an address, and waits until both
// say so.
func copyOf(t *testing.T, p *testserver.Server, address string, args ...string) *testserver.Server {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	r := primary(t, append([]string{"--replicaof", host, port}, args...)...)
	untilInfo(t, r, "master_link_status:up")
	_, port, _ = net.SplitHostPort(r.Address())
	untilInfo(t, p, ",port="+port+",state=online")
	return r
}

// reads returns the address that is read, and fails unless it is that of s.
func reads(t *testing.T, src *Source, s *testserver.Server) *node {
	t.Helper()
	n, err := src.pick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n.address != s.Address() {
		t.Fatalf("%s is read, want %s", n.address, s.Address())
	}
	return n
}

// A replica is read in every mode, and what was written before the run began is there,
// however far the replica lies behind then.
func TestReadFrom_replica(t *testing.T) {
	t.Parallel()
	p := primary(t)
	link := proxyTo(t, p)
	r := copyOf(t, p, link.Address(), "--repl-diskless-load", "disabled")
	c := clientOf(t, p)
	link.Delay(300 * time.Millisecond)
	for _, change := range []func(*Options){func(*Options) {}, replica} {
		m := &mirror{}
		src := sourceOf(t, p, fromReplica, change)
		for i := range 3 {
			fill(t, c, []string{"SET", "key" + strconv.Itoa(i), "x"}, []string{"DEL", "key" + strconv.Itoa(i-1)})
			if err := m.run(t.Context(), t, src); err != nil {
				t.Fatal(err)
			}
			m.equals(t, oracle(t, c))
		}
		if len(m.lost) > 0 {
			t.Errorf("lost %q", m.lost)
		}
		reads(t, src, r)
	}
	report, err := sourceOf(t, p, fromReplica).Inspect(t.Context())
	if err != nil || len(report.Nodes) != 1 || report.Nodes[0].Address != r.Address() || report.Nodes[0].Role != "replica" {
		t.Errorf("%+v, %v", report, err)
	}
	// A replica that is named itself is what is read.
	reads(t, sourceOf(t, r, fromReplica), r)
}

// A replica that does not come to where the primary is may do so later.
func TestReadFrom_late(t *testing.T) {
	p := primary(t)
	link := proxyTo(t, p)
	copyOf(t, p, link.Address())
	link.Swallow(true)
	fill(t, clientOf(t, p), []string{"SET", "key", "x"})
	src := sourceOf(t, p, fromReplica, func(o *Options) { o.IOTimeout = time.Second })
	until(t, func() bool {
		_, err := src.Open(t.Context(), row.Position{})
		if !retryable(err) {
			t.Fatalf("%v, want an error that may pass", err)
		}
		return strings.Contains(err.Error(), "behind its primary; wait, or set read_from to primary")
	}, "the replica is late")
}

// Where no replica can be read the primary is, and the log and the report say why.
func TestReadFrom_none(t *testing.T) {
	t.Parallel()
	p, other := primary(t), primary(t)
	var log strings.Builder
	src := sourceOf(t, p, fromReplica, logTo(&log))
	told := func(want string) {
		t.Helper()
		log.Reset()
		reads(t, src, p)
		reads(t, src, p)
		if strings.Count(log.String(), "no replica can be read, so the primary is") != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("%s, want %q, once", &log, want)
		}
	}
	told("it has none that is online")
	r := copyOf(t, p, p.Address())
	c := clientOf(t, r)
	reads(t, src, r)
	fill(t, c, []string{"CONFIG", "SET", "replica-announced", "no"})
	told(r.Address() + ": it is not announced")
	fill(t, c, []string{"CONFIG", "SET", "replica-announced", "yes"}, []string{"CONFIG", "SET", "requirepass", "other"})
	told(r.Address() + ": the server asks for a password")
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	finding(t, report, "read_from", source.Warn, "asks for a password")

	// What the primary does not know yet.
	link := proxyTo(t, p)
	cut := copyOf(t, p, link.Address())
	link.Refuse(true)
	link.Cut()
	untilInfo(t, cut, "master_link_status:down")
	ss, err := src.node.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ss.close()
	for want, s := range map[string]*testserver.Server{
		"its link to the primary is down":        cut,
		"its history is not that of the primary": copyOf(t, other, other.Address()),
		"it is no replica any more":              other,
		"the connection was refused":             stopped(t),
	} {
		n := &node{options: &src.options, network: "tcp", address: s.Address(), origin: &origin{}}
		if _, err := n.catchUp(t.Context(), &ss.server); err == nil || !strings.HasPrefix(err.Error(), s.Address()+": "+want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func stopped(t *testing.T) *testserver.Server {
	t.Helper()
	s := primary(t)
	s.Kill()
	return s
}

// What was read of a replica counts for as long as its copy is the same.
func TestReadFrom_origin(t *testing.T) {
	t.Parallel()
	p := primary(t)
	copies := []*testserver.Server{copyOf(t, p, p.Address())}
	fillStrings(t, clientOf(t, p), 5_000)
	src := sourceOf(t, p, fromReplica, unread)
	at := readAll(t, src, row.Position{}).commits[0]
	if got := readAll(t, src, at); got.commits[0].Generation != 1 || len(got.rows) == 5_000 {
		t.Errorf("generation %d, %d rows", got.commits[0].Generation, len(got.rows))
	}
	for _, tt := range []struct {
		want string
		do   func()
	}{
		{"the primary synchronised a replica anew", func() { copies = append(copies, copyOf(t, p, p.Address())) }},
		{"is no replica of the same primary any more", func() {
			for _, r := range copies { // any of them may be the one that is read
				fill(t, clientOf(t, r), []string{"REPLICAOF", "NO", "ONE"})
			}
		}},
	} {
		reader, err := src.Open(t.Context(), row.Position{})
		if err != nil {
			t.Fatal(err)
		}
		for b := (*row.Batch)(nil); b == nil || b.Closes != row.Snapshot; {
			if b == nil {
				tt.do()
			}
			if b, err = reader.Next(t.Context()); err != nil {
				break
			}
		}
		if lost, ok := errors.AsType[*source.PositionLostError](err); !ok || !strings.Contains(lost.Reason, tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		if _, err := src.Open(t.Context(), at); !errors.As(err, new(*source.PositionLostError)) {
			t.Errorf("resumed: %v", err)
		}
	}
}

// A replica that loses its primary while changes are read by way of it: nothing that
// it shows then is published.
func TestReadFrom_lostPrimary(t *testing.T) {
	t.Parallel()
	p := primary(t)
	link := proxyTo(t, p)
	r := copyOf(t, p, link.Address())
	c := clientOf(t, p)
	fill(t, c, []string{"SET", "key", "x"})
	src := sourceOf(t, p, fromReplica, replica, func(o *Options) { o.Follow, o.PublishInterval = true, 5*time.Millisecond })
	reader, err := src.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	untilInfo(t, r, "connected_slaves:1")
	for b := (*row.Batch)(nil); b == nil || b.Closes != row.Snapshot; {
		if b, err = reader.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, c, []string{"RPUSH", "list", "a"})
	copied := clientOf(t, r)
	until(t, func() bool {
		n, err := send(t, copied, "EXISTS", "list").AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}, "the replica has the list")
	link.Refuse(true)
	link.Cut()
	untilInfo(t, r, "master_link_status:down")
	for err == nil {
		var b *row.Batch
		if b, err = reader.Next(t.Context()); err == nil && b.Closes == row.Changes {
			t.Fatal("changes were published")
		}
	}
	if !retryable(err) || !strings.Contains(err.Error(), "the replica has lost its primary") {
		t.Errorf("%v", err)
	}
}

// Of a cluster a replica of each primary is read, but for those that give slots away.
func TestReadFrom_cluster(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{Replicas: true})
	want := fillLong(t, clusterClient(t, c), 3_000)
	online := func() {
		t.Helper()
		for _, n := range c.Nodes() {
			client := clientOf(t, n.Server)
			until(t, func() bool {
				text, err := send(t, client, "INFO", "replication").ToString()
				if err != nil {
					t.Fatal(err)
				}
				return strings.Contains(text, "role:slave") || strings.Contains(text, ",state=online")
			}, "every primary has a replica")
		}
	}

	// A replica that is read takes over: its slots are read again.
	online()
	src := sourceOf(t, c.Nodes()[0].Server, fromReplica, little)
	got, err := readBreaking(t, src, row.Position{}, func() {
		if _, err := c.FailOver(t.Context(), c.Nodes()[1]); err != nil {
			t.Error(err)
		}
	})
	got = readOn(t, src, got, err)
	if got.last.Closes != row.Snapshot || got.last.After.Generation != 1 {
		t.Errorf("it ended with %v of generation %d", got.last.Closes, got.last.After.Generation)
	}
	holdsAll(t, got.rows, want)

	online()
	var log strings.Builder
	src = sourceOf(t, c.Nodes()[0].Server, fromReplica, logTo(&log))
	before := dumps(t, c)
	if got := readAll(t, src, row.Position{}); len(got.rows) != len(want) {
		t.Errorf("%d keys of %d", len(got.rows), len(want))
	}
	after := dumps(t, c)
	var primaries []*testserver.Node
	for _, n := range c.Nodes() {
		text, err := send(t, clientOf(t, n.Server), "INFO", "replication").ToString()
		if err != nil {
			t.Fatal(err)
		}
		isPrimary := strings.Contains(text, "role:master")
		if isPrimary {
			primaries = append(primaries, n)
		}
		if read := after[n.Address()]-before[n.Address()] > 100; read == isPrimary {
			t.Errorf("%s: primary %t, read %t", n.Address(), isPrimary, read)
		}
	}
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range primaries {
		finding(t, report, "read_from", source.OK, " is read in place of its primary "+n.Address())
	}
	if log.Len() > 0 {
		t.Errorf("%s", &log)
	}
	owner, err := c.Owner(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	to := primaries[0]
	if to == owner {
		to = primaries[1]
	}
	if err := c.BeginMove(t.Context(), 0, 100, 5, to); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, src, row.Position{}); len(got.rows) != len(want) {
		t.Errorf("while slots move: %d keys of %d", len(got.rows), len(want))
	}
	if moved := dumps(t, c); moved[owner.Address()] == after[owner.Address()] {
		t.Error("the primary that gives slots away was not read")
	}
}

// dumps returns how many values each node of a cluster was asked for.
func dumps(t *testing.T, c *testserver.Cluster) map[string]int {
	t.Helper()
	calls := map[string]int{}
	for _, n := range c.Nodes() {
		text, err := send(t, clientOf(t, n.Server), "INFO", "commandstats").ToString()
		if err != nil {
			t.Fatal(err)
		}
		for name, stat := range parseInfo(text) {
			if count, ok := strings.CutPrefix(stat, "calls="); ok && (name == "cmdstat_dump" || name == "cmdstat_getrange") {
				count, _, _ = strings.Cut(count, ",")
				read, err := strconv.Atoi(count)
				if err != nil {
					t.Fatal(err)
				}
				calls[n.Address()] += read
			}
		}
	}
	return calls
}
