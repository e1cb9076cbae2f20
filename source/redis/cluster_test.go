package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
	"github.com/redis/rueidis"
)

// clusterClient returns a client that follows redirections.
func clusterClient(tb testing.TB, c *testserver.Cluster, change ...func(*rueidis.ClientOption)) rueidis.Client {
	tb.Helper()
	o := rueidis.ClientOption{
		InitAddress: []string{c.Nodes()[0].Address()}, DisableCache: true, ConnWriteTimeout: long, TLSConfig: c.Nodes()[0].ClientTLS(),
	}
	for _, f := range change {
		f(&o)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

// little has a source read ahead as little as it can.
func little(o *Options) { o.MemoryBytes, o.BatchSize = 1, 10 }

// fillLong sets n keys with values of a kilobyte, and returns their rows.
func fillLong(tb testing.TB, c rueidis.Client, n int) map[string]string {
	tb.Helper()
	want := map[string]string{}
	var commands [][]string
	for i := range n {
		key, text := "long:"+strconv.Itoa(i), strconv.Itoa(i)+strings.Repeat(".", 1000)
		want[key] = text
		commands = append(commands, []string{"SET", key, text})
	}
	fill(tb, c, commands...)
	return want
}

// readOn goes on with a reading from its last place, as often as it takes.
func readOn(tb testing.TB, s *Source, got reading, err error) reading {
	tb.Helper()
	for tries := 0; err != nil; tries++ {
		if _, outage := errors.AsType[*outageError](err); !outage || tries == 10 {
			tb.Fatalf("%v is not taken for an outage, or does not pass", err)
		}
		at := row.Position{}
		if len(got.commits) > 0 {
			at = got.commits[len(got.commits)-1]
		}
		var more reading
		more, err = tryRead(tb, s, at)
		maps.Copy(got.rows, more.rows)
		more.rows, more.commits = got.rows, append(got.commits, more.commits...)
		got = more
	}
	return got
}

// readCommits reads a snapshot up to its n-th place to resume from, or to its end.
func readCommits(tb testing.TB, s *Source, n int, rows map[string]aRow) (at row.Position) {
	tb.Helper()
	r, err := s.Open(tb.Context(), row.Position{})
	if err != nil {
		tb.Fatal(err)
	}
	for n > 0 {
		b, err := r.Next(tb.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		rowsOf(tb, b, rows)
		if b.Closes != row.None {
			at = b.After
			n--
		}
	}
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
	return at
}

// holdsAll fails the test where rows lack a key or hold another value.
func holdsAll(tb testing.TB, rows map[string]aRow, want map[string]string) {
	tb.Helper()
	lost := 0
	for key, text := range want {
		if got, ok := rows[key]; !ok || got.Value != text {
			if lost++; lost < 5 {
				tb.Errorf("key %q: %s, want %q", key, show(got), cut(text))
			}
		}
	}
	if lost > 0 {
		tb.Errorf("%d of %d keys are lost or wrong", lost, len(want))
	}
}

func TestCluster_Next(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{})
	client := clusterClient(t, c)
	want := map[string]string{
		"string": "text", "hash": `{"a":"1","b":"2"}`, "list": `["x","y"]`, "set": `["m","n"]`, "zset": `[["low",1],["high",2.5]]`,
		"stream": `[["1-1",{"f":"v"}]]`, "{tag}.a": "1", "{tag}.b": "2", "tag": "3", "{}": "empty", "": "none",
	}
	fill(t, client,
		[]string{"SET", "string", "text"}, []string{"HSET", "hash", "b", "2", "a", "1"}, []string{"RPUSH", "list", "x", "y"},
		[]string{"SADD", "set", "n", "m"}, []string{"ZADD", "zset", "1", "low", "2.5", "high"}, []string{"XADD", "stream", "1-1", "f", "v"},
		[]string{"SET", "{tag}.a", "1"}, []string{"SET", "{tag}.b", "2"}, []string{"SET", "tag", "3"}, []string{"SET", "{}", "empty"}, []string{"SET", "", "none"})
	var commands [][]string
	for i := range 3000 {
		want["s:"+strconv.Itoa(i)] = "v" + strconv.Itoa(i)
		commands = append(commands, []string{"SET", "s:" + strconv.Itoa(i), "v" + strconv.Itoa(i)})
	}
	fill(t, client, commands...)

	// Any node leads to all, also where the first does not answer.
	src := sourceOf(t, c.Nodes()[2].Server, func(o *Options) {
		o.Nodes, o.Address = []string{o.Address}, "127.0.0.1:1"
	})
	whole := readAll(t, src, row.Position{})
	holdsAll(t, whole.rows, want)
	if whole.total != len(want) || len(whole.rows) != len(want) {
		t.Errorf("%d rows of %d keys, want %d", whole.total, len(whole.rows), len(want))
	}
	for i := 0; ; i++ {
		rows := map[string]aRow{}
		place := readCommits(t, src, i+1, rows)
		var done clusterPosition
		if err := json.Unmarshal([]byte(place.Token), &done); err != nil {
			t.Fatal(err)
		}
		if done.Done {
			break
		}
		before := len(rows)
		after := readAll(t, src, place)
		if last := after.last.After; last.Generation != 1 || before+after.total != len(want) {
			t.Errorf("resumed at %d: generation %d, %d rows before and %d after", i, last.Generation, before, after.total)
		}
		maps.Copy(rows, after.rows)
		holdsAll(t, rows, want)
	}
	if next := readAll(t, src, whole.last.After); next.last.After.Generation != 2 || len(next.rows) != len(want) {
		t.Errorf("the next snapshot: generation %d, %d keys", next.last.After.Generation, len(next.rows))
	}
}

// Slots that move while they are read, and keys that are written meanwhile.
func TestCluster_Next_resharding(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{})
	client := clusterClient(t, c)
	want := fillLong(t, client, 6000)
	var log bytes.Buffer
	src := sourceOf(t, c.Nodes()[0].Server, little, logTo(&log))
	var writing sync.WaitGroup
	stop := make(chan struct{})
	got, err := readBreaking(t, src, row.Position{}, func() {
		writing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				set := client.B().Set().Key("written:" + strconv.Itoa(i%500)).Value(strconv.Itoa(i)).Build()
				if err := client.Do(context.Background(), set).Error(); err != nil {
					t.Error(err)
					return
				}
			}
		})
		if err := c.Move(t.Context(), 0, 999, c.Nodes()[2]); err != nil {
			t.Error(err)
		}
	})
	close(stop)
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	holdsAll(t, got.rows, want)
	if !strings.Contains(log.String(), "are read again") {
		t.Errorf("no slot was read again: %s", log.String())
	}

	// What moved between two runs is met where it is.
	again := readAll(t, src, got.last.After)
	holdsAll(t, again.rows, want)
	added, err := c.Add(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lookout := src.newLookout()
	defer lookout.close()
	look := func() (connected bool) {
		t.Helper()
		if _, err := lookout.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		return lookout.conns[added.Address()] != nil
	}
	if !look() {
		t.Error("a node that was added is not asked")
	}
	if err := c.Move(t.Context(), 0, 99, added); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	again = readAll(t, src, again.last.After)
	holdsAll(t, again.rows, want)
	if !strings.Contains(log.String(), "a primary was added to the cluster") {
		t.Errorf("logged %s", log.String())
	}
	if err := c.Move(t.Context(), 0, 99, c.Nodes()[1]); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(t.Context(), added); err != nil {
		t.Fatal(err)
	}
	if look() {
		t.Error("the connection to a node that has left is kept")
	}
	log.Reset()
	again = readAll(t, src, again.last.After)
	holdsAll(t, again.rows, want)
	if !strings.Contains(log.String(), "a primary has left the cluster") {
		t.Errorf("logged %s", log.String())
	}
	keys := int64(0)
	for _, n := range c.Nodes() {
		keys += size(t, clientOf(t, n.Server))
	}
	if int64(again.total) != keys {
		t.Errorf("%d rows of %d keys", again.total, keys)
	}

	// A position from before a slot moved leads to the rest, and to what moved.
	first := map[string]aRow{}
	at := readCommits(t, src, 1, first)
	if err := c.Move(t.Context(), 5000, 5099, c.Nodes()[2]); err != nil {
		t.Fatal(err)
	}
	maps.Copy(first, readAll(t, src, at).rows)
	holdsAll(t, first, want)
}

