package redis

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
)

// TestReplica_evicted: what the server evicts and what expires while a reader
// follows is deleted. Reading changes nothing.
func TestReplica_evicted(t *testing.T) {
	t.Parallel()
	s := primary(t, "--maxmemory-policy", "allkeys-lru", "--repl-backlog-size", "10mb")
	c := clientOf(t, s)
	kilobyte := strings.Repeat("x", 1000)
	for i := range 1000 {
		fill(t, c, []string{"SET", "old" + strconv.Itoa(i), kilobyte})
	}
	m := &mirror{}
	if err := m.run(t.Context(), t, sourceOf(t, s, replica)); err != nil {
		t.Fatal(err)
	}

	src := sourceOf(t, s, replica, func(o *Options) { o.Follow, o.PublishInterval = true, 5*time.Millisecond })
	r, err := src.Open(t.Context(), m.at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	memory := func() map[string]string {
		t.Helper()
		text, err := send(t, c, "INFO").ToString()
		if err != nil {
			t.Fatal(err)
		}
		return parseInfo(text)
	}
	used, err := strconv.Atoi(memory()["used_memory"])
	if err != nil {
		t.Fatal(err)
	}
	fill(t, c, []string{"CONFIG", "SET", "maxmemory", strconv.Itoa(used + 100<<10)})
	for i := range 300 {
		fill(t, c, []string{"SET", "new" + strconv.Itoa(i), kilobyte}, []string{"SET", "brief" + strconv.Itoa(i), "x", "PX", strconv.Itoa(1 + i%20)})
	}
	fill(t, c, []string{"CONFIG", "SET", "maxmemory", "0"})
	settle(t, s)
	fill(t, c, []string{"SET", "end", "1"})
	for m.rows["end"] == (aRow{}) {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rowsOf(t, b, m.staged); b.Closes == row.Changes {
			m.publish()
			m.at = b.After
		}
	}
	want := oracle(t, c)
	m.equals(t, want)
	info := memory()
	if evicted, expired := info["evicted_keys"], info["expired_keys"]; evicted == "0" || expired == "0" || len(want) < 100 {
		t.Errorf("%s keys were evicted, %s expired, %d are left", evicted, expired, len(want))
	}

	for key := range want {
		fill(t, c, []string{"GET", key})
	}
	again, err := sourceOf(t, s, replica).Open(t.Context(), m.at)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for {
		b, err := again.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || b.Len() > 0 {
			t.Fatal(fmt.Errorf("%+v, %w", b, err))
		}
	}
}
