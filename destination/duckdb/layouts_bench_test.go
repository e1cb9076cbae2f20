//go:build linux

package duckdb_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

var benchKeys = flag.Int("keys", 100_000, "keys of the layouts that are measured")

// A feed is keys of one type, each fed to a shaper. It returns the bytes that a key is in Redis.
type feed struct {
	name   string
	typ    value.Type
	layout table.Layout
	fields []table.Field
	key    func(s *table.Shaper, i int) int
}

var formats = []table.Format{table.Whole, table.Text, table.Seconds, table.Float}

// profile feeds a hash of 12 fields.
func profile(s *table.Shaper, i int) (bytes int) {
	name := fmt.Appendf(nil, "player:%08d:profile", i)
	_ = s.Begin(value.Key{Name: name, Type: value.Hash, TTL: -1, Elements: 12, ReadAt: time.Unix(1_700_000_000, 0)})
	bytes = len(name)
	var field, text []byte
	for f := range 12 {
		n := (i*7919 + f*104729) % 1_000_003
		field, text = append(field[:0], "field_"...), text[:0]
		field = strconv.AppendInt(field, int64(f), 10)
		switch f % 4 {
		case 0:
			text = strconv.AppendInt(text, int64(n), 10)
		case 1:
			text = fmt.Appendf(text, "text of some words %x", n)
		case 2:
			text = strconv.AppendInt(text, int64(1_700_000_000+n), 10)
		case 3:
			text = strconv.AppendFloat(text, float64(n)/8, 'g', -1, 64)
		}
		_ = s.Field(field, text, time.Time{})
		bytes += len(field) + len(text)
	}
	_ = s.End()
	return bytes
}

// board feeds a sorted set of 50 members.
func board(s *table.Shaper, i int) (bytes int) {
	name := fmt.Appendf(nil, "board:%08d:season", i)
	_ = s.Begin(value.Key{Name: name, Type: value.SortedSet, TTL: -1, Elements: 50, ReadAt: time.Unix(1_700_000_000, 0)})
	bytes = len(name)
	var member []byte
	for m := range 50 {
		n := (i*7919 + m*104729) % 1_000_003
		member = strconv.AppendInt(append(member[:0], "player:"...), int64(n), 10)
		_ = s.Scored(member, float64(m*1000+n%1000))
		bytes += len(member) + 8
	}
	_ = s.End()
	return bytes
}

// BenchmarkLayouts measures first snapshots in the layouts: CPU time in the destination
// and in the shaper, for bytes as they are in Redis.
func BenchmarkLayouts(b *testing.B) {
	var fields []table.Field
	for f := range 12 {
		fields = append(fields, table.Field{Name: "field_" + strconv.Itoa(f), Format: formats[f%4]})
	}
	for _, f := range []feed{
		{"hash/value", value.Hash, table.Values, nil, profile},
		{"hash/columns", value.Hash, table.Columns, fields, profile},
		{"hash/elements", value.Hash, table.Elements, nil, profile},
		{"zset/value", value.SortedSet, table.Values, nil, board},
		{"zset/elements", value.SortedSet, table.Elements, nil, board},
	} {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				f.measure(b)
			}
		})
	}
}

