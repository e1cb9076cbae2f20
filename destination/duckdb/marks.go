package duckdb

import (
	"context"

	"github.com/keylift/keylift/row"
)

// In the stage of a table with a Group, rows that are a Delete or a Keep mark a Redis
// key. Their other key columns hold nothing that means anything.

// mark notes that a mark of the key that owner is the hash of is staged.
func (t *preparedTable) mark(owner uint64, op row.Op) {
	t.marked = true
	if op != row.Delete || len(t.cut) > mostRepeated {
		return
	}
	if t.cut == nil {
		t.cut = map[uint64]struct{}{}
	}
	t.cut[owner] = struct{}{}
}

// isCut reports whether the key of row i may have a staged Delete. Then its rows are
// staged even where they are unchanged: only those behind the Delete stay.
func (t *preparedTable) isCut(b *row.Batch, i int) bool {
	if len(t.cut) == 0 {
		return false
	}
	_, ok := t.cut[b.HashGroup(i)]
	return ok || len(t.cut) > mostRepeated
}

// settle lists the last mark of each key that has any, and leaves in the stage the
// upserts that count.
func (p *publication) settle(ctx context.Context) error {
	t, owner := p.t, firstColumns(p.t.Table, p.t.Owner())
	const mark = " WHERE " + deletedColumn + " IS DISTINCT FROM false"
	err := p.d.execAll(ctx,
		"CREATE OR REPLACE TEMP TABLE _keylift_marks AS SELECT "+owner+", max(rowid) AS at, arg_max(coalesce("+deletedColumn+", false), rowid) AS gone, arg_max("+hashColumn+", rowid) AS stays FROM "+p.stage()+mark+" GROUP BY "+owner,
		"DELETE FROM "+p.stage()+mark,
		"DELETE FROM "+p.stage()+" WHERE rowid IN (SELECT s.rowid FROM "+p.stage()+" s JOIN temp._keylift_marks m ON "+sameRedisKey(t.Table, "s", "m")+" WHERE m.gone AND s.rowid < m.at)",
	)
	if err != nil {
		return err
	}
	err = p.d.conn.query(ctx, "SELECT count(*) FILTER (NOT gone AND stays = 0), count(*) FILTER (gone) FROM temp._keylift_marks", func(c *chunk) error {
		p.counts.Kept, p.cut = c.int(0, 0), c.int(1, 0)
		return nil
	})
	if err != nil || p.cut == 0 || t.index == nil {
		return err
	}
	// What was found unchanged before a Delete is gone.
	r := newRowReader(t.Table, func(c int) bool { return c < t.Keys })
	b := row.NewBatch(t.Table)
	defer b.Release()
	return p.d.scan(ctx, t.Name, "rowid IN ("+p.rowsOfCut(live(t.Table, "t."))+")", r, func(c *chunk) error {
		r.appendTo(b, c)
		for i := range c.rows {
			if s := t.index.find(b.HashKey(i)); s.is(isSeen) && !s.is(isStaged) {
				p.counts.Unchanged--
			}
		}
		b.DropRow(0)
		return nil
	})
}

// rowsOfCut selects the row IDs of published rows that meet a condition and are of keys
// whose last mark is a Delete.
func (p *publication) rowsOfCut(which string) string {
	return "SELECT t.rowid FROM " + p.table() + " t JOIN temp._keylift_marks m ON " + sameRedisKey(p.t.Table, "t", "m") + " WHERE m.gone AND " + which
}

// findCut adds to the list of rows that are gone those of keys whose last mark is a
// Delete.
func (p *publication) findCut(ctx context.Context) error {
	return p.d.conn.exec(ctx, "INSERT INTO temp._keylift_gone "+p.rowsOfCut(live(p.t.Table, "t."))+
		" AND NOT EXISTS (SELECT 1 FROM "+p.stage()+" s WHERE "+sameKey(p.t.Table, "s", "t")+")")
}
