//go:build unix

package rdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
)

// A shape is one kind of key of the benchmark's dataset, which is that of a game.
type shape struct {
	name    string
	percent int
	command func(r *rand.Rand, key string) []string
}

var shapes = []shape{
	{"counter", 20, func(r *rand.Rand, key string) []string {
		return []string{"SET", key, strconv.Itoa(r.IntN(1_000_000))}
	}},
	{"text", 20, func(r *rand.Rand, key string) []string {
		return []string{"SET", key, prose(r, 50+r.IntN(151))}
	}},
	{"hash", 35, func(r *rand.Rand, key string) []string {
		args := []string{"HSET", key}
		for i := range 8 + r.IntN(5) {
			args = append(args, attributes[i], prose(r, 10+r.IntN(11)))
		}
		return args
	}},
	{"list", 10, func(r *rand.Rand, key string) []string {
		args := []string{"RPUSH", key}
		for range 20 {
			args = append(args, fmt.Sprintf("match:%d:win", r.IntN(1_000_000)))
		}
		return args
	}},
	{"set", 10, func(r *rand.Rand, key string) []string {
		args := []string{"SADD", key}
		for range 20 {
			args = append(args, fmt.Sprintf("achievement:%d", r.IntN(5000)))
		}
		return args
	}},
	{"zset", 5, func(r *rand.Rand, key string) []string {
		args := []string{"ZADD", key}
		for range 100 {
			args = append(args, strconv.FormatFloat(r.Float64()*10_000, 'g', -1, 64), fmt.Sprintf("player:%d", r.IntN(1_000_000)))
		}
		return args
	}},
}

// larger shapes, measured on their own.
var larger = []shape{
	{"board of 200000", 0, func(r *rand.Rand, key string) []string {
		args := []string{"ZADD", key}
		for i := range 200_000 {
			args = append(args, strconv.FormatFloat(r.Float64()*10_000, 'g', -1, 64), fmt.Sprintf("player:%d", i))
		}
		return args
	}},
	{"hash of 10000", 0, func(r *rand.Rand, key string) []string {
		args := []string{"HSET", key}
		for i := range 10_000 {
			args = append(args, fmt.Sprintf("field:%d", i), prose(r, 20))
		}
		return args
	}},
	{"ints of 500", 0, func(r *rand.Rand, key string) []string {
		args := []string{"SADD", key}
		for range 500 {
			args = append(args, strconv.Itoa(r.IntN(1_000_000)))
		}
		return args
	}},
	{"list of 10000", 0, func(r *rand.Rand, key string) []string {
		args := []string{"RPUSH", key}
		for i := range 10_000 {
			args = append(args, fmt.Sprintf("match:%d:win", i))
		}
		return args
	}},
}

var attributes = [...]string{
	"display_name", "home_country", "current_level", "guild_member", "last_login_at", "favourite_hero",
	"matches_played", "matches_won", "rating_points", "avatar_colour", "preferred_mode", "season_rewards",
}

// prose is text of n bytes as people write it, so that it compresses somewhat.
func prose(r *rand.Rand, n int) string {
	words := [...]string{"dragon", "sword", "of", "the", "north", "gold", "silver", "king", "tower", "and", "shadow", "42", "river", "storm"}
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = append(append(b, words[r.IntN(len(words))]...), ' ')
	}
	return string(b[:n])
}

// payloads has a real server serialise n keys of a shape, or of the mix of all.
func payloads(b *testing.B, c client, n int, of ...shape) [][]byte {
	b.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	var out [][]byte
	ctx := context.Background()
	for i := range n {
		s := of[0]
		for pick := r.IntN(100); len(of) > 1 && pick >= s.percent; {
			pick -= s.percent
			of = append(of[1:len(of):len(of)], of[0])
			s = of[0]
		}
		key := fmt.Sprint("key:", i)
		args := s.command(r, key)
		build := func(args ...string) rueidis.Completed { return c.c.B().Arbitrary(args...).Build() }
		for _, reply := range c.c.DoMulti(ctx, build(args...), build("DUMP", key), build("DEL", key)) {
			if err := reply.Error(); err != nil {
				b.Fatal(err)
			}
			if payload, err := reply.AsBytes(); err == nil && len(payload) > 10 {
				out = append(out, payload)
			}
		}
	}
	return out
}

func measure(b *testing.B, all [][]byte) {
	b.Helper()
	var d rdb.Decoder
	size := 0
	for _, p := range all {
		size += len(p)
	}
	k, c := value.Key{Name: []byte("key")}, &counter{}
	b.SetBytes(int64(size / len(all)))
	b.ReportAllocs()
	i, before := 0, cpuTime(b)
	for b.Loop() {
		if err := d.Dump(all[i], k, c); err != nil {
			b.Fatal(err)
		}
		if i++; i == len(all) {
			i = 0
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric(float64(b.N)/(cpuTime(b)-before).Seconds(), "keys/cpu-s")
}

// cpuTime is what this process has used: on a busy machine it says more than the
// time that has passed.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecoder_Dump(b *testing.B) {
	c := connect(b)
	for _, compression := range []string{"yes", "no"} {
		c.config("rdbcompression", compression)
		b.Run("compression "+compression, func(b *testing.B) {
			b.Run("mix", func(b *testing.B) { measure(b, payloads(b, c, 20_000, shapes...)) })
			for _, s := range shapes {
				b.Run(s.name, func(b *testing.B) { measure(b, payloads(b, c, 2000, s)) })
			}
			for _, s := range larger {
				b.Run(s.name, func(b *testing.B) { measure(b, payloads(b, c, 1, s)) })
			}
		})
	}
}
