package duckdb

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/keylift/keylift/row"
)

// A preparedTable is one table and what is known of its staged rows.
type preparedTable struct {
	*row.Table              // of those that fit the one with the most columns
	given      *row.Table   // to Prepare
	fits       []*row.Table // whose columns are all there
	columns    []column     // of the published table, in its order
	staged     bool         // the stage is there
	noted      bool         // the table of seen keys is there

	index    *index              // nil until a snapshot needs it
	tracked  bool                // of each staged row is known what track notes
	salt     uint64              // for hashes of keys of several tables
	seen     []byte              // hashes of keys found unchanged, that are not noted yet
	repeated map[uint64]struct{} // hashes of keys that may have more than one staged row, see track
	run      *elementRun         // in a table with a Group, of the Redis key staged last; nil before the first
	kept     bool                // some staged rows mark keys set aside
	deletes  bool                // some staged rows mark deletes
	// In a table with a Group, see mark.
	marked bool                // some staged rows are marks
	cut    map[uint64]struct{} // hashes of keys with a staged Delete, up to mostRepeated
}

// forget forgets what is known of the staged rows.
func (t *preparedTable) forget() {
	*t = preparedTable{
		Table: t.Table, given: t.given, fits: t.fits, columns: t.columns,
		staged: t.staged, noted: t.noted, salt: t.salt,
	}
}

// The stage of a table is a table beside it with the same columns, where
// _keylift_deleted is true for a Delete and NULL for a Keep or a Stay, whose hash is 1.
func stageName(table string) string { return "_keylift_stage_" + table }

// The hashes of the keys whose rows are unchanged are noted in a table too, those
// of a transaction in one cell: 8 bytes a key.
func seenName(table string) string { return "_keylift_seen_" + table }

const hashBytes = 8

// Write stages the rows of b that the published table does not hold already.
func (tx *tx) Write(ctx context.Context, b *row.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := tx.d.tables[b.Table.Name]
	if t == nil {
		return fmt.Errorf("stage rows of table %q: the table was not prepared", b.Table.Name)
	}
	if err := tx.enter(ctx, b.After.Generation); err != nil {
		return err
	}
	err := tx.widen(ctx, t, b.Table)
	if err == nil {
		err = tx.d.load(ctx, t, tx.d.generation != tx.d.published)
	}
	if err == nil {
		err = tx.write(ctx, t, b)
	}
	if err != nil {
		return fmt.Errorf("stage rows of table %q: %w", t.Name, err)
	}
	return nil
}

// write sorts out which rows are staged.
func (tx *tx) write(ctx context.Context, t *preparedTable, b *row.Batch) error {
	tx.rows = tx.rows[:0]
	if t.run != nil {
		t.run.at = -1
	}
	tx.keys = tx.keys[:0]
	for i, op := range b.Ops {
		if i == len(tx.keys) {
			tx.hashKeys(t, b, min(i+touchAhead, b.Len()))
		}
		if t.Group > 0 && op != row.Upsert {
			t.mark(b.HashGroup(i), op)
			tx.rows = append(tx.rows, i)
			continue
		}
		key := tx.keys[i]
		s := t.index.find(key)
		var content uint64
		switch op {
		case row.Keep, row.Stay:
			if s.is(isSeen) && !s.is(isStaged) {
				continue
			}
		case row.Upsert:
			content = contentHash(b, i, b.Hash[i])
			if s.is(isPublished) && s.holds(content) && !s.is(isKept) && !t.isCut(b, i) {
				if !s.is(isStaged | isSeen) {
					s.set(isSeen)
					t.seen = binary.LittleEndian.AppendUint64(t.seen, key)
				}
				continue
			}
		}
		tx.d.track(t, b, i, key, s)
		if op.Keeps() {
			t.keep(s)
		} else {
			t.stage(s, content)
		}
		tx.rows = append(tx.rows, i)
	}
	if len(tx.rows) == 0 {
		return nil
	}
	a, err := tx.appender(ctx, t)
	if err != nil {
		return err
	}
	return a.write(ctx, b, tx.rows, tx.d.started)
}

// touchAhead is how many rows' places in the index are loaded at once.
const touchAhead = 512

// hashKeys hashes the keys of the rows up to end, and has their places at hand.
func (tx *tx) hashKeys(t *preparedTable, b *row.Batch, end int) {
	first := len(tx.keys)
	for i := first; i < end; i++ {
		tx.keys = append(tx.keys, b.HashKey(i))
	}
	t.index.touch(tx.keys[first:])
}

// stage says that a row of this content is staged, 0 for a delete. s is the slot
// of its key.
func (t *preparedTable) stage(s *slot, content uint64) {
	t.deletes = t.deletes || content == 0
	if s != nil {
		s.set(isStaged)
		s.hold(content)
	}
}

// keep says that a key is staged as one set aside. s is its slot.
func (t *preparedTable) keep(s *slot) {
	t.kept = true
	s.set(isKept)
}

// contentHash hashes all that makes row i changed: hash, which is its
// row.Batch.Hash, and the exact values of the columns that are compared by value.
// It is never 0.
func contentHash(b *row.Batch, i int, hash uint64) uint64 {
	for c := range b.Table.Columns {
		if v := &b.Vectors[c]; b.Table.Columns[c].Compare == row.ByValue && !v.Null[i] {
			hash = withValue(hash, v.Ints[i])
		}
	}
	return max(hash, 1)
}

// withValue adds to a content hash the value of a column that is compared by value.
func withValue(hash uint64, v int64) uint64 { return (hash ^ uint64(v)) * 0x9e3779b97f4a7c15 }

// appender returns the appender of a table's stage, opening it where needed.
func (tx *tx) appender(ctx context.Context, t *preparedTable) (*stageAppender, error) {
	if a := tx.open[t]; a != nil {
		return a, nil
	}
	if !t.staged {
		if err := tx.d.conn.exec(ctx, "CREATE TABLE "+tx.d.name(stageName(t.Name))+" ("+definitions(t.columns)+")"); err != nil {
			return nil, err
		}
		t.staged = true
	}
	a, err := newStageAppender(tx.d, t)
	if err == nil {
		tx.open[t], tx.local[t] = a, true
	}
	return a, err
}

// note notes the keys of t that were seen since it was called last.
func (d *Destination) note(ctx context.Context, t *preparedTable) error {
	if len(t.seen) == 0 {
		return nil
	}
	if !t.noted {
		if err := d.conn.exec(ctx, "CREATE TABLE "+d.name(seenName(t.Name))+" (hashes BLOB)"); err != nil {
			return err
		}
		t.noted = true
	}
	if err := d.conn.exec(ctx, "INSERT INTO "+d.name(seenName(t.Name))+" VALUES (?)", t.seen); err != nil {
		return err
	}
	t.seen = t.seen[:0]
	return nil
}

// dropStage drops what is staged of t and forgets it.
func (d *Destination) dropStage(ctx context.Context, t *preparedTable) error {
	if t.staged {
		if err := d.conn.exec(ctx, "DROP TABLE "+d.name(stageName(t.Name))); err != nil {
			return err
		}
	}
	if t.noted {
		if err := d.conn.exec(ctx, "DROP TABLE "+d.name(seenName(t.Name))); err != nil {
			return err
		}
	}
	t.staged, t.noted = false, false
	t.forget()
	return nil
}
