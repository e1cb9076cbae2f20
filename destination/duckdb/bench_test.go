//go:build linux

package duckdb_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
)

var benchRows = flag.Int("rows", 1_000_000, "rows of the snapshots that are measured")

const (
	benchBatch = 1000    // rows
	benchStage = 100_000 // rows from one checkpoint to the next
)

// values are texts of the lengths that the values of a game have, 400 bytes on average.
var values = func() []string {
	random := rand.New(rand.NewPCG(1, 1))
	list := make([]string, 10_000)
	for i := range list {
		var text []byte
		switch n := i % 20; {
		case n < 4:
			text = strconv.AppendInt(nil, random.Int64N(1_000_000), 10)
		case n < 8:
			for range 10 + random.IntN(25) {
				text = append(strconv.AppendInt(text, random.Int64N(1000), 36), ' ')
			}
		case n < 19:
			for f := range 14 + random.IntN(8) {
				text = fmt.Appendf(text, `"field_%d":"%x",`, f, random.Int64())
			}
		default:
			for range 100 {
				text = fmt.Appendf(text, `["member:%d",%.3f],`, random.Int64N(1_000_000), 1000*random.Float64())
			}
		}
		list[i] = string(text)
	}
	return list
}()

// appendRow appends row i of the snapshot that is measured; where changeEvery
// divides i, the row differs from version to version.
func appendRow(b *row.Batch, i, version, changeEvery int) {
	at := i * 7919
	if changeEvery > 0 && i%changeEvery == 0 {
		at += version
	}
	start := len(b.Text)
	b.Text = append(b.Text, "player:"...)
	b.Text = strconv.AppendInt(b.Text, int64(i*2654435761%1_000_000_007), 10)
	b.Text = append(b.Text, ":profile"...)
	b.AppendSpan(0, start)
	b.AppendText(1, values[at%len(values)])
	b.AppendText(2, [...]string{"string", "hash", "list", "set", "zset"}[i%5])
	if i%5 == 0 {
		b.AppendInt(3, int64(i%86400))
		b.AppendInt(4, 1_800_000_000_000_000+int64(i)*1000)
	} else {
		b.AppendInt(3, -1)
		b.AppendNull(4)
	}
	b.AppendInt(5, 1_700_000_000_000_000+int64(i/1000))
	b.AppendInt(6, int64(i%200))
	b.EndRow(row.Upsert)
}

// snapshot syncs the rows once and returns the CPU time that it took, without
// that of making the rows.
func snapshot(b *testing.B, path string, generation int64, changeEvery int) (destination.Counts, time.Duration) {
	b.Helper()
	t := table.Value("players", table.Options{})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := cpuTime(b)
	var making time.Duration
	d, err := duckdb.Open(b.Context(), duckdb.Options{Path: path, Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 192 << 20})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Prepare(b.Context(), []*row.Table{t}); err != nil {
		b.Fatal(err)
	}
	tx, err := d.Begin(b.Context(), "game")
	if err != nil {
		b.Fatal(err)
	}
	position := row.Position{Generation: generation, Token: "after"}
	for i := 0; i < *benchRows; {
		made := threadTime(b)
		batch := row.NewBatch(t)
		batch.After = position
		for end := min(i+benchBatch, *benchRows); i < end; i++ {
			appendRow(batch, i, int(generation), changeEvery)
		}
		making += threadTime(b) - made
		if err := tx.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch.Release()
		if i%benchStage == 0 && i < *benchRows {
			if err := tx.Stage(b.Context(), position); err != nil {
				b.Fatal(err)
			}
			if tx, err = d.Begin(b.Context(), "game"); err != nil {
				b.Fatal(err)
			}
		}
	}
	staged := cpuTime(b)
	counts, err := tx.PublishSnapshot(b.Context(), position, func(*row.Batch, int) bool { return true }, destination.AnyShare)
	if err != nil {
		b.Fatal(err)
	}
	published := cpuTime(b)
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	closed := cpuTime(b)
	b.Logf("stage %.2f publish %.2f close %.2f", (staged - began - making).Seconds(), (published - staged).Seconds(), (closed - published).Seconds())
	return counts, closed - began - making
}

func cpuTime(b *testing.B) time.Duration    { return usage(b, syscall.RUSAGE_SELF) }
func threadTime(b *testing.B) time.Duration { return usage(b, syscall.RUSAGE_THREAD) }

func usage(b *testing.B, who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSnapshot measures a snapshot into a new file, of unchanged rows and
// of rows of which one in a thousand changed.
func BenchmarkSnapshot(b *testing.B) {
	report := func(b *testing.B, path string, took time.Duration, before int64) {
		size := fileSize(path)
		b.ReportMetric(took.Seconds()/float64(b.N)/float64(*benchRows)*1e6, "cpu-s/Mrows")
		b.ReportMetric(float64(size)/1e6, "file-MB")
		b.ReportMetric(float64(size-before)/1e6, "growth-MB")
	}
	b.Run("first", func(b *testing.B) {
		var took time.Duration
		path := filepath.Join(b.TempDir(), "warehouse.db")
		for b.Loop() {
			_ = os.Remove(path)
			counts, t := snapshot(b, path, 1, 0)
			if counts.New != int64(*benchRows) {
				b.Fatalf("%+v", counts)
			}
			took += t
		}
		report(b, path, took, 0)
	})
	for name, changeEvery := range map[string]int{"unchanged": 0, "changed": 1000} {
		b.Run(name, func(b *testing.B) {
			var took time.Duration
			path := filepath.Join(b.TempDir(), "warehouse.db")
			snapshot(b, path, 1, changeEvery)
			before := fileSize(path)
			for generation := int64(2); b.Loop(); generation++ {
				counts, t := snapshot(b, path, generation, changeEvery)
				if changeEvery == 0 && counts.Unchanged != int64(*benchRows) {
					b.Fatalf("%+v", counts)
				}
				took += t
			}
			report(b, path, took, before)
		})
	}
}

func fileSize(path string) (n int64) {
	for _, name := range []string{path, path + ".wal"} {
		if i, err := os.Stat(name); err == nil {
			n += i.Size()
		}
	}
	return n
}
