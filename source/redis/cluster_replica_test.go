package redis

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
	"github.com/keylift/keylift/source/sourcetest"
	"github.com/redis/rueidis"
)

// replicaCluster starts a cluster whose backlogs last for a test.
func replicaCluster(t *testing.T, o testserver.ClusterOptions) *testserver.Cluster {
	t.Helper()
	o.Server.Args = append(o.Server.Args, "--repl-backlog-size", "32mb")
	return testserver.RedisCluster(t, o)
}

func fast(o *Options) { o.Follow, o.PublishInterval = true, 100*time.Millisecond }

// owners returns clients of all primaries of a cluster. Who was one a moment ago may
// still be taken for one by the others.
func owners(t *testing.T, c *testserver.Cluster) []rueidis.Client {
	t.Helper()
	var clients []rueidis.Client
	for _, n := range c.Nodes() {
		if n.Exited() {
			continue
		}
		client := clientOf(t, n.Server)
		role, err := send(t, client, "ROLE").ToArray()
		if err != nil {
			t.Fatal(err)
		}
		if is, _ := role[0].ToString(); is == "master" {
			clients = append(clients, client)
		}
	}
	return clients
}

// clusterWorld returns the rows of a cluster, wherever its keys are on their way.
func clusterWorld(t *testing.T, c *testserver.Cluster, client rueidis.Client) map[string]aRow {
	t.Helper()
	all := map[string]aRow{}
	for _, node := range owners(t, c) {
		names, err := send(t, node, "KEYS", "*").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if r, ok := oracleRow(t, client, name); ok {
				all[oracleText(name)] = r
			}
		}
	}
	return all
}

// settleCluster waits until what expires soon has been deleted on all primaries.
func settleCluster(t *testing.T, c *testserver.Cluster, client rueidis.Client) {
	t.Helper()
	for _, node := range owners(t, c) {
		settleKeys(t, node, client)
	}
}

