package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/churn"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/sourcetest"
)

// primary starts a server.
func primary(t *testing.T, args ...string) *testserver.Server {
	t.Helper()
	return testserver.Redis(t, testserver.Options{Args: args})
}

func replica(o *Options) { o.Replica = true }

// A mirror is a destination that keeps what it is told.
type mirror struct {
	rows   map[string]aRow
	staged map[string]aRow
	at     row.Position
	lost   []string // why snapshots started over
	then   func()   // is called when something was published
}

// run reads from where the mirror is to the end of the source, or until ctx ends.
func (m *mirror) run(ctx context.Context, t *testing.T, s *Source) error {
	t.Helper()
	for {
		err := m.attempt(ctx, t, s)
		lost, ok := errors.AsType[*source.PositionLostError](err)
		if !ok {
			return err
		}
		m.lost = append(m.lost, lost.Reason)
		m.at.Token = ""
	}
}

func (m *mirror) attempt(ctx context.Context, t *testing.T, s *Source) error {
	t.Helper()
	r, err := s.Open(ctx, m.at)
	if err != nil {
		return err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error("close:", err)
		}
	}()
	m.staged = map[string]aRow{}
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rowsOf(t, b, m.staged)
		switch b.Closes {
		case row.Snapshot:
			m.rows = map[string]aRow{}
			m.publish()
		case row.Changes:
			m.publish()
		case row.None, row.Commit:
			continue
		}
		m.at = b.After
		if m.then != nil {
			m.then()
		}
	}
}

func (m *mirror) publish() {
	for name, r := range m.staged {
		if r.Op == row.Delete {
			delete(m.rows, name)
		} else {
			m.rows[name] = r
		}
	}
	m.staged = map[string]aRow{}
}

// equals compares the mirror with what the server answers to typed commands.
func (m *mirror) equals(t *testing.T, want map[string]aRow) {
	t.Helper()
	faults := 0
	for name, w := range want {
		got, ok := m.rows[name]
		got.TTL, w.TTL = 0, 0
		if !ok || got != w {
			if faults++; faults < 10 {
				t.Errorf("%q: got %.200v (there: %t), want %.200v", name, got, ok, w)
			}
		}
	}
	for name := range m.rows {
		if _, ok := want[name]; !ok {
			if faults++; faults < 10 {
				t.Errorf("%q is there, and gone in the server", name)
			}
		}
	}
}

// worldOf returns the rows of every database of a server that churn writes to.
func worldOf(t *testing.T, s *testserver.Server) map[string]aRow {
	t.Helper()
	all := map[string]aRow{}
	for n := range churn.Databases {
		for name, r := range oracle(t, clientOf(t, s, inDatabase(n))) {
			r.Database = int64(n)
			all[strconv.Itoa(n)+"/"+name] = r
		}
	}
	return all
}

func TestReplica_conformance(t *testing.T) {
	t.Parallel()
	s := primary(t)
	fillStrings(t, clientOf(t, s), 12_345)
	sourcetest.Run(t, sourcetest.Fixture{
		Open:    func(t *testing.T) source.Source { return sourceOf(t, s, replica) },
		Rows:    12_345,
		Changes: true,
	})
}

func TestReplica_changes(t *testing.T) {
	s := primary(t)
	c := clientOf(t, s)
	fill(t, c,
		[]string{"SET", "name", "ann"}, []string{"HSET", "hash", "b", "2", "a", "1"}, []string{"SET", "gone", "x"}, []string{"SET", "expiring", "x", "PX", "600000"},
		[]string{"RPUSH", "list", "a"}, []string{"SADD", "set", "m"}, []string{"ZADD", "zset", "1", "m"}, []string{"XADD", "stream", "1-1", "f", "v"},
	)
	m := &mirror{}
	run := func() {
		t.Helper()
		if err := m.run(t.Context(), t, sourceOf(t, s, replica)); err != nil {
			t.Fatal(err)
		}
		m.equals(t, oracle(t, c))
		if len(m.lost) != 0 || m.at.Generation != 1 {
			t.Fatalf("generation %d, lost: %q", m.at.Generation, m.lost)
		}
	}
	run()
	if len(m.rows) != 8 {
		t.Fatalf("%d rows", len(m.rows))
	}
	run() // nothing changed
	fill(t, c,
		[]string{"SET", "name", "bob"}, []string{"HSET", "hash", "c", "3"}, []string{"DEL", "gone"}, []string{"PEXPIRE", "expiring", "900000"}, []string{"SET", "new", "\xff\x00"},
		[]string{"LPUSH", "list", "b"}, []string{"RENAME", "set", "renamed"}, []string{"ZINCRBY", "zset", "5", "m"}, []string{"XADD", "stream", "2-1", "f", "v"},
		[]string{"SET", "brief", "x", "PX", "1"}, []string{"INCR", "counter"}, []string{"COPY", "name", "copied"}, []string{"SELECT", "4"}, []string{"SET", "elsewhere", "x"}, []string{"SELECT", "0"},
		[]string{"MULTI"}, []string{"SET", "both", "1"}, []string{"SADD", "too", "2"}, []string{"EXEC"},
		[]string{"EVAL", "redis.call('set', KEYS[1], 'by script') return redis.call('del', KEYS[2])", "2", "scripted", "copied"},
	)
	time.Sleep(20 * time.Millisecond) // until the brief key has expired
	run()
	if _, there := m.rows["brief"]; there || m.rows["name"].Value != "bob" || m.rows["scripted"].Value != "by script" {
		t.Errorf("%v", m.rows)
	}
}

