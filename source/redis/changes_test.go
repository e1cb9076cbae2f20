package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/redis/rueidis"
)

// Keys whose shape had another type before, or shorter values.
func TestReader_Next_wrongGuess(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 100)
	src := sourceOf(t, s)
	readAll(t, src, row.Position{})
	fill(t, c,
		[]string{"DEL", "s:1", "s:2", "s:3", "s:4"},
		[]string{"HSET", "s:1", "f", "v"},
		[]string{"ZADD", "s:2", "1", "m"},
		[]string{"SET", "s:3", ""},
		[]string{"XADD", "s:4", "1-1", "f", "v"},
		[]string{"SET", "s:5", strings.Repeat("x", rangeBytes-1)},
		[]string{"SET", "s:6", strings.Repeat("x", rangeBytes)},
		[]string{"SET", "s:7", strings.Repeat("x", rangeBytes+1)},
		[]string{"SET", "s:8", strings.Repeat("x", 20*rangeBytes)},
		[]string{"SETBIT", "s:9", "1", "0"},
	)
	want := oracle(t, c)
	for range 2 {
		sameRows(t, readAll(t, src, row.Position{}).rows, want, 0)
	}
}

// Keys that come, go, expire and change type while they are read: those that
// stay are all there, as they are; of the others only whole values are.
func TestReader_Next_whileWriting(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fill(t, c, everything()...)
	for i := range 30 {
		fill(t, c, []string{"SET", "stays:" + strconv.Itoa(i), "v"})
	}
	want := oracle(t, c)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for seed := range uint64(2) {
		wg.Go(func() { write(ctx, c, seed) })
	}
	defer wg.Wait()
	defer stop()
	for _, change := range []func(*Options){
		func(*Options) {},
		func(o *Options) { o.BigKeyBytes = 1 },
		func(o *Options) { o.BatchSize = 3 },
	} {
		src := sourceOf(t, s, change)
		for range 3 {
			got := readAll(t, src, row.Position{})
			for name, r := range got.rows {
				if !strings.HasPrefix(name, "busy:") {
					continue
				}
				delete(got.rows, name)
				text := r.Type + " " + r.Value
				switch {
				case r.Op == row.Keep:
					t.Errorf("key %q was set aside", name)
				case r.TTL == -2, r.Expires != 0 && r.TTL < 0:
					t.Errorf("key %q: %s", name, show(r))
				case text != "string value" && text != `hash {"f":"value"}` && text != `list ["value","value"]`:
					t.Errorf("key %q has half a value: %s", name, show(r))
				}
			}
			sameRows(t, got.rows, want, 0)
		}
	}
}

// write makes, changes and deletes keys named busy: until ctx ends.
func write(ctx context.Context, c rueidis.Client, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		key := "busy:" + strconv.Itoa(rnd.IntN(500))
		del := c.B().Del().Key(key).Build()
		change := []rueidis.Completed{
			c.B().Set().Key(key).Value("value").Build(),
			c.B().Set().Key(key).Value("value").PxMilliseconds(1 + rnd.Int64N(20)).Build(),
			c.B().Hset().Key(key).FieldValue().FieldValue("f", "value").Build(),
			c.B().Rpush().Key(key).Element("value", "value").Build(),
			c.B().Del().Key(key).Build(),
		}[rnd.IntN(5)]
		// A transaction, so that no half of it is ever seen.
		c.DoMulti(ctx, c.B().Multi().Build(), del, change, c.B().Exec().Build())
	}
}

// Expired keys are no rows, whether the server has noticed or not.
func TestReader_Next_expired(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"+@all", "+@all -pexpiretime", "+@all -dump"} {
		s := testserver.Redis(t, testserver.Options{
			ACL:  []string{"default on nopass ~* &* " + rule},
			Args: []string{"--enable-debug-command", "local"},
		})
		c := clientOf(t, s)
		send(t, c, "DEBUG", "SET-ACTIVE-EXPIRE", "0")
		fill(t, c,
			[]string{"SET", "gone:1", "v", "PX", "1"},
			[]string{"SET", "stays:1", "v", "PX", "1000000"},
			[]string{"HSET", "gone:2", "f", "v"}, []string{"PEXPIRE", "gone:2", "1"},
			[]string{"SET", "stays:2", "v"},
		)
		time.Sleep(10 * time.Millisecond)
		src := sourceOf(t, s)
		for range 2 {
			got := readAll(t, src, row.Position{})
			if keys := strings.Join(keysOf(got.rows), " "); keys != "stays:1 stays:2" {
				t.Errorf("%s: keys %q", rule, keys)
			}
			if ttl := got.rows["stays:1"].TTL; ttl < 900 || ttl > 1000 {
				t.Errorf("%s: ttl %d", rule, ttl)
			}
		}
	}
}