// marks16 returns a key in a slot of each of 16 runs of slots: every node has one.
func marks16() []string {
	var keys []string
	met := map[int]bool{}
	for i := 0; len(keys) < 16; i++ {
		key := "mark:" + strconv.Itoa(i)
		if part := topology.Slot([]byte(key)) / (topology.Count / 16); !met[part] {
			met[part] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// keysIn returns the names of n keys whose slots are in a range.
func keysIn(first, last, n int) (keys []string) {
	for i := 0; len(keys) < n; i++ {
		key := "in:" + strconv.Itoa(i)
		if slot := topology.Slot([]byte(key)); first <= slot && slot <= last {
			keys = append(keys, key)
		}
	}
	return keys
}

// A clusterFollower follows a cluster into a mirror, until it is told to end: then it
// leaves off wherever it is.
type clusterFollower struct {
	mirror *mirror
	source func() *Source

	mu    sync.Mutex
	goal  func(*mirror) bool // what is waited for
	met   chan struct{}
	end   context.CancelFunc
	group sync.WaitGroup
}

func (f *clusterFollower) begin(t *testing.T) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	f.end = end
	f.mirror.then = func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.goal != nil && f.goal(f.mirror) {
			f.goal = nil
			close(f.met)
		}
	}
	f.group.Go(func() {
		for s := f.source(); ctx.Err() == nil; {
			err := f.mirror.run(ctx, t, s)
			if _, outage := errors.AsType[*outageError](err); ctx.Err() == nil && !outage {
				t.Error("follow: ", err)
				return
			} else if ctx.Err() == nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
}

// reach waits until something is so when the mirror has published.
func (f *clusterFollower) reach(t *testing.T, goal func(*mirror) bool) {
	t.Helper()
	met := make(chan struct{})
	f.mu.Lock()
	f.goal, f.met = goal, met
	f.mu.Unlock()
	select {
	case <-met:
	case <-time.After(long):
		t.Error("the follower did not get there")
	}
}

// meet sets a key of each part of the slots, and waits until the mirror has them.
func (f *clusterFollower) meet(t *testing.T, client rueidis.Client, mark string) {
	t.Helper()
	keys := marks16()
	for _, key := range keys {
		send(t, client, "SET", key, mark)
	}
	f.reach(t, func(m *mirror) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return m.rows[key].Value != mark })
	})
}

// leave ends the following, as if it were killed.
func (f *clusterFollower) leave() {
	f.end()
	f.group.Wait()
}

// A clusterWriter writes to a cluster at random: commands of every type, on keys of
// one slot each.
type clusterWriter struct {
	client rueidis.Client
	random *rand.Rand
}

func (w *clusterWriter) n(below int) string { return strconv.Itoa(w.random.IntN(below)) }

func (w *clusterWriter) step(ctx context.Context) {
	n := w.n
	tag := "{t" + n(40) + "}"
	key := func(kind string) string { return tag + kind + n(3) }
	text, ms := strings.Repeat("x", w.random.IntN(60))+n(1000), strconv.Itoa(1+w.random.IntN(50))
	all := [][]string{
		{"SET", key("k"), text},
		{"SET", key("k"), text, "PX", ms},
		{"APPEND", key("k"), text},
		{"INCR", key("n")},
		{"DEL", key("k")},
		{"UNLINK", key("k"), key("h")},
		{"HSET", key("h"), "f" + n(20), text},
		{"HDEL", key("h"), "f" + n(20)},
		{"RPUSH", key("l"), text, n(9)},
		{"LPOP", key("l"), n(5)},
		{"SADD", key("s"), n(50)},
		{"SPOP", key("s"), "2"},
		{"ZADD", key("z"), n(100), "m" + n(30)},
		{"ZREMRANGEBYRANK", key("z"), "0", "1"},
		{"XADD", key("x"), "MAXLEN", "~", "20", "*", "f", text},
		{"PEXPIRE", key("k"), ms},
		{"PERSIST", key("k")},
		{"RENAME", key("k"), key("k")},
		{"COPY", key("h"), key("h"), "REPLACE"},
		{"SINTERSTORE", key("s"), key("s"), key("s")},
		{"GETDEL", key("k")},
		{"LMOVE", key("l"), key("l"), "LEFT", "RIGHT"},
	}
	command := all[w.random.IntN(len(all))]
	if w.random.IntN(10) > 0 {
		w.client.Do(ctx, w.client.B().Arbitrary(command[0]).Keys(command[1]).Args(command[2:]...).Build()) // what is refused has no effect
	} else {
		_ = w.client.Dedicated(func(d rueidis.DedicatedClient) error {
			for _, reply := range d.DoMulti(ctx, d.B().Multi().Build(),
				d.B().Arbitrary(command[0]).Keys(command[1]).Args(command[2:]...).Build(),
				d.B().Set().Key(key("k")).Value(text).Build(), d.B().Exec().Build()) {
				if err := reply.Error(); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

const writers = 4

// writing writes to a cluster until the function that it returns is called.
func writing(t *testing.T, c *testserver.Cluster, seed uint64) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	client := clusterClient(t, c)
	var group sync.WaitGroup
	for n := range uint64(writers) {
		group.Go(func() {
			w := &clusterWriter{client: client, random: rand.New(rand.NewPCG(seed, n))}
			for ctx.Err() == nil {
				w.step(ctx)
				time.Sleep(time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// Runs that end read what changed since the one before, wherever the keys have gone
// meanwhile, as a user who may do no more than is documented.
func TestClusterReplica(t *testing.T) {
	t.Parallel()
	c := replicaCluster(t, testserver.ClusterOptions{Server: testserver.Options{
		ACL: []string{"default on nopass ~* &* +@all", documentedRule(t) + " +psync +replconf +command +cluster|nodes +asking"},
	}})
	client := clusterClient(t, c)
	fillStrings(t, client, 432)
	sourcetest.Run(t, sourcetest.Fixture{
		Open:    func(t *testing.T) source.Source { return sourceOf(t, c.Nodes()[0].Server, replica) },
		Rows:    432,
		Changes: true,
	})
	fill(t, client, everything()...)
	user := func(o *Options) { o.Username, o.Password = "keylift", "PASSWORD" }
	m := &mirror{}
	for i, n := range c.Nodes() {
		src := sourceOf(t, n.Server, replica, user)
		if err := m.run(t.Context(), t, src); err != nil {
			t.Fatal(err)
		}
		m.equals(t, clusterWorld(t, c, client))
		fill(t, client, []string{"SET", "foo", strconv.Itoa(i)}, []string{"DEL", "hash"}, []string{"SET", "bar" + strconv.Itoa(i), "1"})
		if lag, err := src.Lag(t.Context(), m.at); err != nil || lag <= 0 {
			t.Errorf("the lag is %d behind three commands: %v", lag, err)
		}
		if err := c.Move(t.Context(), 12182, 12182, c.Nodes()[(i+2)%3]); i > 0 && err != nil { // the slot of foo, of the third node
			t.Fatal(err)
		}
	}
	if m.at.Generation != 1 || len(m.lost) > 0 {
		t.Errorf("generation %d, lost %q", m.at.Generation, m.lost)
	}
	for _, n := range c.Nodes() {
		log, err := send(t, clientOf(t, n.Server), "ACL", "LOG").ToArray()
		if err != nil {
			t.Fatal(err)
		}
		for i := range log {
			if entry, err := log[i].AsStrMap(); err != nil || entry["object"] != "pttl" {
				t.Errorf("refused: %q, %v", entry["object"], err)
			}
		}
	}
}

// TestClusterReplica_weather follows a cluster, through what may happen to one.
func TestClusterReplica_weather(t *testing.T) {
	t.Parallel()
	c := replicaCluster(t, testserver.ClusterOptions{Replicas: true})
	fill(t, clusterClient(t, c), everything()...)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed ", seed)
	log := slog.New(slog.NewTextHandler(testLog{t}, nil))
	known := c.Nodes()[1].Server
	f := &clusterFollower{mirror: &mirror{}, source: func() *Source {
		return sourceOf(t, known, replica, fast, func(o *Options) { o.Logger = log })
	}}
	var added *testserver.Node
	for i, weather := range []struct {
		name string
		do   func() error
		lost bool // a snapshot may be due
	}{
		{"slots move while snapshots are read", func() error { return c.Move(t.Context(), 1000, 1049, c.Nodes()[1]) }, false},
		{"1000 slots move", func() error { return c.Move(t.Context(), 0, 999, c.Nodes()[2]) }, false},
		{"in order", func() error {
			_, err := c.FailOver(t.Context(), c.Nodes()[0])
			return err
		}, false},
		{"a node is added", func() (err error) {
			if added, err = c.Add(t.Context()); err != nil {
				return err
			}
			return c.Move(t.Context(), 500, 549, added)
		}, false},
		{"slots are half moved", func() error {
			if err := c.BeginMove(t.Context(), 500, 549, 1, c.Nodes()[1]); err != nil {
				return err
			}
			hot := keysIn(500, 549, 100) // are made on the node that is given their slots
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			client := clusterClient(t, c)
			var group sync.WaitGroup
			group.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					client.Do(ctx, client.B().Incr().Key(hot[i%len(hot)]).Build())
				}
			})
			f.reach(t, func(m *mirror) bool { return m.rows[hot[99]].Value != "" })
			cancel()
			group.Wait()
			return nil
		}, false},
		{"a node is removed", func() error {
			if err := c.Move(t.Context(), 500, 549, c.Nodes()[1]); err != nil {
				return err
			}
			f.reach(t, func(m *mirror) bool { return !strings.Contains(m.at.Token, added.ID) })
			return c.Remove(t.Context(), added)
		}, false},
		{"a node is emptied", func() error {
			send(t, clientOf(t, c.Nodes()[1].Server), "FLUSHALL")
			return nil
		}, true},
		{"by kill", func() error {
			_, err := c.Crash(t.Context(), c.Nodes()[2])
			return err
		}, true},
	} {
		before := len(f.mirror.lost)
		stop := writing(t, c, seed+uint64(i))
		f.begin(t)
		if err := weather.do(); err != nil {
			t.Fatal(err)
		}
		stop()
		client := clusterClient(t, c)
		settleCluster(t, c, client)
		f.meet(t, client, "mark "+strconv.Itoa(i))
		f.leave()
		f.mirror.equals(t, clusterWorld(t, c, client))
		if lost := f.mirror.lost[before:]; len(lost) > 0 && !weather.lost {
			t.Errorf("lost %q", lost)
		}
		if t.Failed() {
			t.Fatal(weather.name)
		}
	}
	if lost := strings.Join(f.mirror.lost, ", "); !strings.Contains(lost, c.Nodes()[1].Address()+": all databases were emptied (FLUSHALL)") {
		t.Errorf("lost %q", lost)
	}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