// TestReplica_lost: what cannot be told key by key, and a history that is gone,
// starts a new snapshot.
func TestReplica_lost(t *testing.T) {
	t.Parallel()
	s := primary(t, "--repl-backlog-size", "16kb")
	c := clientOf(t, s)
	for _, tt := range []struct {
		why     string
		do      func()
		options func(*Options)
	}{
		{"emptied (FLUSHALL)", func() { fill(t, c, []string{"FLUSHALL"}, []string{"SET", "after", "1"}) }, replica},
		{"database 0 was emptied (FLUSHDB)", func() { fill(t, c, []string{"SET", "k", "v"}, []string{"FLUSHDB"}) }, replica},
		{"database 0 was exchanged", func() { fill(t, c, []string{"SWAPDB", "0", "3"}) }, replica},
		{"larger repl-backlog-size", func() {
			for i := range 100 {
				fill(t, c, []string{"SET", "large" + strconv.Itoa(i), strings.Repeat("x", 1000)})
			}
			fill(t, c, []string{"DEL", "large7"})
		}, replica},
		{"settings of what is read", func() {}, func(o *Options) { o.Replica, o.Exclude = true, []string{"no"} }},
	} {
		m := &mirror{}
		fill(t, c, []string{"SET", "first", "1"})
		if err := m.run(t.Context(), t, sourceOf(t, s, replica)); err != nil {
			t.Fatal(err)
		}
		tt.do()
		if err := m.run(t.Context(), t, sourceOf(t, s, tt.options)); err != nil {
			t.Fatal(tt.why, ": ", err)
		}
		if len(m.lost) != 1 || !strings.Contains(m.lost[0], tt.why) || m.at.Generation != 2 {
			t.Errorf("generation %d, lost %q, want %q", m.at.Generation, m.lost, tt.why)
		}
		m.equals(t, oracle(t, c))
	}
	// The history ends with the process.
	m := &mirror{}
	if err := m.run(t.Context(), t, sourceOf(t, s, replica)); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = clientOf(t, s)
	fill(t, c, []string{"SET", "new", "1"})
	if err := m.run(t.Context(), t, sourceOf(t, s, replica)); err != nil {
		t.Fatal(err)
	}
	if len(m.lost) != 1 || !strings.Contains(m.lost[0], "another history") {
		t.Errorf("lost %q", m.lost)
	}
	m.equals(t, oracle(t, c))
}

func TestReplica_positions(t *testing.T) {
	s := primary(t)
	src := sourceOf(t, s, replica)
	for token, want := range map[string]string{
		`{"v":1,"mode":"rdb"}`:                  "another mode",
		`{"v":1,"filter":"x"}`:                  "another mode",
		`{"v":2,"mode":"replica"}`:              "another version",
		`{"v":1,"mode":"replica","filter":"x"}`: "settings of what is read",
	} {
		_, err := src.Open(t.Context(), row.Position{Generation: 3, Token: token})
		if lost, ok := errors.AsType[*source.PositionLostError](err); !ok || !strings.Contains(lost.Reason, want) {
			t.Errorf("%s: %v", token, err)
		}
	}
	// Behind a complete snapshot by SCAN a snapshot as a replica follows, and back.
	m := &mirror{}
	fillStrings(t, clientOf(t, s), 100)
	for i, change := range []func(*Options){func(*Options) {}, replica, func(*Options) {}} {
		if err := m.run(t.Context(), t, sourceOf(t, s, change)); err != nil {
			t.Fatal(err)
		}
		if len(m.rows) != 100 || m.at.Generation != int64(i+1) {
			t.Errorf("run %d: %d rows, generation %d", i, len(m.rows), m.at.Generation)
		}
	}
	if len(m.lost) != 1 || m.lost[0] != "it was made in mode replica" {
		t.Errorf("lost %q", m.lost)
	}
}

