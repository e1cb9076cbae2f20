package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

// filled returns a client of a server that holds the dataset.
func filled(t *testing.T, d dataset) *server {
	t.Helper()
	s := testserver.Redis(t, testserver.Options{})
	client, err := connect(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := d.fill(t.Context(), s.Address()); err != nil {
		t.Fatal(err)
	}
	return &server{s, client}
}

// contents returns all keys with their serialised values.
func contents(ctx context.Context, t *testing.T, s *server) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := scan(ctx, s.client, 1000, func(page []string) error {
		for _, key := range page {
			value, err := s.client.Do(ctx, s.client.B().Dump().Key(key).Build()).ToString()
			if err != nil {
				return err
			}
			all[key] = value
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDataset(t *testing.T) {
	ctx := t.Context()
	d := dataset{keys: 3000, seed: 1}
	s := filled(t, d)
	before := contents(ctx, t, s)
	if len(before) != d.keys {
		t.Errorf("%d keys, want %d", len(before), d.keys)
	}
	kinds := map[string]int{}
	for key := range before {
		kind, err := s.client.Do(ctx, s.client.B().Type().Key(key).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		kinds[kind]++
	}
	if want := map[string]int{"string": 1185, "hash": 997, "list": 296, "set": 351, "zset": 171}; !maps.Equal(kinds, want) {
		t.Errorf("types: %v, want %v", kinds, want)
	}
	if expires, err := s.info(ctx, "keyspace", "db0"); err != nil || !strings.Contains(expires, "expires=535,") {
		t.Errorf("keyspace: %s, %v", expires, err)
	}
	if n, err := s.client.Do(ctx, s.client.B().Zcard().Key("leaderboard:season:0").Build()).AsInt64(); n != 600 || err != nil {
		t.Errorf("members of a leaderboard: %d, %v, want 600", n, err)
	}

	again := contents(ctx, t, filled(t, d))
	if !maps.Equal(slicesLengths(before), slicesLengths(again)) {
		t.Error("the same seed makes other keys")
	}

	for round := range 2 {
		if err := d.change(ctx, s.Address(), round); err != nil {
			t.Fatal(err)
		}
		after := contents(ctx, t, s)
		changed := 0
		for key, value := range after {
			if before[key] != value {
				changed++
			}
		}
		if changed != 3 || len(after) != len(before) {
			t.Errorf("round %d: %d keys changed of %d, want 3 of %d", round, changed, len(after), len(before))
		}
		before = after
	}
}

// slicesLengths returns the length of each value: the order of elements in a set
// depends on the server.
func slicesLengths(values map[string]string) map[string]int {
	lengths := map[string]int{}
	for key, value := range values {
		lengths[key] = len(value)
	}
	return lengths
}

func TestPipeline(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	err := pipeline(t.Context(), s.Address(), func(write func(commands []byte, n int) error) error {
		if err := write(appendCommand(nil, "SET", "a", "1"), 1); err != nil {
			return err
		}
		return write(appendCommand(nil, "LPUSH", "a", "1"), 1)
	})
	if err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		t.Errorf("got %v, want the server's WRONGTYPE", err)
	}
}

func TestSummary(t *testing.T) {
	log := `{"level":"INFO","msg":"reading","keys":5}
{"level":"INFO","msg":"sync ended","complete":true,"new":1,"changed":2,"unchanged":3,"deleted":4,"rows_read":6}
`
	got, err := summary([]byte(log))
	if want := (synced{New: 1, Changed: 2, Unchanged: 3, Deleted: 4, Rows: 6}); err != nil || *got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := summary([]byte(strings.Replace(log, "true", "false", 1))); err == nil {
		t.Errorf("a sync that did not finish: got %+v", got)
	}
}

func TestSpreadOf(t *testing.T) {
	for _, c := range []struct {
		numbers []float64
		want    spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1}, spread{5, 1, 9}},
		{[]float64{9, 1, 4}, spread{4, 1, 9}},
	} {
		if got := spreadOf(slices.Clone(c.numbers)); got != c.want {
			t.Errorf("spread of %v: %v, want %v", c.numbers, got, c.want)
		}
	}
}

func TestSummarize(t *testing.T) {
	var took []time.Duration
	for i := range 200 {
		took = append(took, time.Duration(200-i)*time.Millisecond)
	}
	if got, want := summarize(took), (latency{Count: 200, P50: 101, P99: 199, Max: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := summarize(nil); got != (latency{}) {
		t.Errorf("of nothing: %+v", got)
	}
}
