// Package churn writes to a real server at random, with commands of every type
// and kind, for tests of those who follow it.
package churn

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Databases are how many databases a Writer writes to, from 0.
const Databases = 3

// A Writer writes to one server, over one connection that is made again when it
// breaks. It serves one goroutine.
type Writer struct {
	// Upheavals: one step in so many flushes a database, or all, or swaps two; 0: none does.
	Upheavals int

	client rueidis.Client
	random *rand.Rand
}

// New connects to a server. Writers with equal seeds write the same, as far as what
// they find does not differ.
func New(address string, seed uint64) (*Writer, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, ForceSingleClient: true, DisableCache: true, DisableRetry: true,
		PipelineMultiplex: -1, Dialer: net.Dialer{Timeout: time.Minute}, ConnWriteTimeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	return &Writer{client: client, random: rand.New(rand.NewPCG(seed, 9))}, nil
}

// Close closes the connection.
func (w *Writer) Close() { w.client.Close() }

func (w *Writer) n(below int) string { return strconv.Itoa(w.random.IntN(below)) }

// key names a key that commands of all types write to.
func (w *Writer) key() string { return "k" + w.n(60) }

func (w *Writer) database() string { return w.n(Databases) }

// Step writes once. What the server refuses, because a key has another type, has no
// effect and is no error; an error says that the server could not be asked.
func (w *Writer) Step(ctx context.Context) error {
	if w.Upheavals > 0 && w.random.IntN(w.Upheavals) == 0 {
		return w.send(ctx, w.upheaval())
	}
	text := strings.Repeat("x", w.random.IntN(100)) + w.n(1000)
	switch command := w.command(text); {
	case command[0] == "DUMP":
		return w.restore(ctx, command[1])
	case command[0] != "SELECT" && w.random.IntN(10) == 0:
		return w.send(ctx, []string{"MULTI"}, command, []string{"SET", w.key(), text}, []string{"EXEC"})
	default:
		return w.send(ctx, command)
	}
}

func (w *Writer) upheaval() []string {
	switch w.random.IntN(5) {
	case 0:
		return []string{"FLUSHALL"}
	case 1, 2:
		return []string{"SWAPDB", w.database(), w.database()}
	}
	return []string{"FLUSHDB"}
}

// command returns a command at random.
func (w *Writer) command(text string) []string {
	n := w.n
	ms := strconv.Itoa(1 + w.random.IntN(50))
	all := [][]string{
		{"SET", w.key(), text},
		{"SET", w.key(), text, "PX", ms},
		{"APPEND", w.key(), text},
		{"INCR", "n" + n(9)},
		{"DEL", w.key()},
		{"UNLINK", w.key(), w.key()},
		{"HSET", "h" + n(9), "f" + n(20), text},
		{"HDEL", "h" + n(9), "f" + n(20)},
		{"RPUSH", "l" + n(9), text, n(9)},
		{"LPOP", "l" + n(9), n(5)},
		{"SADD", "s" + n(9), n(50)},
		{"SPOP", "s" + n(9), "2"},
		{"ZADD", "z" + n(9), n(100), "m" + n(30)},
		{"ZREMRANGEBYRANK", "z" + n(9), "0", "1"},
		{"XADD", "x" + n(5), "MAXLEN", "~", "20", "*", "f", text},
		{"XTRIM", "x" + n(5), "MAXLEN", "5"},
		{"PEXPIRE", w.key(), ms},
		{"PERSIST", w.key()},
		{"RENAME", w.key(), w.key()},
		{"COPY", w.key(), w.key(), "DB", w.database(), "REPLACE"},
		{"MOVE", w.key(), w.database()},
		{"GETDEL", w.key()},
		{"SINTERSTORE", "s" + n(9), "s" + n(9), "s" + n(9)},
		{"BITOP", "NOT", w.key(), w.key()},
		{"PFADD", "p" + n(5), text},
		{"SELECT", w.database()},
		{"EVAL", "redis.call('set', KEYS[1], ARGV[1]) return redis.call('del', KEYS[2])", "2", w.key(), w.key(), text},
		{"LMOVE", "l" + n(9), "l" + n(9), "LEFT", "RIGHT"},
		{"DUMP", []string{"h", "l", "s", "z", "x"}[w.random.IntN(5)] + n(5)},
	}
	return all[w.random.IntN(len(all))]
}

// restore copies a key by DUMP and RESTORE, sometimes with an expiry.
func (w *Writer) restore(ctx context.Context, key string) error {
	dump, err := w.client.Do(ctx, w.client.B().Dump().Key(key).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return nil
	}
	if err != nil {
		return err
	}
	expires := []string{"0", "0", "30", "500000"}[w.random.IntN(4)]
	return w.send(ctx, []string{"RESTORE", w.key(), expires, dump, "REPLACE"})
}

func (w *Writer) send(ctx context.Context, commands ...[]string) error {
	built := make(rueidis.Commands, len(commands))
	for i, c := range commands {
		built[i] = w.client.B().Arbitrary(c...).Build()
	}
	for _, reply := range w.client.DoMulti(ctx, built...) {
		if err := reply.NonRedisError(); err != nil {
			return err
		}
	}
	return nil
}
