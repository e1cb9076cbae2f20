package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/redis/rueidis"
)

// BenchmarkReader compares reading, with the batches thrown away, to its
// ceiling: SCAN, DUMP and PTTL in pipelines with the replies thrown away. Rounds
// alternate; ratios are of the medians. KEYS sets the number of
// keys, WAYS what is measured.
func BenchmarkReader(b *testing.B) {
	keys := 300_000
	if n, err := strconv.Atoi(os.Getenv("KEYS")); err == nil {
		keys = n
	}
	s := testserver.Redis(b, testserver.Options{})
	c := clientOf(b, s)
	fillGame(b, c, keys)
	read := func(batch int) func() int {
		src := sourceOf(b, s, func(o *Options) { o.BatchSize = batch })
		return func() int { return throwAway(b, src) }
	}
	p := proxyTo(b, s)
	far := sourceOf(b, s, through(p))
	at := func(rtt time.Duration) func() int {
		return func() int {
			p.Delay(rtt)
			return throwAway(b, far)
		}
	}
	type way struct {
		name string
		run  func() int
	}
	ways := []way{
		{"ceiling", func() int { return ceiling(b, s, 1000) }},
		{"ceiling100", func() int { return ceiling(b, s, 100) }},
		{"read1000", read(1000)},
		{"read100", read(100)},
		{"proxy", at(0)},
		{"proxy2ms", at(2 * time.Millisecond)},
	}
	if only := os.Getenv("WAYS"); only != "" {
		ways = slices.DeleteFunc(ways, func(w way) bool { return !slices.Contains(strings.Fields(only), w.name) })
	}
	measured := make([][]float64, len(ways))
	for b.Loop() {
		for i, w := range ways {
			before := usage(b, c)
			stop := watch(b, s)
			start := time.Now()
			n := w.run()
			took := time.Since(start).Seconds()
			p50, p99, worst := stop()
			after := usage(b, c)
			measured[i] = append(measured[i], float64(n)/took)
			b.Logf("%-10s %7.0f keys/s; CPU s per 1M keys: server %.2f, reader %.2f; GET beside: p50 %.2f p99 %.2f max %.1f ms", w.name, float64(n)/took,
				(after.server-before.server)/float64(n)*1e6, (after.own-before.own)/float64(n)*1e6, p50, p99, worst)
		}
	}
	for i, w := range ways {
		b.ReportMetric(median(measured[i]), w.name+"-keys/s")
		b.ReportMetric(median(measured[i])/median(measured[0]), w.name+"-ratio")
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func throwAway(tb testing.TB, src *Source) (rows int) {
	r, err := src.Open(context.Background(), row.Position{})
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			tb.Fatal(err)
		}
		rows += b.Len()
		b.Release()
	}
}

// ceiling reads with four batches in flight and looks at nothing.
func ceiling(tb testing.TB, s *testserver.Server, batch int) (keys int) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	work := make(chan []string, 8)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for names := range work {
				for part := range slices.Chunk(names, batch) {
					commands := make([]rueidis.Completed, 0, 2*len(part))
					for _, name := range part {
						commands = append(commands, c.B().Dump().Key(name).Build(), c.B().Pttl().Key(name).Build())
					}
					c.DoMulti(context.Background(), commands...)
				}
			}
		})
	}
	for cursor := uint64(0); ; {
		entry, err := c.Do(context.Background(), c.B().Scan().Cursor(cursor).Count(1000).Build()).AsScanEntry()
		if err != nil {
			tb.Fatal(err)
		}
		keys += len(entry.Elements)
		work <- entry.Elements
		if cursor = entry.Cursor; cursor == 0 {
			break
		}
	}
	close(work)
	wg.Wait()
	return keys
}

// watch has a client do GETs until stop, which returns their latencies in ms.
func watch(tb testing.TB, s *testserver.Server) (stop func() (p50, p99, worst float64)) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	var took []float64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			start := time.Now()
			c.Do(context.Background(), c.B().Get().Key("counter:1").Build())
			took = append(took, float64(time.Since(start).Microseconds())/1000)
		}
	})
	return func() (p50, p99, worst float64) {
		close(done)
		wg.Wait()
		c.Close()
		slices.Sort(took)
		n := len(took)
		return took[n/2], took[n*99/100], took[n-1]
	}
}

type cpu struct{ server, own float64 }

func usage(tb testing.TB, c rueidis.Client) cpu {
	text, err := c.Do(context.Background(), c.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		tb.Fatal(err)
	}
	info := parseInfo(text)
	user, _ := strconv.ParseFloat(info["used_cpu_user"], 64)
	system, _ := strconv.ParseFloat(info["used_cpu_sys"], 64)
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return cpu{server: user + system, own: seconds(u.Utime) + seconds(u.Stime)}
}

// fillGame fills a server with the reference mix of a game: 40 % strings and
// counters, 35 % hashes, 10 % lists, 10 % sets, 5 % sorted sets, 18 % of all with
// a TTL, and a board of 200,000 members per 200,000 keys.
func fillGame(tb testing.TB, c rueidis.Client, keys int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func(from, to int) string {
		b := make([]byte, from+rnd.IntN(to-from+1))
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz     0123456789"[rnd.IntN(41)]
		}
		return string(b)
	}
	var commands []rueidis.Completed
	flush := func() {
		for _, reply := range c.DoMulti(context.Background(), commands...) {
			if err := reply.Error(); err != nil {
				tb.Fatal(err)
			}
		}
		commands = commands[:0]
	}
	add := func(command ...string) {
		commands = append(commands, c.B().Arbitrary(command...).Build())
		if len(commands) == 1000 {
			flush()
		}
	}
	for i := range keys {
		id := strconv.Itoa(i)
		var name string
		command := []string{}
		switch kind := rnd.IntN(100); {
		case kind < 20:
			name = "counter:" + id
			command = append(command, "SET", name, strconv.Itoa(rnd.IntN(1_000_000)))
		case kind < 40:
			name = "session:" + id
			command = append(command, "SET", name, text(50, 200))
		case kind < 75:
			name = "player:" + id
			command = append(command, "HSET", name)
			for f := range 8 + rnd.IntN(5) {
				command = append(command, fmt.Sprintf("field%02d", f), text(10, 20))
			}
		case kind < 85:
			name = "matches:" + id
			command = append(command, "RPUSH", name)
			for range 20 {
				command = append(command, text(10, 20))
			}
		case kind < 95:
			name = "badges:" + id
			command = append(command, "SADD", name)
			for range 20 {
				command = append(command, text(10, 20))
			}
		default:
			name = "friends:" + id
			command = append(command, "ZADD", name)
			for m := range 100 {
				command = append(command, strconv.FormatFloat(rnd.Float64()*1000, 'f', -1, 64), "player:"+strconv.Itoa(m*keys/100+rnd.IntN(keys/100+1)))
			}
		}
		add(command...)
		if rnd.IntN(100) < 18 {
			add("EXPIRE", name, strconv.Itoa(100_000+rnd.IntN(100_000)))
		}
	}
	for board := range max(keys/200_000, 1) {
		for from := 0; from < 200_000; from += 1000 {
			command := []string{"ZADD", "board:" + strconv.Itoa(board)}
			for m := range 1000 {
				command = append(command, strconv.FormatFloat(rnd.Float64()*1e6, 'f', -1, 64), "player:"+strconv.Itoa(from+m))
			}
			add(command...)
		}
	}
	if len(commands) > 0 {
		flush()
	}
}
