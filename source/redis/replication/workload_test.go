package replication

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

// A workload writes at random.
type workload struct {
	*client
	random *rand.Rand
	queued bool // in a transaction
}

func (w *workload) n(below int) string { return strconv.Itoa(w.random.IntN(below)) }

// key returns the name of a key of a kind, to which others write as well.
func (w *workload) key(kind string) string { return kind + w.n(12) }

// any returns the name of a key of any kind.
func (w *workload) any() string {
	return w.key([]string{"string", "hash", "list", "set", "zset", "stream"}[w.random.IntN(6)])
}

// try sends a command that may be refused: a key may have another type than its
// name says.
func (w *workload) try(args ...string) {
	w.tb.Helper()
	w.write(args...)
	w.reply()
}

// step writes once.
func (w *workload) step() {
	text := strings.Repeat("x", w.random.IntN(60))
	ms := strconv.Itoa(1 + w.random.IntN(50))
	switch w.random.IntN(42) {
	case 0, 1, 2:
		w.try("SET", w.key("string"), text)
	case 3:
		w.try("SET", w.any(), text, "PX", ms)
	case 4:
		w.try("SETEX", w.key("string"), "100", text)
	case 5:
		w.try("MSET", w.key("string"), text, w.any(), text)
	case 6:
		w.try("INCRBY", w.key("string"), w.n(100))
	case 7:
		w.try("APPEND", w.key("string"), text)
	case 8, 9:
		w.try("HSET", w.key("hash"), "f"+w.n(9), text, "g", w.n(9))
	case 10:
		w.try("HDEL", w.key("hash"), "f"+w.n(9), "g")
	case 11, 12:
		w.try("RPUSH", w.key("list"), text, w.n(9))
	case 13:
		w.try("LPOP", w.key("list"), w.n(4))
	case 14:
		w.try("LMOVE", w.key("list"), w.key("list"), "LEFT", "RIGHT")
	case 15:
		w.try("BRPOP", w.key("list"), w.key("list"), "0.001")
	case 16, 17:
		w.try("SADD", w.key("set"), "m"+w.n(9), "m"+w.n(9))
	case 18:
		w.try("SPOP", w.key("set"), w.n(4))
	case 19:
		w.try("SINTERSTORE", w.key("set"), w.key("set"), w.key("set"))
	case 20, 21:
		w.try("ZADD", w.key("zset"), w.n(9), "m"+w.n(9))
	case 22:
		w.try("ZUNIONSTORE", w.key("zset"), "2", w.key("zset"), w.key("set"))
	case 23:
		w.try("ZPOPMIN", w.key("zset"), w.n(3))
	case 24, 25:
		w.try("XADD", w.key("stream"), "MAXLEN", "~", w.n(9), "*", "f", text)
	case 26:
		w.try("XTRIM", w.key("stream"), "MAXLEN", w.n(5))
	case 27:
		w.try("XGROUP", "CREATE", w.key("stream"), "g", "0", "MKSTREAM")
	case 28:
		w.try("XREADGROUP", "GROUP", "g", "c"+w.n(3), "COUNT", "2", "STREAMS", w.key("stream"), ">")
	case 29:
		w.try("DEL", w.any(), w.any())
	case 30:
		w.try("PEXPIRE", w.any(), ms)
	case 31:
		w.try("PERSIST", w.any())
	case 32:
		w.try("RENAME", w.any(), w.any())
	case 33:
		w.try("COPY", w.any(), w.any(), "DB", w.n(testDatabases), "REPLACE")
	case 34:
		w.try("MOVE", w.any(), w.n(testDatabases))
	case 35:
		w.try("SORT", w.key("list"), "ALPHA", "STORE", w.key("list"))
	case 36, 37:
		w.try("SELECT", w.n(testDatabases))
	case 38:
		w.try("EVAL", "redis.call('set',KEYS[1],ARGV[1]) redis.call('select',ARGV[2]) redis.call('del',KEYS[2]) "+
			"redis.call('pexpire',KEYS[1],ARGV[3])", "2", w.any(), w.any(), text, w.n(testDatabases), ms)
	case 39:
		if !w.queued {
			w.try("MULTI")
		} else {
			w.try("EXEC")
		}
		w.queued = !w.queued
	case 40:
		if w.random.IntN(12) == 0 {
			w.try([]string{"FLUSHDB", "FLUSHALL"}[w.random.IntN(2)])
		}
	case 41:
		if w.random.IntN(6) == 0 {
			w.try("SWAPDB", w.n(testDatabases), w.n(testDatabases))
		}
	}
}

// expiring reports whether a key of the database expires soon, or has and is not
// deleted yet.
func (c *client) expiring() bool {
	c.tb.Helper()
	keys, _ := c.do("KEYS", "*").([]any) // without those that have expired
	soon := c.do("DBSIZE") != int64(len(keys))
	for _, key := range keys {
		name, _ := key.(string)
		left, _ := c.do("PTTL", name).(int64)
		soon = soon || left != -1 && left < 1000
	}
	return soon
}

func TestWindow_workload(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{Args: []string{
		"--repl-timeout", "3600", "--hz", "100", "--maxmemory-policy", "allkeys-random", "--lazyfree-lazy-expire", "yes",
	}})
	s := join(t, server)
	w := NewWindow(s.commands, s.parser.position, 1<<20, nil)
	ask := dial(t, server)
	const seed = 1
	writers := []*workload{
		{client: dial(t, server), random: rand.New(rand.NewPCG(seed, 1))},
		{client: dial(t, server), random: rand.New(rand.NewPCG(seed, 2))},
	}
	got := keyspace{}
	catchUp := func() {
		s.readTo(ask.offset(), w.Add)
		got.apply(ask, w.Drain())
	}
	compare := func(when string) {
		t.Helper()
		want := keyspaceOf(ask, testDatabases)
		catchUp() // reading has expired keys
		if differences := want.differences(got); len(differences) > 0 {
			t.Fatalf("%s: %q differ", when, differences)
		}
	}
	settle := func() {
		for _, writer := range writers {
			if writer.queued {
				writer.try("EXEC")
				writer.queued = false
			}
		}
		for database := range testDatabases {
			ask.do("SELECT", strconv.Itoa(database))
			for ask.expiring() {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	for round := range 6 {
		for range 1000 {
			writers[s.parser.position.Offset%2].step()
			if writers[1].random.IntN(20) == 0 {
				catchUp()
			}
			writers[writers[0].random.IntN(2)].step()
		}
		settle()
		compare(fmt.Sprint("round ", round))
	}
	expired := ask.info("expired_keys")

	used, err := strconv.Atoi(ask.info("used_memory"))
	if err != nil {
		t.Fatal(err)
	}
	ask.do("CONFIG", "SET", "maxmemory", strconv.Itoa(used+64<<10))
	for i := range 500 {
		writers[0].try("SET", fmt.Sprint("evicted", i), strings.Repeat("x", 1000))
		writers[1].step()
	}
	settle()
	evicted := ask.info("evicted_keys")
	ask.do("CONFIG", "SET", "maxmemory", "0")
	compare("after eviction")
	if expired == "0" || evicted == "0" {
		t.Errorf("%s keys expired, %s were evicted", expired, evicted)
	}
}