// A slot that is half migrated, and stays so.
func TestCluster_Next_openSlot(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{})
	client := clusterClient(t, c)
	want := map[string]string{"other": "1"}
	commands := [][]string{{"SET", "other", "1"}}
	for i := range 300 {
		key := "{foo}" + strconv.Itoa(i)
		want[key] = strconv.Itoa(i)
		commands = append(commands, []string{"SET", key, strconv.Itoa(i)})
	}
	fill(t, client, commands...)
	slot := topology.Slot([]byte("foo"))
	from, to := c.Nodes()[2], c.Nodes()[0]
	if err := c.BeginMove(t.Context(), slot, slot, 150, to); err != nil {
		t.Fatal(err)
	}
	owner, importer := clientOf(t, from.Server), clientOf(t, to.Server)
	// A migration that failed may leave a copy behind.
	left, err := send(t, owner, "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(slot), "1").AsStrSlice()
	if err != nil || len(left) != 1 {
		t.Fatalf("%q, %v", left, err)
	}
	send(t, importer, "ASKING")
	send(t, importer, "SET", left[0], "stale")
	if keys, err := send(t, importer, "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(slot)).AsInt64(); err != nil || keys != 151 {
		t.Fatalf("%d keys were moved (%v), want 151", keys, err)
	}
	src := sourceOf(t, c.Nodes()[1].Server, func(o *Options) { o.BigKeyBytes = 1 << 10 })
	got := readAll(t, src, row.Position{})
	holdsAll(t, got.rows, want)
	if len(got.rows) != len(want) {
		t.Errorf("%d keys, want %d", len(got.rows), len(want))
	}
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	finding(t, report, "cluster", source.OK, "being moved: 12182")

	// Open on one side alone, keys cannot be reached.
	send(t, importer, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "STABLE")
	if _, err := src.Open(t.Context(), row.Position{}); err == nil || !strings.Contains(err.Error(), "slots are being migrated to a node that does not import them (12182)") {
		t.Errorf("got %v", err)
	}
}