func TestReplica_refused(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{ACL: []string{"default on nopass ~* +@all", "plain on >pw ~* +@all -psync"}})
	_, err := sourceOf(t, s, replica, func(o *Options) { o.Username, o.Password = "plain", "pw" }).Open(t.Context(), row.Position{})
	access, ok := errors.AsType[*source.AccessError](err)
	if !ok || !strings.Contains(access.Error(), "grant +psync and +replconf to the user, or set mode to scan") {
		t.Errorf("%v", err)
	}
}

// TestReplica_leastPrivilege: the documented user reads as a replica, and nothing
// that it does is refused.
func TestReplica_leastPrivilege(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	more := regexp.MustCompile(`(?m)^ACL SETUSER keylift (\+psync .*)$`).FindSubmatch(text)
	if more == nil {
		t.Fatal("docs/permissions.md has no rule for mode replica")
	}
	s := testserver.Redis(t, testserver.Options{
		ACL: []string{"default on nopass ~* &* +@all", documentedRule(t) + " " + string(more[1])},
	})
	c := clientOf(t, s)
	fill(t, c, everything()...)
	src := sourceOf(t, s, replica, func(o *Options) { o.Username, o.Password = "keylift", "PASSWORD" })
	m := &mirror{}
	for range 2 {
		if err := m.run(t.Context(), t, src); err != nil {
			t.Fatal(err)
		}
		m.equals(t, oracle(t, c))
		fill(t, c, []string{"SET", "new", "1"}, []string{"SADD", "members", "x"})
	}
	report, err := src.Inspect(t.Context())
	if err != nil || report.Mode != "replica" {
		t.Errorf("%+v, %v", report, err)
	}
	for _, f := range report.Findings {
		if f.Level == source.Fail {
			t.Errorf("%+v", f)
		}
	}
	log, err := send(t, c, "ACL", "LOG").ToArray()
	if err != nil {
		t.Fatal(err)
	}
	for i := range log {
		entry, err := log[i].AsStrMap()
		if err != nil {
			t.Fatal(err)
		}
		if object := entry["object"]; object != "config|get" && object != "pttl" {
			t.Errorf("refused: %q", object)
		}
	}
}

// TestReplica_random follows a writer of everything through cuts of the network,
// and compares when it stops.
func TestReplica_random(t *testing.T) {
	t.Parallel()
	s := primary(t, "--maxmemory-policy", "allkeys-random", "--repl-backlog-size", "10mb")
	proxy := proxyTo(t, s)
	everything := func(o *Options) { o.Replica, o.AllDatabases, o.PublishInterval = true, true, 20*time.Millisecond }
	m := &mirror{}
	if err := m.run(t.Context(), t, sourceOf(t, s, through(proxy), everything)); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		writing, stop := context.WithTimeout(t.Context(), 700*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() {
			w, err := churn.New(s.Address(), uint64(round))
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			if round > 1 {
				w.Upheavals = 1500
			}
			for last := 500; last > 0; { // in the end there is something to compare
				if writing.Err() != nil {
					w.Upheavals = 0
					last--
				}
				if err := w.Step(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for writing.Err() == nil {
				time.Sleep(100 * time.Millisecond)
				proxy.Cut()
			}
		})
		// Follow, and go on after every cut.
		src := sourceOf(t, s, through(proxy), everything, func(o *Options) { o.Follow = true })
		for writing.Err() == nil {
			err := m.run(writing, t, src)
			if err == nil || writing.Err() == nil && !retryable(err) {
				if _, access := errors.AsType[*source.AccessError](err); !access { // cut in the handshake
					t.Errorf("round %d: %v", round, err)
				}
			}
		}
		stop()
		wg.Wait()
		settle(t, s)
		if err := m.run(t.Context(), t, sourceOf(t, s, through(proxy), everything)); err != nil {
			t.Fatal(err)
		}
		want := worldOf(t, s)
		m.equals(t, want)
		t.Logf("round %d: %d keys, generation %d, lost %q", round, len(want), m.at.Generation, m.lost)
		if len(want) < 20 {
			t.Errorf("only %d keys to compare", len(want))
		}
	}
}

// TestReplica_transaction: what a transaction changed is published at once.
func TestReplica_transaction(t *testing.T) {
	t.Parallel()
	s := primary(t)
	c := clientOf(t, s)
	src := sourceOf(t, s, replica, func(o *Options) { o.Follow, o.PublishInterval = true, 5*time.Millisecond })
	r, err := src.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 300 {
			n := fmt.Sprint(i)
			c.DoMulti(t.Context(), c.B().Multi().Build(), c.B().Set().Key("a"+n).Value("x").Build(), c.B().Rpush().Key("b"+n).Element("x").Build(), c.B().Exec().Build())
		}
		send(t, c, "SET", "end", "x")
	})
	defer wg.Wait()
	published := map[string]aRow{}
	run := map[string]aRow{}
	for {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rowsOf(t, b, run)
		if b.Closes != row.Changes {
			continue
		}
		maps.Copy(published, run)
		clear(run)
		for i := range 300 {
			n := fmt.Sprint(i)
			_, a := published["a"+n]
			if _, both := published["b"+n]; a != both {
				t.Fatalf("transaction %d is published in part", i)
			}
		}
		if _, ended := published["end"]; ended {
			return
		}
	}
}

