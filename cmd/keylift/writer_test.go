package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/torture"
)

// A writer changes keys of a server at random.
type writer struct {
	client  rueidis.Client
	random  *rand.Rand
	touched map[place]bool
	queued  rueidis.Commands
}

// populations are the databases of a writer and how many names of keys they have.
var populations = []struct{ database, names int }{{0, 14_000}, {3, 7_000}}

// oddities are pieces of keys and values that are hard on encoders.
var oddities = []string{"", "\x00", "\xff\xfe", "base64:", "\"", "\\", "\n", "\t", "é", "漢字", "🎲", "<&>", "\x7f", "{\"a\":[1]}", "-0", "12345678901234567890"}

func (w *writer) text() string {
	switch w.random.IntN(10) {
	case 0:
		return oddities[w.random.IntN(len(oddities))]
	case 1:
		return oddities[w.random.IntN(len(oddities))] + strconv.Itoa(w.random.IntN(100)) + oddities[w.random.IntN(len(oddities))]
	case 2, 3:
		return strconv.Itoa(w.random.IntN(1_000_000) - 500_000)
	}
	return strings.Repeat(strconv.FormatUint(w.random.Uint64(), 36), 1+w.random.IntN(3))
}

// name returns key number i of every database.
func name(i int) string {
	if i%97 == 0 {
		return oddities[i/97%len(oddities)] + strconv.Itoa(i)
	}
	return [...]string{"player:", "session:", "board:", "log:", "seen:"}[i%5] + strconv.Itoa(i)
}

func (w *writer) queue(args ...string) {
	w.queued = append(w.queued, w.client.B().Arbitrary(args...).Build())
}

// flush sends what is queued. Commands that do not fit the type of their key, or
// find none, have no effect, and that is well.
func (w *writer) flush(ctx context.Context) error {
	commands := w.queued
	w.queued = nil
	for _, reply := range w.client.DoMulti(ctx, commands...) {
		if err := reply.NonRedisError(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		err := reply.Error()
		if err != nil && !rueidis.IsRedisNil(err) && !strings.HasPrefix(err.Error(), "WRONGTYPE") && err.Error() != "no such key" {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// fill writes every key of every database once.
func (w *writer) fill(ctx context.Context) error {
	for _, p := range populations {
		w.queue("SELECT", strconv.Itoa(p.database))
		for i := range p.names {
			w.create(p.database, i)
		}
	}
	return w.flush(ctx)
}

// change makes n changes in every database.
func (w *writer) change(ctx context.Context, n int) error {
	for range n {
		for _, p := range populations { // one in each
			w.queue("SELECT", strconv.Itoa(p.database))
			i := w.random.IntN(p.names + p.names/20)
			switch key := w.touch(p.database, i); w.random.IntN(20) {
			case 0, 1, 2:
				w.queue("DEL", key)
			case 3:
				w.queue("PEXPIRE", key, strconv.Itoa(1+w.random.IntN(1500)))
			case 4:
				w.queue("EXPIRE", key, strconv.Itoa(1000+w.random.IntN(1000)))
			case 5:
				w.queue("PERSIST", key)
			case 6:
				w.queue("APPEND", key, w.text())
			case 7:
				w.queue("HSET", key, "field", w.text())
			case 8:
				w.queue("LPUSH", key, w.text())
			case 9:
				w.queue("ZADD", key, w.score(), w.text())
			case 10:
				w.queue("RENAME", key, w.touch(p.database, (i+1)%p.names))
			default:
				w.create(p.database, i)
			}
		}
	}
	return w.flush(ctx)
}

func (w *writer) touch(database, i int) (key string) {
	key = name(i)
	w.touched[place{database, torture.Text(key)}] = true
	return key
}

func (w *writer) score() string {
	if w.random.IntN(50) == 0 {
		return []string{"inf", "-inf"}[w.random.IntN(2)]
	}
	return strconv.FormatFloat(float64(w.random.IntN(1<<30)-1<<29)/float64(int(1)<<w.random.IntN(12)), 'f', -1, 64)
}

// create writes key number i of the selected database anew.
func (w *writer) create(database, i int) {
	key := w.touch(database, i)
	elements := 1 + w.random.IntN(6)
	switch w.random.IntN(600) {
	case 0:
		elements = 700 // in chunks
	case 1, 2, 3:
		elements = 150 // past the compact encodings
	}
	w.queue("DEL", key)
	kind := w.random.IntN(8)
	command := []string{[...]string{"SET", "SET", "HSET", "HSET", "RPUSH", "SADD", "ZADD", "XADD"}[kind], key}
	switch kind {
	case 0, 1:
		command = append(command, strings.Repeat(w.text(), elements))
	case 2, 3:
		for range elements {
			command = append(command, w.text(), w.text())
		}
	case 4, 5:
		for range elements {
			command = append(command, w.text())
		}
	case 6:
		for range elements {
			command = append(command, w.score(), w.text())
		}
	case 7:
		for n := range min(elements, 200) {
			w.queue("XADD", key, strconv.Itoa(1+n)+"-1", "a"+w.text(), w.text(), "b", w.text())
		}
	}
	if kind < 7 {
		w.queue(command...)
	}
	if w.random.IntN(6) == 0 {
		w.queue("EXPIRE", key, strconv.Itoa(1000+w.random.IntN(1000)))
	}
}
