package row_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/keylift/keylift/row"
)

var hashed = &row.Table{Name: "hashed", Keys: 1, Columns: []row.Column{
	{Name: "key", Type: row.String},
	{Name: "whole", Type: row.Int},
	{Name: "real", Type: row.Double},
	{Name: "text", Type: row.String},
	{Name: "ttl", Type: row.Int, Compare: row.Never},
	{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue},
}}

// hashRow returns the hash of one row of hashed; nil is NULL.
func hashRow(key string, cells ...any) (content, primary uint64) {
	b := row.NewBatch(hashed)
	defer b.Release()
	b.AppendText(0, key)
	for c, cell := range cells {
		switch v := cell.(type) {
		case int:
			b.AppendInt(c+1, int64(v))
		case float64:
			b.AppendFloat(c+1, v)
		case string:
			b.AppendText(c+1, v)
		case nil:
			b.AppendNull(c + 1)
		}
	}
	b.EndRow(row.Upsert)
	return b.Hash[0], b.HashKey(0)
}

// TestBatch_HashRow holds the hash to literals: destinations store it, and
// another hash would rewrite every row of theirs.
func TestBatch_HashRow(t *testing.T) {
	for _, c := range []struct {
		key   string
		cells []any
		want  uint64
	}{
		{"", nil, 0xc3ba552190c3a0ef},
		{"player:1", nil, 0x33a1e163a567c032},
		{"player:1", []any{0, 0.0, "", 0, 0}, 0xcc60a601953be4b3},
		{"player:1", []any{1, 1.5, "text", 60, 1_700_000_000_000_000}, 0x68d764b45d6dafa6},
		{"player:1", []any{math.MaxInt64, math.Inf(-1), "日本語", nil, nil}, 0xfa9a23ab60d76c95},
		{"a key that is longer than thirty-two bytes", []any{-1, -0.1, "and a text that is longer than thirty-two bytes"}, 0xb8dae1fc2358ab96},
	} {
		if got, _ := hashRow(c.key, c.cells...); got != c.want {
			t.Errorf("hash of %q %v = %#x, want %#x", c.key, c.cells, got, c.want)
		}
	}
}

func TestBatch_HashRow_differs(t *testing.T) {
	seen := map[uint64]string{}
	for _, key := range []string{"", "a", "b", "\x00"} {
		for _, whole := range []any{nil, 0, 1, -1, 0x6e756c6c, math.MaxInt64} {
			for _, number := range []any{nil, 0.0, math.Copysign(0, -1), 1.0, math.NaN()} {
				for _, text := range []any{nil, "", "a", "b"} {
					got, _ := hashRow(key, whole, number, text)
					row := fmt.Sprintf("%q %v %v %#v", key, whole, number, text)
					if other, ok := seen[got]; ok {
						t.Errorf("rows %s and %s have the same hash", row, other)
					}
					seen[got] = row
				}
			}
		}
	}
}

// TestBatch_HashRow_compare: only what is compared by hash counts.
func TestBatch_HashRow_compare(t *testing.T) {
	want, key := hashRow("a", 1, 1.5, "text", 60, 1000)
	for _, cells := range [][]any{
		{1, 1.5, "text", 59, 1000},
		{1, 1.5, "text", nil, nil},
		{1, 1.5, "text", 60, 2000},
	} {
		if got, _ := hashRow("a", cells...); got != want {
			t.Errorf("hash of %v = %#x, want %#x", cells, got, want)
		}
	}
	if got, _ := hashRow("a", 2, 1.5, "text", 60, 1000); got == want {
		t.Error("a changed column does not change the hash")
	}
	if _, got := hashRow("a", 2, nil, "other"); got != key {
		t.Error("HashKey depends on columns that are no keys")
	}
	if _, got := hashRow("b", 1, 1.5, "text", 60, 1000); got == key {
		t.Error("HashKey does not depend on the key")
	}
	if want == key {
		t.Error("HashKey equals HashRow")
	}
}

func TestBatch_HashKey_composite(t *testing.T) {
	b := row.NewBatch(everyType)
	for _, key := range []struct {
		database int64
		name     string
	}{{0, "1"}, {1, "0"}, {0, "0"}, {1, "1"}, {0, ""}, {-1, ""}} {
		b.AppendInt(0, key.database)
		b.AppendText(1, key.name)
		b.EndRow(row.Delete)
	}
	seen := map[uint64]int{}
	for i := range b.Len() {
		if j, ok := seen[b.HashKey(i)]; ok {
			t.Errorf("keys %d and %d have the same hash", i, j)
		}
		seen[b.HashKey(i)] = i
	}
}

// TestKeyHash: values that are in no batch have the hash that they have in one.
func TestKeyHash(t *testing.T) {
	table := &row.Table{Name: "keys", Keys: 3, Columns: []row.Column{
		{Name: "whole", Type: row.Int}, {Name: "real", Type: row.Double}, {Name: "text", Type: row.String},
	}}
	b := row.NewBatch(table)
	defer b.Release()
	b.AppendInt(0, -7)
	b.AppendFloat(1, 2.5)
	b.AppendText(2, "player:1")
	b.EndRow(row.Delete)
	if got, want := row.NewKeyHash().Int(-7).Float(2.5).Text([]byte("player:1")).Sum(), b.HashKey(0); got != want {
		t.Errorf("hash of the key = %#x, in a batch %#x", got, want)
	}
}

// TestBatch_HashRow_shared: a text that rows share counts in each of them, and no
// longer once other rows have taken their places.
func TestBatch_HashRow_shared(t *testing.T) {
	table := &row.Table{Name: "elements", Keys: 2, Group: 1, Columns: []row.Column{{Name: "key", Type: row.String}, {Name: "position", Type: row.Int}}}
	alone := func(key string, position int64) uint64 {
		b := row.NewBatch(table)
		defer b.Release()
		b.AppendText(0, key)
		b.AppendInt(1, position)
		b.EndRow(row.Upsert)
		return b.Hash[0]
	}
	b := row.NewBatch(table)
	defer b.Release()
	fill := func(key string) {
		start := len(b.Text)
		b.Text = append(b.Text, key...)
		for i := range int64(3) {
			b.Share(0, row.Span{Start: start, End: start + len(key)})
			b.AppendInt(1, i)
			b.EndRow(row.Upsert)
		}
	}
	fill("board:1")
	b.Truncate(1, 7)
	fill("board:2")
	for i, want := range []uint64{alone("board:1", 0), alone("board:2", 0), alone("board:2", 1), alone("board:2", 2)} {
		if b.Hash[i] != want {
			t.Errorf("hash of row %d = %#x, want %#x", i, b.Hash[i], want)
		}
	}
	b.Truncate(0, 0)
	fill("board:3")
	for i := range b.Len() {
		if want := alone("board:3", int64(i)); b.Hash[i] != want {
			t.Errorf("hash of row %d anew = %#x, want %#x", i, b.Hash[i], want)
		}
	}
}

func BenchmarkBatch(b *testing.B) {
	value := []byte(`{"guild":"red","level":"12","name":"ann","score":"1204","seen":"1700000000"}`)
	batch := row.NewBatch(everyType)
	for b.Loop() {
		if batch.Len() == 1000 {
			batch.Release()
			batch = row.NewBatch(everyType)
		}
		batch.AppendInt(0, 0)
		batch.AppendText(1, "player:123456")
		start := len(batch.Text)
		batch.Text = append(batch.Text, value...)
		batch.AppendSpan(6, start)
		batch.EndRow(row.Upsert)
	}
	b.ReportAllocs()
}
