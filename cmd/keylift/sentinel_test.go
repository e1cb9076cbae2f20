package main

import (
	"database/sql"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// The sentinels promote a replica while one sync reads by SCAN and another follows as
// a replica: neither fails, the first begins anew, the second goes on where it was.
func TestSync_sentinels(t *testing.T) {
	t.Parallel()
	g := testserver.RedisSentinel(t, testserver.SentinelOptions{})
	send := func(s *testserver.Server, commands ...[]string) {
		t.Helper()
		client, err := rueidis.NewClient(single(s))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, c := range commands {
			if err := client.Do(t.Context(), client.B().Arbitrary(c...).Build()).Error(); err != nil {
				t.Fatalf("%.60q: %v", c, err)
			}
		}
	}
	const keys, left = 10_000, 50 // before the failover, which a scan would take minutes for, and behind it
	set, del := []string{"MSET", "follow:1", "a"}, []string{"DEL"}
	for i := range keys {
		set = append(set, "scan:"+strconv.Itoa(i), "x")
		if i >= left {
			del = append(del, "scan:"+strconv.Itoa(i))
		}
	}
	send(g.Servers()[0], set)
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}

	folder := t.TempDir()
	sync := func(text, file string, args ...string) *process {
		t.Helper()
		args = append([]string{"sync", "--verbose", "--sentinel-name", g.Name(), "--destination", filepath.Join(folder, file)}, args...)
		for _, s := range g.Sentinels() {
			args = append(args, "--sentinel-addresses", s.Address())
		}
		return start(t, exec.CommandContext(t.Context(), "keylift", args...), text)
	}
	scan := sync(begins, "scan.db", "--mode", "scan", "--key-pattern", "scan:*", "--max-keys-per-second", "100")
	follow := sync("generation=1 rows=1", "follow.db", "--mode", "replica", "--follow", "--key-pattern", "follow:*", "--publish-interval", "20ms")
	for _, p := range []*process{scan, follow} {
		if !p.meets() {
			t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
		}
	}
	is, err := g.FailOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send(is, del, []string{"SET", "follow:2", "b"})

	published := regexp.MustCompile(`msg=publishing .*generation=1 rows=2\n`)
	for late := time.Now().Add(hung); !published.MatchString(follow.out.String()); follow.wait(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the change behind the failover is not published:\n%s", follow.out)
		}
	}
	<-scan.ended
	if scan.err != nil || !strings.Contains(scan.out.String(), "reading failed, trying again") {
		t.Errorf("keylift sync: %v\n%s", scan.err, scan.out)
	}
	select {
	case <-follow.ended:
		t.Errorf("keylift sync: %v", follow.err)
	default:
	}
	_ = follow.cmd.Process.Kill()
	<-follow.ended
	if strings.Contains(follow.out.String(), "starts over") {
		t.Errorf("the place was lost:\n%s", follow.out)
	}
	for file, want := range map[string]int{"scan.db": left, "follow.db": 2} {
		db, err := sql.Open("duckdb", filepath.Join(folder, file)+"?access_mode=READ_ONLY")
		if err != nil {
			t.Fatal(err)
		}
		var got int
		err = db.QueryRowContext(t.Context(), `SELECT count(*) FROM redis_data
			WHERE (key, value) IN (('follow:1', 'a'), ('follow:2', 'b')) OR value = 'x' AND CAST(substr(key, 6) AS INT) < ?`, left).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%s: %d rows, want %d (%v)", file, got, want, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