func (f *feed) measure(b *testing.B) {
	template, err := table.ParseTemplate("{kind}:{id}:{rest}")
	if err != nil {
		b.Fatal(err)
	}
	plan, err := table.NewPlan([]table.Spec{{Name: "rows", Template: template, Layout: f.layout, Type: f.typ, Fields: f.fields}},
		table.Options{Skip: true, MaxValueBytes: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := cpuTime(b)
	path := filepath.Join(b.TempDir(), "warehouse.db")
	d, err := duckdb.Open(b.Context(), duckdb.Options{Path: path, Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 192 << 20})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Prepare(b.Context(), plan.Tables()); err != nil {
		b.Fatal(err)
	}
	tx, err := d.Begin(b.Context(), "game")
	if err != nil {
		b.Fatal(err)
	}
	p := row.Position{Generation: 1, Token: "after"}
	s := plan.NewShaper()
	var shaping time.Duration
	var bytes, rows int64
	for i := 0; i < *benchKeys; {
		made := threadTime(b)
		for ; i < *benchKeys && s.Bytes() < 1<<20; i++ {
			bytes += int64(f.key(s, i))
		}
		batches := s.Take()
		shaping += threadTime(b) - made
		for _, batch := range batches {
			batch.After = p
			rows += int64(batch.Len())
			if err := tx.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch.Release()
		}
		if i%20_000 == 0 && i < *benchKeys {
			if err := tx.Stage(b.Context(), p); err != nil {
				b.Fatal(err)
			}
			if tx, err = d.Begin(b.Context(), "game"); err != nil {
				b.Fatal(err)
			}
		}
	}
	if _, err := tx.PublishSnapshot(b.Context(), p, func(*row.Batch, int) bool { return true }, destination.AnyShare); err != nil {
		b.Fatal(err)
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	took := cpuTime(b) - began - shaping
	b.ReportMetric(float64(bytes)/1e6/took.Seconds(), "MB/cpu-s")
	b.ReportMetric(float64(bytes)/1e6/(took+shaping).Seconds(), "MB/cpu-s-shaped")
	b.ReportMetric(took.Seconds()/float64(rows)*1e6, "cpu-s/Mrows")
	b.ReportMetric(float64(bytes)/1e6, "MB")
	b.ReportMetric(float64(fileSize(path))/1e6, "file-MB")
}

// BenchmarkBoard measures what one member that changes costs, of a board of so many
// members, as a change and in a snapshot.
func BenchmarkBoard(b *testing.B) {
	plan := func() *table.Plan {
		template, _ := table.ParseTemplate("board:{season}")
		p, err := table.NewPlan([]table.Spec{{Name: "boards", Template: template, Layout: table.Elements, Type: value.SortedSet}}, table.Options{Skip: true})
		if err != nil {
			b.Fatal(err)
		}
		return p
	}()
	path := filepath.Join(b.TempDir(), "warehouse.db")
	d, err := duckdb.Open(b.Context(), duckdb.Options{Path: path, Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 192 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Prepare(b.Context(), plan.Tables()); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	scores := make([]float64, *benchRows)
	for i := range scores {
		scores[i] = float64(random.IntN(1_000_000))
	}
	first := true
	sync := func(b *testing.B, snapshot bool, generation int64) {
		tx, err := d.Begin(b.Context(), "game")
		if err != nil {
			b.Fatal(err)
		}
		p := row.Position{Generation: generation, Token: "after"}
		s := plan.NewChangesShaper()
		if snapshot {
			s = plan.NewShaper()
		}
		write := func(batch *row.Batch) error {
			defer batch.Release()
			batch.After = p
			return tx.Write(b.Context(), batch)
		}
		s.Spill(1<<20, write)
		_ = s.Begin(value.Key{Name: []byte("board:weekly"), Type: value.SortedSet, TTL: -1})
		var member []byte
		for i, score := range scores {
			member = fmt.Appendf(member[:0], "player:%07d", i)
			if err := s.Scored(member, score); err != nil {
				b.Fatal(err)
			}
		}
		_ = s.End()
		for _, batch := range s.Take() {
			if err := write(batch); err != nil {
				b.Fatal(err)
			}
		}
		var counts destination.Counts
		if snapshot {
			counts, err = tx.PublishSnapshot(b.Context(), p, func(*row.Batch, int) bool { return true }, destination.AnyShare)
		} else {
			counts, err = tx.PublishChanges(b.Context(), p)
		}
		if err != nil {
			b.Fatal(err)
		}
		if written := counts.New + counts.Changed + counts.Deleted; !first && written != 1 {
			b.Fatalf("%+v", counts)
		}
	}
	began := cpuTime(b)
	sync(b, true, 1)
	first = false
	b.Logf("first %.2f cpu-s", (cpuTime(b) - began).Seconds())
	generation := int64(1)
	for name, snapshot := range map[string]bool{"changes": false, "snapshot": true} {
		b.Run(name, func(b *testing.B) {
			var took time.Duration
			for b.Loop() {
				if snapshot {
					generation++
				}
				at := random.IntN(len(scores))
				scores[at]++
				g := generation
				began := cpuTime(b)
				sync(b, snapshot, g)
				took += cpuTime(b) - began
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "cpu-s")
		})
	}
}
