package redis

import (
	"context"
	"errors"
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
)

// notifying starts a server that notifies of all changes.
func notifying(t *testing.T, args ...string) *testserver.Server {
	t.Helper()
	return testserver.Redis(t, testserver.Options{Args: append([]string{"--notify-keyspace-events", "KEA"}, args...)})
}

func notified(o *Options) { o.Follow, o.PublishInterval = true, 10*time.Millisecond }

// until reads from where the mirror is until it has a row, and returns how many
// snapshots were published.
func (m *mirror) until(ctx context.Context, t *testing.T, r source.Reader, name string) (snapshots int, err error) {
	t.Helper()
	m.staged = map[string]aRow{}
	for {
		if _, there := m.rows[name]; there {
			return snapshots, nil
		}
		b, err := r.Next(ctx)
		if err != nil {
			return snapshots, err
		}
		rowsOf(t, b, m.staged)
		switch b.Closes {
		case row.Snapshot:
			snapshots++
			m.rows = map[string]aRow{}
		case row.Changes:
		case row.None, row.Commit:
			continue
		}
		m.publish()
		m.at = b.After
	}
}

func openReader(t *testing.T, s *Source, from row.Position) source.Reader {
	t.Helper()
	r, err := s.Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestNotified_random: as long as the connection holds, notifications alone bring
// what a writer of everything changes, with expiry and eviction.
func TestNotified_random(t *testing.T) {
	t.Parallel()
	s := notifying(t, "--maxmemory-policy", "allkeys-random")
	c := clientOf(t, s)
	w, err := churn.New(s.Address(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 500 {
		if err := w.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m := &mirror{}
	r := openReader(t, sourceOf(t, s, notified, func(o *Options) { o.AllDatabases = true }), row.Position{})
	for round := range 3 {
		var wg sync.WaitGroup
		end := "end" + strconv.Itoa(round)
		wg.Go(func() {
			for i := range 3000 {
				if err := w.Step(t.Context()); err != nil {
					t.Error(err)
				}
				if round == 2 && i == 2000 {
					send(t, c, "CONFIG", "SET", "maxmemory", "1mb") // evicts
				}
				if round == 2 && i == 2100 {
					send(t, c, "CONFIG", "SET", "maxmemory", "0")
				}
			}
			settle(t, s)
			send(t, c, "SET", end, "x")
		})
		snapshots, err := m.until(t.Context(), t, r, "0/"+end)
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if want := max(1-round, 0); snapshots != want {
			t.Errorf("round %d: %d snapshots, want %d", round, snapshots, want)
		}
		want := worldOf(t, s)
		m.equals(t, want)
		t.Logf("round %d: %d keys", round, len(want))
	}
}

// TestNotified_repair: what no notification tells is repaired.
func TestNotified_repair(t *testing.T) {
	t.Parallel()
	s := notifying(t)
	c := clientOf(t, s)
	fillStrings(t, c, 1000)
	m := &mirror{}
	src := sourceOf(t, s, notified)
	r := openReader(t, src, row.Position{})
	next, emptied := 0, 0
	follow := func(want int, what string) {
		t.Helper()
		next++
		end := "end" + strconv.Itoa(next)
		send(t, c, "SET", end, "x")
		snapshots, err := m.until(t.Context(), t, r, end)
		if lost, ok := errors.AsType[*source.PositionLostError](err); ok && lost.Emptied {
			emptied++
			r = openReader(t, src, row.Position{Generation: m.at.Generation})
			snapshots, err = m.until(t.Context(), t, r, end)
		}
		if err != nil || snapshots != want {
			t.Errorf("%s: %d snapshots, want %d; %v", what, snapshots, want, err)
		}
		m.equals(t, oracle(t, c))
	}
	follow(1, "first")
	fill(t, c, []string{"FLUSHDB"}, []string{"SET", "left", "1"})
	follow(1, "a flush")
	fill(t, c, []string{"SELECT", "4"}, []string{"SET", "other", "1"}, []string{"SELECT", "0"}, []string{"SWAPDB", "0", "4"})
	follow(1, "a swap")
	if emptied != 2 {
		t.Errorf("a flush and a swap: the position was lost to them %d times", emptied)
	}
	send(t, c, "CONFIG", "RESETSTAT")
	follow(1, "counters that begin anew")
	if emptied != 2 {
		t.Error("counters that begin anew are taken for a flush")
	}
	remember := func(bytes int) {
		events := r.(*notifiedReader).events
		events.mu.Lock()
		defer events.mu.Unlock()
		events.limit = bytes
	}
	remember(0)
	fillStrings(t, c, 1000)
	follow(1, "an overflow")
	remember(windowBytes)
	send(t, c, "SET", "late", "x") // behind notifications that came late, and were too many again
	if _, err := m.until(t.Context(), t, r, "late"); err != nil {
		t.Fatal(err)
	}
	send(t, c, "DEL", "other")
	follow(0, "a delete")
}

// TestNotified_replaced: a server that another one took the place of, with nothing in
// it, was not seen to be emptied, whatever it counts.
func TestNotified_replaced(t *testing.T) {
	s := notifying(t)
	c := clientOf(t, s)
	send(t, c, "FLUSHALL")
	fillStrings(t, c, 100)
	r := openReader(t, sourceOf(t, s, notified), row.Position{})
	m := &mirror{}
	send(t, c, "SET", "end", "x")
	if _, err := m.until(t.Context(), t, r, "end"); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := m.until(t.Context(), t, r, "never")
	if lost, ok := errors.AsType[*source.PositionLostError](err); err == nil || ok && lost.Emptied {
		t.Errorf("got %v", err)
	}
	if (flushes{runID: "1f", calls: 3}).follow(flushes{runID: "9c", calls: 1}) {
		t.Error("another server's count says something")
	}
}

// TestNotified_cuts: when the writer stops, one snapshot behind the last cut has the
// destination equal the source.
func TestNotified_cuts(t *testing.T) {
	t.Parallel()
	s := notifying(t)
	proxy := proxyTo(t, s)
	src := sourceOf(t, s, notified, through(proxy), func(o *Options) { o.AllDatabases = true })
	writing, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		w, err := churn.New(s.Address(), 2)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		w.Upheavals = 1000
		for writing.Err() == nil {
			if err := w.Step(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for writing.Err() == nil {
			time.Sleep(75 * time.Millisecond)
			proxy.Cut()
		}
	})
	m := &mirror{}
	for writing.Err() == nil {
		err := m.run(writing, t, src)
		var retry interface{ Retryable() bool }
		if writing.Err() == nil && (!errors.As(err, &retry) || !retry.Retryable()) {
			if _, access := errors.AsType[*source.AccessError](err); !access { // cut in the handshake
				t.Errorf("not to be tried again: %v", err)
			}
		}
	}
	wg.Wait()
	settle(t, s)
	send(t, clientOf(t, s), "SET", "end", "x")
	snapshots, err := m.until(t.Context(), t, openReader(t, src, m.at), "0/end")
	if err != nil || snapshots != 1 {
		t.Errorf("%d snapshots, %v", snapshots, err)
	}
	m.equals(t, worldOf(t, s))
}

// TestNotified_interval: all keys are read again every RepairInterval, though
// nothing is notified of.
func TestNotified_interval(t *testing.T) {
	t.Parallel()
	s := notifying(t)
	c := clientOf(t, s)
	fillStrings(t, c, 100)
	m := &mirror{}
	r := openReader(t, sourceOf(t, s, notified, func(o *Options) { o.RepairInterval = 200 * time.Millisecond }), row.Position{})
	if _, err := m.until(t.Context(), t, r, "s:7"); err != nil {
		t.Fatal(err)
	}
	send(t, c, "CONFIG", "SET", "notify-keyspace-events", "")
	send(t, c, "SET", "untold", "1")
	if snapshots, err := m.until(t.Context(), t, r, "untold"); err != nil || snapshots == 0 {
		t.Errorf("%d snapshots, %v", snapshots, err)
	}
	m.equals(t, oracle(t, c))
}

// TestNotified_resumed: a snapshot of which an earlier run read a part, while nobody
// listened, is followed by another at once.
func TestNotified_resumed(t *testing.T) {
	t.Parallel()
	s := notifying(t)
	c := clientOf(t, s)
	fillStrings(t, c, 5000)
	read := map[string]aRow{}
	r := openReader(t, sourceOf(t, s), row.Position{})
	var at row.Position
	for at.Token == "" {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rowsOf(t, b, read)
		at = b.After
	}
	changed := keysOf(read)[0]
	send(t, c, "SET", changed, "another")
	m := &mirror{}
	r = openReader(t, sourceOf(t, s, notified), at)
	snapshots, err := m.until(t.Context(), t, r, changed)
	if err != nil || snapshots != 2 {
		t.Errorf("%d snapshots, want 2; %v", snapshots, err)
	}
	m.equals(t, oracle(t, c))
}

// TestNotified_leastPrivilege: the documented user follows by notifications.
func TestNotified_leastPrivilege(t *testing.T) {
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	more := regexp.MustCompile(`(?m)^ACL SETUSER keylift (\+psubscribe .*)$`).FindSubmatch(text)
	if more == nil {
		t.Fatal("docs/permissions.md has no rule for notifications")
	}
	s := testserver.Redis(t, testserver.Options{
		ACL:  []string{"default on nopass ~* &* +@all", documentedRule(t) + " " + string(more[1]), "keylift2 on nopass resetchannels ~* +@all -config"},
		Args: []string{"--notify-keyspace-events", "AE"},
	})
	c := clientOf(t, s)
	fillStrings(t, c, 10)
	src := sourceOf(t, s, notified, func(o *Options) { o.Username, o.Password = "keylift", "PASSWORD" })
	m := &mirror{}
	r := openReader(t, src, row.Position{})
	for _, key := range []string{"a", "b"} {
		send(t, c, "SET", key, "x")
		if _, err := m.until(t.Context(), t, r, key); err != nil {
			t.Fatal(err)
		}
	}
	// Another one may hear of nothing.
	src = sourceOf(t, s, notified, func(o *Options) { o.Username, o.Password = "keylift2", "any" })
	_, err = src.Open(t.Context(), row.Position{})
	const grant = "grant +psubscribe +ping &__keyevent@0__:* to the user"
	if access, ok := errors.AsType[*source.AccessError](err); !ok || !strings.Contains(access.Error(), grant) {
		t.Errorf("got %v", err)
	}
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]source.Level{}
	for _, f := range report.Findings {
		got[f.Name] = f.Level
	}
	if got["notifications"] != source.Warn || got["permission PSUBSCRIBE"] != source.Fail {
		t.Errorf("findings %+v", report.Findings)
	}
}

// TestNotified_setting: a server that does not notify is refused, with what to set.
func TestNotified_setting(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{Args: []string{"--notify-keyspace-events", "Kx"}})
	src := sourceOf(t, s, notified)
	_, err := src.Open(t.Context(), row.Position{})
	const want = `notify-keyspace-events is "xK", which lacks Eg$lshzetd, so the server does not tell what changes; set it to KEA`
	if access, ok := errors.AsType[*source.AccessError](err); !ok || !strings.Contains(access.Error(), want) {
		t.Errorf("got %v", err)
	}
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(report.Reason, "eventually, within that time") || report.Mode != "scan" {
		t.Errorf("mode %s: %s", report.Mode, report.Reason)
	}
	for _, f := range report.Findings {
		if f.Name == "notifications" && (f.Level != source.Fail || !strings.Contains(f.Detail, want)) {
			t.Errorf("%+v", f)
		}
	}
}

func TestParseChannel(t *testing.T) {
	for channel, want := range map[string]struct {
		database int
		event    string
		ok       bool
	}{
		"__keyevent@0__:set":        {0, "set", true},
		"__keyevent@12__:rename_to": {12, "rename_to", true},
		"__keyevent@x__:set":        {0, "set", false},
		"__keyevent@3":              {0, "", false},
		"__keyspace@3__:name":       {0, "", false},
	} {
		database, event, ok := parseChannel([]byte(channel))
		if database != want.database || event != want.event || ok != want.ok {
			t.Errorf("%s: %d, %q, %t", channel, database, event, ok)
		}
	}
}
