package redis

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/churn"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
)

// flood writes with commands of all kinds, and so much that neither sockets nor the
// server's buffer for a replica hold it.
func flood(t *testing.T, s *testserver.Server) {
	t.Helper()
	c := clientOf(t, s)
	w, err := churn.New(s.Address(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	long := strings.Repeat("x", 200_000)
	for i := range 200 {
		send(t, c, "SET", "long"+strconv.Itoa(i%20), long+strconv.Itoa(i))
		for range 20 {
			if err := w.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// awaitSent waits until the server holds next to nothing for its replica.
func awaitSent(t *testing.T, c rueidis.Client) {
	t.Helper()
	for late := time.Now().Add(long); ; time.Sleep(10 * time.Millisecond) {
		text, err := send(t, c, "CLIENT", "LIST", "TYPE", "replica").ToString()
		if err != nil {
			t.Fatal(err)
		}
		_, held, there := strings.Cut(text, " omem=")
		held, _, _ = strings.Cut(held, " ")
		switch n, err := strconv.Atoi(held); {
		case !there || err != nil:
			t.Fatalf("the link is gone: %q", text)
		case n < 1<<20:
			return
		case time.Now().After(late):
			t.Fatalf("the server holds %d bytes", n)
		}
	}
}

// TestReplica_spool: while the destination takes nothing, what the server sends waits
// on disk, and the server holds nothing. Where the spool is full, the server drops the
// link in the end, and a new snapshot makes it good.
func TestReplica_spool(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spool int64
		says  string
		lost  int
	}{
		"spooled": {0, "changes wait for the destination", 0},
		"full":    {2 << 20, "the spool is full", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := primary(t, "--repl-backlog-size", "16kb")
			c := clientOf(t, s)
			fillStrings(t, c, 1000)
			messages := make(chan string, 10_000)
			change := func(o *Options) {
				o.Replica, o.AllDatabases, o.SpoolBytes, o.SpoolFolder = true, true, tt.spool, t.TempDir()
				o.PublishInterval = 10 * time.Millisecond
				o.Logger = slog.New(onMessage{slog.DiscardHandler, func(m string) { messages <- m }})
			}
			m := &mirror{}
			src := sourceOf(t, s, change, func(o *Options) { o.Follow = true })
			r, err := src.Open(t.Context(), row.Position{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.until(t.Context(), t, r, "0/s:999"); err != nil {
				t.Fatal(err)
			}

			flood(t, s)
			for m := ""; !strings.HasPrefix(m, tt.says); m = <-messages {
			}
			if tt.lost > 0 {
				send(t, c, "CONFIG", "SET", "client-output-buffer-limit", "replica 4mb 4mb 1")
				flood(t, s)
			} else {
				awaitSent(t, c)
			}
			send(t, c, "SET", "last", "x")

			_, err = m.until(t.Context(), t, r, "0/last")
			if dropped := err != nil; dropped != (tt.lost > 0) || dropped && !strings.Contains(err.Error(), "where client-output-buffer-limit was exceeded") {
				t.Errorf("what was received ended with %v", err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			settle(t, s)
			if err := m.run(t.Context(), t, sourceOf(t, s, change)); err != nil {
				t.Fatal(err)
			}
			m.equals(t, worldOf(t, s))
			if len(m.lost) != tt.lost || tt.lost > 0 && !strings.Contains(m.lost[0], "backlog does not reach back") {
				t.Errorf("lost %q", m.lost)
			}
		})
	}
}
