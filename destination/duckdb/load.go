package duckdb

import (
	"context"
	"encoding/binary"
	"strconv"

	"github.com/keylift/keylift/row"
)

// The parts of the memory that the indexes of all tables may take at the most, that
// DuckDB shares with them while rows are staged, and that it gets in any case.
const (
	indexShare          = 2 // as a divisor
	leastShare          = 4 // as a divisor
	sharedTwo, sharedOf = 2, 3
)

// load learns what is staged of t and, if the rows of a snapshot are to come, what
// is published.
func (d *Destination) load(ctx context.Context, t *preparedTable, snapshot bool) error {
	build := snapshot && t.index == nil
	if build && t.Appends {
		// Most of what is published is not delivered again.
		t.index = &index{slots: make([]slot, 1), full: true}
	} else if build {
		if err := d.loadIndex(ctx, t); err != nil {
			return err
		}
	}
	if t.staged && (build || !t.tracked) {
		if err := d.loadStaged(ctx, t); err != nil {
			return err
		}
	}
	t.tracked = true
	return nil
}

// loadIndex builds the index of t from its published rows.
func (d *Destination) loadIndex(ctx context.Context, t *preparedTable) error {
	published, err := d.count(ctx, "SELECT count(*) FROM "+d.name(t.Name)+" WHERE "+live(t.Table, ""))
	var seen int64
	if err == nil && t.noted {
		seen, err = d.countSeen(ctx, t.Name)
	}
	if err != nil {
		return err
	}
	t.index = newIndex(published, d.indexLimit-d.indexBytes(), seen)
	if err := d.limitMemory(ctx, stagingMemory(d.o.MemoryBytes, d.indexBytes())); err != nil {
		return err
	}
	if seen > 0 {
		// First, so that each of them finds a place.
		if err := d.loadSeen(ctx, t); err != nil {
			return err
		}
	}
	if published > 0 {
		return d.loadPublished(ctx, t)
	}
	return nil
}

// indexBytes returns how much memory the indexes take.
func (d *Destination) indexBytes() (n int64) {
	for _, t := range d.tables {
		n += t.index.bytes()
	}
	return n
}

// limitMemory sets how much memory DuckDB may take.
func (d *Destination) limitMemory(ctx context.Context, bytes int64) error {
	if bytes == d.limit {
		return nil
	}
	if err := d.conn.exec(ctx, "SET memory_limit = '"+mebibytes(bytes)+"'"); err != nil {
		return err
	}
	d.limit = bytes
	return nil
}

// stagingMemory returns what DuckDB gets beside indexes of this size: it buffers
// what it has read and written, no more.
func stagingMemory(all, indexes int64) int64 {
	return max(all/sharedOf*sharedTwo-indexes, all/leastShare)
}

// publishingMemory returns what DuckDB gets for the joins of a publication.
func publishingMemory(all, indexes int64) int64 {
	return min(all/sharedOf*sharedTwo, all-indexes)
}

func mebibytes(n int64) string { return strconv.FormatInt(n>>20, 10) + "MiB" }

func (d *Destination) countSeen(ctx context.Context, table string) (int64, error) {
	n, err := d.count(ctx, "SELECT sum(octet_length(hashes))::BIGINT FROM "+d.name(seenName(table)))
	return n / hashBytes, err
}

func (d *Destination) loadSeen(ctx context.Context, t *preparedTable) error {
	return d.conn.query(ctx, "SELECT hashes FROM "+d.name(seenName(t.Name)), func(c *chunk) error {
		for i := range c.rows {
			for hashes := c.columns[0].text(i); len(hashes) > 0; hashes = hashes[hashBytes:] {
				t.index.add(binary.LittleEndian.Uint64(hashes)).set(isSeen)
			}
		}
		return nil
	})
}

// published is what the index learns of some rows.
type published struct {
	keys, contents []uint64
}

// publishedAhead is how many chunks of rows are read before the index has learnt of them.
const publishedAhead = 16

// loadPublished adds the published rows to the index. They are read and hashed by one
// goroutine, and added by another: both take about as long.
func (d *Destination) loadPublished(ctx context.Context, t *preparedTable) error {
	r := newRowReader(t.Table, inContent(t.Table), hashColumn)
	read, free := make(chan published, publishedAhead), make(chan published, publishedAhead+2)
	for range cap(free) {
		free <- published{}
	}
	scanned := make(chan error, 1)
	go func() {
		defer close(read)
		_, err := d.each(ctx, t.Name, r.columns, live(t.Table, ""), func(c *chunk) {
			p := <-free
			p.keys = r.appendKeys(p.keys[:0], c)
			p.contents = r.appendContents(p.contents[:0], c)
			read <- p
		})
		scanned <- err
	}()
	for p := range read {
		t.index.touch(p.keys)
		for i, key := range p.keys {
			t.index.publish(key, p.contents[i])
		}
		free <- p
	}
	return <-scanned
}

func (d *Destination) loadStaged(ctx context.Context, t *preparedTable) error {
	r := newRowReader(t.Table, inContent(t.Table), hashColumn, deletedColumn)
	b := row.NewBatch(t.Table)
	defer b.Release()
	return d.scan(ctx, stageName(t.Name), "true", r, func(c *chunk) error {
		r.appendTo(b, c)
		if t.run != nil {
			t.run.at = -1
		}
		hash, deleted := &c.columns[len(r.read)], &c.columns[len(r.read)+1]
		for i := range c.rows {
			if t.Group > 0 && deleted.isNull(i) {
				t.mark(b.HashGroup(i), row.Keep)
				continue
			}
			if t.Group > 0 && values[bool](deleted, c.rows)[i] {
				t.mark(b.HashGroup(i), row.Delete)
				continue
			}
			key := b.HashKey(i)
			s := t.index.find(key)
			if !t.tracked {
				d.track(t, b, i, key, s)
			}
			switch {
			case deleted.isNull(i):
				t.keep(s)
			case values[bool](deleted, c.rows)[i]:
				t.stage(s, 0)
			default:
				t.stage(s, contentHash(b, i, values[uint64](hash, c.rows)[i]))
			}
		}
		b.DropRow(0)
		return nil
	})
}

// inContent chooses the columns of t that contentHash needs beside the row's hash,
// and the key.
func inContent(t *row.Table) func(c int) bool {
	return func(c int) bool { return c < t.Keys || t.Columns[c].Compare == row.ByValue }
}
