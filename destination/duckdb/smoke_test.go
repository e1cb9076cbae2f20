package duckdb

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	path := t.TempDir() + "/w.db"
	n := 300000
	for run := 0; run < 4; run++ {
		t0 := time.Now()
		d, err := Open(ctx, Options{Path: path, Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: 256 << 20})
		if err != nil {
			t.Fatal(err)
		}
		tab := table.Value("redis_data", table.ValueOptions{})
		if err := d.Prepare(ctx, []*row.Table{tab}); err != nil {
			t.Fatal(err)
		}
		p, err := d.Checkpoint(ctx, "s")
		fmt.Println(p, err)
		gen := p.Generation + 1
		tx, err := d.Begin(ctx, "s")
		if err != nil {
			t.Fatal(err)
		}
		sh := table.NewValueShaper(tab, 1<<20)
		for i := 0; i < n; {
			b := row.NewBatch(tab)
			sh.Into(b)
			for j := 0; j < 1000; j++ {
				sh.Begin(value.Key{Name: fmt.Appendf(nil, "player:%d", i), Type: value.Hash, TTL: -1, ReadAt: time.Now()})
				v := "bar"
				if run == 2 && i%1000 == 7 {
					v = "baz"
				}
				sh.Field([]byte("foo"), []byte(v), time.Time{})
				sh.End()
				i++
				if run == 3 && i%1000 == 9 {
					i++
				}
			}
			b.After = row.Position{Generation: gen, Token: fmt.Sprint(i)}
			if err := tx.Write(ctx, b); err != nil {
				t.Fatal(err)
			}
			if i%100000 == 0 {
				if err := tx.Stage(ctx, b.After); err != nil {
					t.Fatal(err)
				}
				if tx, err = d.Begin(ctx, "s"); err != nil {
					t.Fatal(err)
				}
			}
			b.Release()
		}
		c, err := tx.PublishSnapshot(ctx, row.Position{Generation: gen, Token: "done"}, func(b *row.Batch, i int) bool { return true })
		fmt.Printf("%+v %v %v\n", c, err, time.Since(t0))
		st, err := d.Status(ctx, "s")
		fmt.Printf("%+v %v\n", st, err)
		k := 0
		for b, err := range d.Rows(ctx, tab) {
			if err != nil {
				t.Fatal(err)
			}
			k += b.Len()
			for i := range b.Ops {
				if b.Len() > 0 && i == 0 && k < 2000 {
					fmt.Println(string(b.TextAt(1, i)), b.Hash[i])
				}
			}
		}
		fmt.Println("rows", k)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		fi, _ := os.Stat(path)
		fmt.Println("size", fi.Size(), time.Since(t0))
	}
}
