package duckdb

import (
	"context"
	"encoding/binary"

	"github.com/keylift/keylift/row"
)

// indexShare is the part of the memory that the index may take, as a divisor.
const indexShare = 3

// load builds the index of t from its published and staged rows.
func (d *Destination) load(ctx context.Context, t *preparedTable) error {
	if t.index != nil {
		return nil
	}
	var published, staged, seen int64
	published, err := d.count(ctx, "SELECT count(*) FROM "+d.name(t.Name))
	if err == nil && t.staged {
		staged, err = d.count(ctx, "SELECT count(*) FROM "+d.name(stageName(t.Name)))
	}
	if err == nil && t.noted {
		seen, err = d.countSeen(ctx, t.Name)
	}
	if err != nil {
		return err
	}
	t.index = newIndex(published+staged, d.o.MemoryBytes/indexShare, seen)
	if seen > 0 {
		// First, so that each of them finds a place.
		if err := d.loadSeen(ctx, t); err != nil {
			return err
		}
	}
	if published > 0 {
		if err := d.loadPublished(ctx, t); err != nil {
			return err
		}
	}
	if staged > 0 {
		return d.loadStaged(ctx, t)
	}
	return nil
}

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

func (d *Destination) loadPublished(ctx context.Context, t *preparedTable) error {
	r := newRowReader(t.Table, inContent(t.Table), hashColumn)
	b := row.NewBatch(t.Table)
	defer b.Release()
	return d.scan(ctx, t.Name, "NOT "+deletedColumn, r, func(c *chunk) error {
		r.appendTo(b, c)
		hashes := values[uint64](&c.columns[len(r.read)], c.rows)
		for i := range c.rows {
			if s := t.index.add(b.HashKey(i)); s != nil {
				s.key |= isPublished
				s.content = contentHash(b, i, hashes[i])
			}
		}
		b.DropRow(0)
		return nil
	})
}

func (d *Destination) loadStaged(ctx context.Context, t *preparedTable) error {
	r := newRowReader(t.Table, inContent(t.Table), hashColumn, deletedColumn)
	b := row.NewBatch(t.Table)
	defer b.Release()
	return d.scan(ctx, stageName(t.Name), "true", r, func(c *chunk) error {
		r.appendTo(b, c)
		hash, deleted := &c.columns[len(r.read)], &c.columns[len(r.read)+1]
		for i := range c.rows {
			key := b.HashKey(i)
			s := t.index.add(key)
			switch {
			case deleted.isNull(i):
				t.keep(key, s)
			case values[bool](deleted, c.rows)[i]:
				t.stage(key, s, 0)
			default:
				t.stage(key, s, contentHash(b, i, values[uint64](hash, c.rows)[i]))
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
