package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
)

// adds returns a command that adds n elements of so many words to a key.
func adds(command, key string, n, words int) []string {
	out := []string{command, key}
	for i := range n {
		for w := range words {
			out = append(out, fmt.Sprintf("%d%s", i, strings.Repeat("7", w)))
		}
	}
	return out
}

// Keys that are not what the others of their shape were, in length or type, are
// read as well as if nothing had been believed of them.
func TestReader_Next_misguessed(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	of := func(number, n int) [][]string {
		key := func(kind string) string { return fmt.Sprintf("%s:%d", kind, number) }
		return [][]string{
			adds("HSET", key("hash"), n, 2), adds("RPUSH", key("list"), n, 1), adds("SADD", key("set"), n, 1),
			adds("ZADD", key("zset"), n, 2),
			{"SET", key("string"), strings.Repeat("y", 16*n+1)},
		}
	}
	for i := range 400 {
		fill(t, c, of(i, 3)...)
	}
	for _, n := range []int{999, 1000, 1001, 5000} {
		fill(t, c, of(90_000+n, n)...)
	}
	fill(
		t, c, []string{"SET", "hash:95555", "a string"}, []string{"SET", "list:95555", ""}, []string{"SET", "set:95555", "a string"},
		adds("HSET", "string:95555", 3, 2), adds("SADD", "zset:95555", 3, 1), adds("RPUSH", "hash:95556", 3, 1),
	)
	unguessed := readAll(t, sourceOf(t, s, func(o *Options) { o.Patterns = []string{"*:9????"} }), row.Position{})
	if len(unguessed.rows) != 26 {
		t.Fatalf("%d odd keys", len(unguessed.rows))
	}
	src := sourceOf(t, s)
	readAll(t, src, row.Position{}) // teaches the shapes
	got := readAll(t, src, row.Position{})
	if len(got.rows) != 2026 {
		t.Errorf("%d keys of 2026", len(got.rows))
	}
	for name := range got.rows {
		if _, odd := unguessed.rows[name]; !odd {
			delete(got.rows, name)
		}
	}
	sameRows(t, got.rows, unguessed.rows, 0)
}

// An element longer than any cell, among keys that were short: its reply is
// dropped, and its row has NULL and the true size.
func TestReader_Next_tooLong(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	for i := range 50 {
		fill(t, c, adds("HSET", fmt.Sprintf("hash:%d", i), 3, 2), adds("RPUSH", fmt.Sprintf("list:%d", i), 3, 1))
	}
	src := sourceOf(t, s, func(o *Options) { o.BigKeyBytes, o.MaxValueBytes = 1<<10, 1<<10 })
	readAll(t, src, row.Position{})
	long := strings.Repeat("z", 3<<20)
	fill(
		t, c, []string{"HSET", "hash:1000", "a", "b", "long", long}, []string{"RPUSH", "list:1000", "a", long, "b"},
		[]string{"SET", "new", long},
	)
	got := readAll(t, src, row.Position{})
	sameRows(t, map[string]aRow{"hash:1000": got.rows["hash:1000"], "list:1000": got.rows["list:1000"], "new": got.rows["new"]}, map[string]aRow{
		"hash:1000": {Op: row.Upsert, Null: true, Type: "hash", TTL: -1, Size: 2},
		"list:1000": {Op: row.Upsert, Null: true, Type: "list", TTL: -1, Size: 3},
		"new":       {Op: row.Upsert, Null: true, Type: "string", TTL: -1, Size: 3 << 20},
	}, 0)
	if len(got.rows) != 103 {
		t.Errorf("%d keys of 103", len(got.rows))
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(10)
	never, turn := make(chan struct{}), make(chan struct{})
	take := func(n int64, turn <-chan struct{}) <-chan error {
		done := make(chan error, 1)
		go func() { done <- b.take(t.Context(), n, turn) }()
		return done
	}
	if err := b.take(t.Context(), 25, never); err != nil {
		t.Fatal(err) // the last piece may exceed the budget
	}
	waits, exempt := take(1, never), take(1, turn)
	close(turn)
	if err := <-exempt; err != nil {
		t.Fatal(err)
	}
	b.give(15)
	select {
	case err := <-waits:
		t.Fatalf("taken of nothing: %v", err)
	default:
	}
	b.give(2)
	if err := <-waits; err != nil {
		t.Fatal(err)
	}
}
