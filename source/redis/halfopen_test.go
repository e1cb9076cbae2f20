package redis

import (
	"strconv"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// eachHalf runs a test for each half that a connection may lose.
func eachHalf(t *testing.T, test func(t *testing.T, lost faultproxy.Half)) {
	t.Helper()
	for name, lost := range map[string]faultproxy.Half{"answers": faultproxy.Answers, "requests": faultproxy.Requests, "server": faultproxy.Server} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, lost)
		})
	}
}

// hasty makes waiting for the server short. Where the machine is slow that ends
// connections that are whole, too.
func hasty(o *Options) { o.IOTimeout, o.silence = 500*time.Millisecond, 2*time.Second }

// insistently opens a reader, again where that takes too long.
func insistently(t *testing.T, src *Source, from row.Position) source.Reader {
	t.Helper()
	for {
		r, err := src.Open(t.Context(), from)
		if err == nil {
			return r
		}
		if !retryable(err) {
			t.Fatal(err)
		}
	}
}

// TestReader_Next_halfOpen: connections that are dead and do not tell are noticed, and
// reading goes on over others.
func TestReader_Next_halfOpen(t *testing.T) {
	s := notifying(t)
	fillStrings(t, clientOf(t, s), 20_000)
	eachHalf(t, func(t *testing.T, lost faultproxy.Half) {
		p := proxyTo(t, s)
		r := insistently(t, sourceOf(t, s, through(p), unread, hasty), row.Position{})
		defer r.Close()
		p.HalfOpen(lost)
		var err error
		for err == nil {
			_, err = r.Next(t.Context())
		}
		if !retryable(err) {
			t.Errorf("%v, want an error that may pass", err)
		}
		if got := readAll(t, sourceOf(t, s, through(p)), row.Position{}); len(got.rows) != 20_000 {
			t.Errorf("%d keys", len(got.rows))
		}
	})
}

// TestReplica_halfOpen: a link that is dead and does not tell is noticed, here or by the
// server. What was written meanwhile comes from the backlog.
func TestReplica_halfOpen(t *testing.T) {
	s := primary(t, "--repl-ping-replica-period", "1", "--repl-timeout", "2")
	followHalfOpen(t, s, replica, false)
}

// TestNotified_halfOpen: what was not notified of is found by reading all keys again.
func TestNotified_halfOpen(t *testing.T) {
	followHalfOpen(t, notifying(t), notified, true)
}

// followHalfOpen follows until connections are half open, and goes on, with a snapshot
// or without.
func followHalfOpen(t *testing.T, s *testserver.Server, mode func(*Options), anew bool) {
	t.Helper()
	c := clientOf(t, s)
	fillStrings(t, c, 100)
	eachHalf(t, func(t *testing.T, lost faultproxy.Half) {
		p := proxyTo(t, s)
		src := sourceOf(t, s, through(p), mode, notified, hasty)
		m, struck := &mirror{}, false
		before, behind := "before:"+strconv.Itoa(int(lost)), "behind:"+strconv.Itoa(int(lost))
		// read reads until there are all of some rows, or to an error that may pass.
		read := func(rows ...string) (snapshots int, err error) {
			r := insistently(t, src, m.at)
			defer r.Close()
			for _, name := range rows {
				var n int
				n, err = m.until(t.Context(), t, r, name)
				snapshots += n
				switch {
				case err != nil && !retryable(err):
					t.Fatal(err)
				case err != nil:
					return snapshots, err
				case name == "s:99":
					send(t, c, "SET", before, "1")
				case name == before:
					p.HalfOpen(lost)
					struck = true
				}
			}
			return snapshots, nil
		}
		for !struck { // the machine may be slow
			if _, err := read("s:99", before, "never"); err == nil {
				t.Fatal("nothing is noticed")
			}
		}
		send(t, c, "SET", behind, "1")
		snapshots := 0
		for done := false; !done; {
			n, err := read(behind)
			snapshots, done = snapshots+n, err == nil
		}
		if snapshots > 0 != anew {
			t.Errorf("%d snapshots", snapshots)
		}
	})
}