// Big keys that change while they are read.
func TestReader_Next_bigChanging(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	var commands [][]string
	const n = 20_000
	for i := range n {
		m := fmt.Sprintf("stays:%06d", i)
		commands = append(commands, []string{"ZADD", "zset", strconv.Itoa(i), m}, []string{"SADD", "set", m}, []string{"HSET", "hash", m, "v"})
	}
	fill(t, c, commands...)
	fill(t, c, []string{"SET", "string", strings.Repeat("a", 5<<20)})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			m := "busy:" + strconv.Itoa(i)
			c.DoMulti(ctx,
				c.B().Zadd().Key("zset").ScoreMember().ScoreMember(float64(i%n), m).Build(), c.B().Sadd().Key("set").Member(m).Build(),
				c.B().Hset().Key("hash").FieldValue().FieldValue(m, "v").Build(),
				c.B().Zrem().Key("zset").Member(m).Build(), c.B().Srem().Key("set").Member(m).Build(), c.B().Hdel().Key("hash").Field(m).Build())
		}
	})
	got := readAll(t, sourceOf(t, s, func(o *Options) { o.BigKeyBytes = 100_000 }), row.Position{})
	stop()
	wg.Wait()
	for _, name := range []string{"zset", "set", "hash"} {
		r := got.rows[name]
		times := map[string]int{}
		for _, m := range regexp.MustCompile(`"stays:\d{6}"`).FindAllString(r.Value, -1) {
			times[m]++
		}
		for i := range n {
			if m := fmt.Sprintf(`"stays:%06d"`, i); times[m] != 1 {
				t.Fatalf("%s holds %s %d times", name, m, times[m])
			}
		}
		if r.Size < n || r.Size > n+1000 {
			t.Errorf("%s has size %d", name, r.Size)
		}
	}
	if r := got.rows["string"]; r.Value != strings.Repeat("a", 5<<20) {
		t.Errorf("a string of %d bytes", len(r.Value))
	}
}

// Values too long for a cell are NULL, with their true size, and said so.
func TestReader_Next_oversized(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	var commands [][]string
	for i := range 30_000 {
		m := fmt.Sprintf("member:%06d", i)
		commands = append(commands, []string{"ZADD", "zset", strconv.Itoa(i), m}, []string{"SADD", "set", m}, []string{"HSET", "hash", m, "v"},
			[]string{"RPUSH", "list", m}, []string{"XADD", "stream", strconv.Itoa(i+1) + "-0", "f", m})
	}
	fill(t, c, commands...)
	fill(t, c, []string{"SET", "string", strings.Repeat("a", 3<<20)}, []string{"SET", "fits", strings.Repeat("a", 99_000)})
	for _, big := range []int64{1000, 100 << 20} {
		var log strings.Builder
		src := sourceOf(t, s, logTo(&log), func(o *Options) { o.BigKeyBytes, o.MaxValueBytes = big, 100_000 })
		got := readAll(t, src, row.Position{})
		want := map[string]aRow{"fits": {Type: "string", Value: strings.Repeat("a", 99_000), TTL: -1, Size: 99_000}}
		for _, kind := range []string{"zset", "set", "hash", "list", "stream"} {
			want[kind] = aRow{Type: kind, Null: true, TTL: -1, Size: 30_000}
		}
		want["string"] = aRow{Type: "string", Null: true, TTL: -1, Size: 3 << 20}
		sameRows(t, got.rows, want, 0)
		if n := strings.Count(log.String(), "max_value_bytes and becomes NULL"); n != 1 {
			t.Errorf("%d lines about long values: %s", n, &log)
		}
	}
}

// More big keys than there are workers and room for batches.
func TestReader_Next_manyBig(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 20_000)
	var commands [][]string
	for i := range 300 {
		commands = append(commands, []string{"SET", "big:" + strconv.Itoa(i), strings.Repeat("x", 100_000)})
	}
	fill(t, c, commands...)
	src := sourceOf(t, s, func(o *Options) { o.BigKeyBytes, o.MemoryBytes = 10_000, 1 })
	got := readAll(t, src, row.Position{})
	if len(got.rows) != 20_300 || got.total != 20_300 {
		t.Errorf("%d rows of %d keys, want 20300", got.total, len(got.rows))
	}
}