// TestReplica_failover: a replica that takes over goes on with the history, unless
// rows show writes that it has never had, or may.
func TestReplica_failover(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		ahead, over bool
		keys        int          // that change
		closes      row.Boundary // of the last batch that is taken
	}{
		{"behind", false, false, 1, row.Changes},
		{"ahead", true, true, 1, row.Changes},
		{"within changes", false, true, changedKeys + 1, row.Commit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was, is := primary(t, "--repl-ping-replica-period", "3600"), primary(t)
			link, proxy := proxyTo(t, was), proxyTo(t, was)
			src := sourceOf(t, was, replica, through(proxy))
			old, next := clientOf(t, was), clientOf(t, is)
			fill(t, old, []string{"RPUSH", "list", "a"})
			m := &mirror{}
			if err := m.run(t.Context(), t, src); err != nil {
				t.Fatal(err)
			}
			host, port, _ := strings.Cut(link.Address(), ":")
			fill(t, next, []string{"REPLICAOF", host, port})
			untilInfo(t, is, "master_link_status:up")

			for i := range tt.keys - 1 {
				fill(t, old, []string{"INCR", "counter" + strconv.Itoa(i)})
			}
			fill(t, old, []string{"RPUSH", "list", "b"})
			if n, err := send(t, old, "WAIT", "1", "0").AsInt64(); err != nil || n != 1 {
				t.Fatal(n, err)
			}
			// The reader's place is behind b; what it reads is behind c.
			r, err := src.Open(t.Context(), m.at)
			if err != nil {
				t.Fatal(err)
			}
			link.Swallow(true)
			if tt.ahead {
				fill(t, old, []string{"RPUSH", "list", "c"})
			}
			for at := m.at; m.at == at; {
				b, err := r.Next(t.Context())
				if err != nil || b.Closes != row.None && b.Closes != tt.closes {
					t.Fatalf("%+v, %v", b, err)
				}
				rowsOf(t, b, m.rows)
				if b.Closes == tt.closes {
					m.at = b.After
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}

			was.Kill()
			link.Cut()
			fill(t, next, []string{"REPLICAOF", "NO", "ONE"}, []string{"SET", "new", "1"})
			proxy.Redirect("tcp", is.Address())
			if err := m.run(t.Context(), t, src); err != nil {
				t.Fatal(err)
			}
			m.equals(t, oracle(t, next))
			if over := len(m.lost) == 1 && strings.Contains(m.lost[0], "without its last writes"); over != tt.over {
				t.Errorf("lost %q", m.lost)
			}
		})
	}
}

// TestReplica_auto: auto takes the replica for a sync that follows and behind a run
// that was one, where the server permits it.
func TestReplica_auto(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{
		ACL:  []string{"default on nopass ~* &* +@all", "plain on >pw ~* &* +@all -psync"},
		Args: []string{"--notify-keyspace-events", "KEA"},
	})
	auto := func(o *Options) { o.Auto = true }
	follow := func(o *Options) { o.Auto, o.Follow = true, true }
	plain := func(o *Options) { o.Username, o.Password = "plain", "pw" }
	for _, tt := range []struct {
		change       []func(*Options)
		mode, reason string
	}{
		{[]func(*Options){auto}, "scan", "it starts no fork in the server"},
		{[]func(*Options){follow}, "replica", "the server permits PSYNC, and the sync follows"},
		{[]func(*Options){follow, plain}, "scan", "keylift may not join as a replica: the server does not let"},
	} {
		report, err := sourceOf(t, s, tt.change...).Inspect(t.Context())
		if err != nil || report.Mode != tt.mode || !strings.Contains(report.Reason, tt.reason) {
			t.Errorf("got %+v, %v, want mode %s: %s", report, err, tt.mode, tt.reason)
		}
	}
	fillStrings(t, clientOf(t, s), 100)
	m := &mirror{}
	for i, tt := range []struct {
		change     []func(*Options)
		replica    bool
		generation int64
	}{
		{[]func(*Options){auto}, false, 1},
		{[]func(*Options){replica}, true, 2},
		{[]func(*Options){auto}, true, 2},
		{[]func(*Options){auto, plain}, false, 3},
	} {
		if err := m.run(t.Context(), t, sourceOf(t, s, tt.change...)); err != nil {
			t.Fatal(err)
		}
		if ofReplica(m.at) != tt.replica || m.at.Generation != tt.generation || len(m.rows) != 100 {
			t.Errorf("run %d: %+v with %d rows", i, m.at, len(m.rows))
		}
	}
}
