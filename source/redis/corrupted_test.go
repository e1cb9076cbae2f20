package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// fillNumbers makes keys with numbers for names and values, most of them hashes: what
// belongs to another key would not be noticed by its look.
func fillNumbers(t *testing.T, s *testserver.Server) {
	t.Helper()
	var commands [][]string
	for i := range 600 {
		n := strconv.Itoa(i)
		commands = append(commands, [][]string{
			{"HSET", "h:" + n, "1", n},
			{"HSET", "h:" + n, "1", n, "2", "7"},
			{"HSET", "h:" + n, "2", n},
			{"SET", "s:" + n, n, "PX", "86400000"},
			{"RPUSH", "l:" + n, "7", n},
			{"ZADD", "z:" + n, "7", n},
		}[i%6])
	}
	commands = append(commands, []string{"SET", "long", dense(20_000)})
	fill(t, clientOf(t, s), commands...)
}

// dense returns n letters that cannot be compressed.
func dense(n int) string {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(random.IntN(26))
	}
	return string(b)
}

// withoutTTL returns rows without what depends on the time of reading.
func withoutTTL(rows map[string]aRow) map[string]aRow {
	for name, r := range rows {
		r.TTL = 0
		rows[name] = r
	}
	return rows
}

// differing returns how many keys have other rows, or none.
func differing(got, want map[string]aRow) (n int) {
	for name := range want {
		if got[name] != want[name] {
			n++
		}
	}
	for name := range got {
		if _, there := want[name]; !there {
			n++
		}
	}
	return n
}

// TestReader_Next_corrupted: one byte of what the server sends is another. Either that
// is noticed, or it concerns one key: what belongs to one never goes to another. With
// TLS it is always noticed.
func TestReader_Next_corrupted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tls   bool
		times int
	}{{"plain", false, 100}, {"TLS", true, 30}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := testserver.Redis(t, testserver.Options{TLS: tt.tls})
			fillNumbers(t, s)
			p := proxyTo(t, s)
			// One call of SCAN tells all keys: a cursor that is another would skip some.
			src := sourceOf(t, s, through(p), func(o *Options) { o.BatchSize, o.IOTimeout = 10_000, 400*time.Millisecond })
			want := withoutTTL(readAll(t, sourceOf(t, s), row.Position{}).rows)
			for range 2 { // then it is known which keys are short
				if _, err := tryRead(t, src, row.Position{}); err != nil && !retryable(err) {
					t.Fatal(err)
				}
			}
			random := rand.New(rand.NewPCG(1, 2))
			noticed, struck := 0, 0
			for range tt.times {
				at, mask := 1+random.Int64N(30_000), byte(1+random.IntN(7)) // makes other digits of digits
				p.Corrupt(at, mask)
				got, err := tryRead(t, src, row.Position{})
				if !p.Corrupted() {
					p.Corrupt(0, 0)
					continue
				}
				struck++
				if err != nil {
					noticed++
					_, lost := errors.AsType[*source.PositionLostError](err)
					_, access := errors.AsType[*source.AccessError](err)
					if !retryable(err) && !lost && !access {
						t.Errorf("byte %d by %#x: %v", at, mask, err)
					}
					continue
				}
				if n := differing(withoutTTL(got.rows), want); n > 1 || n > 0 && tt.tls {
					t.Errorf("byte %d by %#x: %d keys differ, and nothing was noticed", at, mask, n)
				}
			}
			if struck == 0 || noticed == 0 {
				t.Errorf("%d bytes corrupted, %d noticed", struck, noticed)
			}
			if got := readAll(t, sourceOf(t, s, through(p)), row.Position{}); differing(withoutTTL(got.rows), want) > 0 {
				t.Error("what is read in the end is not what the server holds")
			}
		})
	}
}

// TestReader_Next_corruptedDump: a payload whose checksum does not match is not taken;
// the key is read by its own command.
func TestReader_Next_corruptedDump(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	text := dense(1_000_000)
	send(t, clientOf(t, s), "SET", "long", text)
	p := proxyTo(t, s)
	p.Corrupt(500_000, 1)
	got := readAll(t, sourceOf(t, s, through(p)), row.Position{})
	if got.rows["long"].Value != text || !p.Corrupted() {
		t.Errorf("%.100q", got.rows["long"].Value)
	}
}

// TestReplica_corrupted: of a snapshot that arrives corrupted nothing is published, and
// it is asked for once more.
func TestReplica_corrupted(t *testing.T) {
	t.Parallel()
	s := primary(t)
	fillNumbers(t, s)
	want := oracle(t, clientOf(t, s))
	p := proxyTo(t, s)
	// Some 12 KB come before the file, which is of 30 KB.
	for _, at := range []int64{18_000, 26_000, 34_000} {
		src := sourceOf(t, s, through(p), replica)
		m := &mirror{}
		p.Corrupt(at, 1)
		err := m.run(t.Context(), t, src)
		if !retryable(err) || !strings.Contains(err.Error(), "the snapshot is broken") || m.rows != nil || !p.Corrupted() {
			t.Fatalf("byte %d: %v, %d rows", at, err, len(m.rows))
		}
		if err := m.run(t.Context(), t, src); err != nil {
			t.Fatal(err)
		}
		m.equals(t, want)
	}
	src := sourceOf(t, s, through(p), replica)
	for _, once := range []bool{true, false} {
		m := &mirror{}
		p.Corrupt(26_000, 1)
		if err := m.run(t.Context(), t, src); retryable(err) != once {
			t.Errorf("first %t: %v", once, err)
		}
	}
}

// TestReplica_corruptedStream: what is no stream of commands is read again.
func TestReplica_corruptedStream(t *testing.T) {
	t.Parallel()
	s := primary(t, "--repl-ping-replica-period", "3600")
	c := clientOf(t, s)
	fillStrings(t, c, 100)
	p := proxyTo(t, s)
	src := sourceOf(t, s, through(p), replica, func(o *Options) { o.Follow, o.PublishInterval = true, 10*time.Millisecond })
	m := &mirror{}
	r := openReader(t, src, row.Position{})
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	if _, err := m.until(ctx, t, r, "s:99"); err != nil {
		t.Fatal(err)
	}
	send(t, c, "SET", "first", "1") // then all connections are there, and say nothing
	if _, err := m.until(ctx, t, r, "first"); err != nil {
		t.Fatal(err)
	}
	p.Corrupt(1, 1)
	send(t, c, "SET", "new", "1")
	if _, err := m.until(ctx, t, r, "new"); !retryable(err) || !strings.Contains(err.Error(), "the replication stream is broken at offset") {
		t.Errorf("%v", err)
	}
	again := openReader(t, src, m.at)
	if snapshots, err := m.until(ctx, t, again, "new"); err != nil || snapshots != 0 {
		t.Errorf("%d snapshots, %v", snapshots, err)
	}
	m.equals(t, oracle(t, c))
}
