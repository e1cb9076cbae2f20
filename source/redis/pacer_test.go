package redis

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
)

// A server that comes to take long to answer is read more slowly, and whole.
func TestReader_slowsDown(t *testing.T) {
	const keys = 3000
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), keys)
	p := proxyTo(t, s)
	var slower, told atomic.Bool
	src := sourceOf(t, s, through(p), func(o *Options) {
		o.SourceLatency = 20 * time.Millisecond
		o.Logger = slog.New(onMessage{slog.DiscardHandler, func(message string) {
			switch {
			case strings.HasPrefix(message, "reading slows down: the server takes longer to answer than max_source_latency"):
				slower.Store(true)
				p.Delay(0)
			case message == "reading was slowed down for the server's answers":
				told.Store(true)
			}
		}})
	})
	until(t, func() bool {
		r, err := src.Open(t.Context(), row.Position{})
		if err != nil {
			t.Fatal(err)
		}
		p.Delay(30 * time.Millisecond)
		got := 0
		for {
			b, err := r.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got += b.Len()
		}
		p.Delay(0)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if got != keys {
			t.Fatalf("%d keys of %d", got, keys)
		}
		return slower.Load()
	}, "the log tells of slowing down")
	if !told.Load() {
		t.Error("the log does not tell in the end that reading was slowed down")
	}
}

// A server that answers in time is not.
func TestReader_notSlowedDown(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 3000)
	var log bytes.Buffer
	src := sourceOf(t, s, logTo(&log), func(o *Options) { o.SourceLatency = long })
	if got := readAll(t, src, row.Position{}); len(got.rows) != 3000 {
		t.Errorf("%d keys of 3000", len(got.rows))
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log tells something:\n%s", log.String())
	}
}

// A server that cannot answer as fast as is wanted is read, and the log warns of it.
func TestReader_neverFastEnough(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 100)
	var log bytes.Buffer
	src := sourceOf(t, s, logTo(&log), func(o *Options) { o.SourceLatency = 1 })
	if got := readAll(t, src, row.Position{}); len(got.rows) != 100 {
		t.Errorf("%d keys of 100", len(got.rows))
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "before anything is read: reading will be slow") {
		t.Errorf("the log does not warn:\n%s", log.String())
	}
}

// At a rate every key is read, and the log tells that it was kept to. What is read of
// the server when it is connected to exceeds the rates of bytes alone.
func TestSource_rates(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 15)
	fill(t, c, []string{"RPUSH", "list", "a", "b"}, []string{"HSET", "hash", "f", "v"}, []string{"SADD", "set", "a"}, []string{"ZADD", "zset", "1", "a"})
	want := oracle(t, c)
	for name, change := range map[string]func(*Options){
		"keys":              func(o *Options) { o.KeysPerSecond = 30 },
		"bytes":             func(o *Options) { o.BytesPerSecond = 16 << 10 },
		"bytes, big keys":   func(o *Options) { o.BytesPerSecond, o.BigKeyBytes = 16<<10, 1 },
		"bytes, as replica": func(o *Options) { o.BytesPerSecond, o.Replica = 4<<10, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			src := sourceOf(t, s, logTo(&log), change)
			until(t, func() bool {
				got, err := tryRead(t, src, row.Position{})
				if err != nil {
					t.Fatal(err)
				}
				sameRows(t, got.rows, want, src.expiry)
				return src.options.pacer.waited() > 0
			}, "nothing has waited")
			if err := src.Close(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "reading was kept to max_keys_per_second and max_bytes_per_second") {
				t.Errorf("the log does not tell it:\n%s", log.String())
			}
		})
	}
}

// What one command may not take is read in chunks.
func TestOptions_MaxCommand(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fill(t, c, []string{"SETRANGE", "text", "300000", "x"})
	for _, tt := range []struct {
		limit  time.Duration
		chunks bool
	}{
		{0, false},
		{time.Millisecond, true},
		{10 * time.Millisecond, false},
	} {
		send(t, c, "CONFIG", "RESETSTAT")
		src := sourceOf(t, s, func(o *Options) { o.MaxCommand = tt.limit })
		if got := readAll(t, src, row.Position{}); len(got.rows) != 1 {
			t.Fatalf("%d rows, want 1", len(got.rows))
		}
		stats, err := send(t, c, "INFO", "commandstats").ToString()
		if err != nil {
			t.Fatal(err)
		}
		// One DUMP and one GETRANGE are of the look at what is permitted.
		if chunks := strings.Contains(stats, "cmdstat_dump:calls=1,"); chunks != tt.chunks {
			t.Errorf("at most %s: in chunks is %t, want %t\n%s", tt.limit, chunks, tt.chunks, stats)
		}
	}
}

// A gate lets as many pass at a time as its window allows.
func TestGate(t *testing.T) {
	o := Options{SourceLatency: time.Millisecond}
	o.pacer = newPacer(&o)
	g := o.newGate(32)
	for n := range 4 { // an eighth of 32
		if keys, _, _ := g.try(50); keys != 50 {
			t.Fatalf("pipeline %d: %d keys, want 50", n, keys)
		}
	}
	keys, _, freed := g.try(50)
	if keys != 0 || freed == nil {
		t.Fatalf("a pipeline too many: %d keys, want none", keys)
	}
	g.asking.Add(1) // as enter does
	g.leave(50, 50, time.Millisecond)
	if !closed(freed) {
		t.Error("who waits is not told that there is room")
	}
	if keys, _, _ := g.try(50); keys != 50 {
		t.Errorf("when one has left: %d keys, want 50", keys)
	}
	g = o.newGate(2)
	for range 100 {
		g.window.Answered(time.Second)
	}
	keys, _, _ = g.try(50)
	if keys != 2 {
		t.Errorf("behind slow answers: %d keys, want 2", keys)
	}
	g.asking.Add(1)
	g.leave(2, 2, time.Hour)
	if keys, wait, _ := g.try(50); keys != 0 || wait <= 0 {
		t.Errorf("behind a slow pipeline: %d keys and a wait of %s, want a rest", keys, wait)
	}
}