func TestCluster_Next_failover(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{Replicas: true})
	client := clusterClient(t, c)
	want := fillLong(t, client, 6000)
	nodes := c.Nodes()
	for i, n := range nodes[:3] {
		primary, replica := clientOf(t, n.Server), clientOf(t, nodes[i+3].Server)
		until(t, func() bool { return size(t, replica) == size(t, primary) }, "the replica has all keys")
	}
	src := sourceOf(t, c.Nodes()[0].Server, little)
	got, err := readBreaking(t, src, row.Position{}, func() {
		if _, err := c.Crash(t.Context(), c.Nodes()[0]); err != nil {
			t.Error(err)
		}
	})
	got = readOn(t, src, got, err)
	if got.last.Closes != row.Snapshot || got.last.After.Generation != 1 {
		t.Errorf("it ended with %v of generation %d", got.last.Closes, got.last.After.Generation)
	}
	holdsAll(t, got.rows, want)

	// Taking over in order breaks no connection.
	got, err = readBreaking(t, src, got.last.After, func() {
		if _, err := c.FailOver(t.Context(), c.Nodes()[1]); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	holdsAll(t, got.rows, want)
}

func TestCluster_faults(t *testing.T) {
	t.Parallel()
	c := testserver.RedisCluster(t, testserver.ClusterOptions{})
	client := clusterClient(t, c)
	fill(t, client, []string{"SET", "foo", "1"})
	src := sourceOf(t, c.Nodes()[0].Server, func(o *Options) { o.Databases = []int{3} })
	if _, err := src.Tables(t.Context()); err == nil || !strings.Contains(err.Error(), "a cluster, which has database 0 alone; leave database out") {
		t.Errorf("database 3: %v", err)
	}
	follow := sourceOf(t, c.Nodes()[0].Server, func(o *Options) { o.Follow = true })
	if _, err := follow.Open(t.Context(), row.Position{}); err == nil || !strings.Contains(err.Error(), errCluster.Error()) {
		t.Errorf("follow: %v", err)
	}
	src = sourceOf(t, c.Nodes()[0].Server)
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Nodes) != 3 || report.Keys != 1 {
		t.Errorf("%d nodes, %d keys", len(report.Nodes), report.Keys)
	}
	finding(t, report, "cluster", source.OK, "3 primaries with 0 replicas hold 16384 of 16384 slots")
	sample, err := src.Sample(t.Context(), source.SampleOptions{Names: 100, Table: "redis_data"})
	if err != nil || sample.Keys != 1 || sample.Names != 1 {
		t.Errorf("sample %+v, %v", sample, err)
	}
	send(t, clientOf(t, c.Nodes()[2].Server), "CLUSTER", "DELSLOTS", "16383")
	for _, n := range c.Nodes()[:2] {
		send(t, clientOf(t, n.Server), "CLUSTER", "DELSLOTS", "16383")
	}
	if _, err := src.Open(t.Context(), row.Position{}); err == nil || !strings.Contains(err.Error(), "slots of the cluster belong to no node (16383)") {
		t.Errorf("without an owner: %v", err)
	}
	if report, err = src.Inspect(t.Context()); err != nil {
		t.Fatal(err)
	}
	finding(t, report, "cluster", source.Fail, "(16383)")
	c.Nodes()[1].Kill()
	_, err = src.Open(t.Context(), row.Position{})
	var outage *outageError
	if want := c.Nodes()[1].Address() + ": "; !errors.As(err, &outage) || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "check that it runs") {
		t.Errorf("with a node that is down: %v", err)
	}
}

func finding(tb testing.TB, r *source.Report, name string, level source.Level, detail string) {
	tb.Helper()
	for _, f := range r.Findings {
		if f.Name == name && f.Level == level && strings.Contains(f.Detail, detail) {
			return
		}
	}
	tb.Errorf("no finding %s (%d) with %q in %s", name, level, detail, fmt.Sprint(r.Findings))
}
