package duckdb

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// PublishChanges makes the staged changes visible.
func (tx *tx) PublishChanges(ctx context.Context, p row.Position) (destination.Counts, error) {
	return tx.publish(ctx, p, nil, destination.AnyShare)
}

// PublishSnapshot makes the staged snapshot visible and deletes what it lacks, unless
// that is too much.
func (tx *tx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (destination.Counts, error) {
	return tx.publish(ctx, p, scope, mayDelete)
}

// publish makes what is staged visible. With a scope, published rows within it
// that were not staged, seen or kept are gone from the source; it deletes no more of
// the rows than the share mayDelete.
func (tx *tx) publish(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (total destination.Counts, err error) {
	d := tx.d
	if err := tx.enter(ctx, p.Generation); err != nil {
		return total, err
	}
	// Row IDs are final only once the rows are committed. They may be: until the
	// position moves, they are merely staged again.
	if err := tx.closeAppenders(ctx); err != nil {
		return total, fmt.Errorf("stage rows: %w", err)
	}
	if err := d.conn.exec(ctx, "COMMIT"); err != nil {
		return total, fmt.Errorf("stage rows: %w", err)
	}
	if err := d.relieved(ctx); err != nil {
		return total, fmt.Errorf("begin to publish: %w", err)
	}
	if err := d.useThreads(ctx, runtime.GOMAXPROCS(0)); err != nil {
		return total, fmt.Errorf("begin to publish: %w", err)
	}
	defer func() {
		if failed := d.useThreads(context.WithoutCancel(ctx), 1); err == nil {
			err = failed // after an error the transaction takes no statement
		}
	}()
	if err := d.conn.exec(ctx, "BEGIN"); err != nil {
		return total, fmt.Errorf("begin to publish: %w", err)
	}
	s, err := d.readSync(ctx, tx.sync)
	if err != nil {
		return total, err
	}
	if s == nil {
		s = &syncRow{}
	}
	guarded := mayDelete < destination.AnyShare && d.o.Deletes != destination.IgnoreDeletes
	if guarded {
		if err := d.conn.exec(ctx, createLost); err != nil {
			return total, fmt.Errorf("begin to publish: %w", err)
		}
	}
	var rows, held int64
	for _, name := range d.names {
		pub := publication{d: d, t: d.tables[name], scope: scope, guarded: guarded}
		if err := pub.run(ctx); err != nil {
			return total, fmt.Errorf("publish table %q: %w", name, err)
		}
		total.Add(pub.counts)
		s.replaced += pub.replaced
		rows, held = rows+pub.rows, held+pub.held
	}
	if guarded {
		if err := d.judge(ctx, held, mayDelete); err != nil {
			return destination.Counts{}, err
		}
	}
	compact := s.replaced > rows/4
	if compact {
		s.replaced = 0
	}
	s.position, s.published, s.started = p, true, d.started
	s.publishedAt = time.Now().UTC()
	if err := tx.commit(ctx, s); err != nil {
		return total, fmt.Errorf("commit publication: %w", err)
	}
	d.forget()
	d.published = p.Generation
	d.grown = d.grown || total.New+total.Changed+total.Deleted > 0
	if compact {
		return total, d.compact(ctx)
	}
	return total, nil
}

// compact rewrites row groups in which many rows are dead.
func (d *Destination) compact(ctx context.Context) error {
	if err := d.conn.exec(ctx, "SET max_vacuum_tasks = 100"); err != nil {
		return fmt.Errorf("compact the file: %w", err)
	}
	if err := d.checkpoint(ctx, 1); err != nil {
		return fmt.Errorf("compact the file: %w", err)
	}
	return d.conn.exec(ctx, "SET max_vacuum_tasks = 0")
}

// A publication is the publishing of one table.
type publication struct {
	d     *Destination
	t     *preparedTable
	scope row.Scope // nil: changes only

	counts   destination.Counts
	known    outcome
	matched  int64 // staged rows of keys that are published, see sure
	rows     int64 // in the published table before
	replaced int64 // of them rewritten or removed
	cut      int64 // keys whose last mark is a Delete

	guarded bool  // rows that are deleted are noted, see noteLost
	held    int64 // rows that had not expired, in the published table before; counted where guarded
}

func (p *publication) run(ctx context.Context) (err error) {
	d, t := p.d, p.t
	if p.scope == nil && !t.staged && !t.noted && t.index == nil {
		return nil
	}
	if err := d.load(ctx, t, p.scope != nil || t.noted); err != nil {
		return err
	}
	if err := d.limitMemory(ctx, publishingMemory(d.o.MemoryBytes, d.indexBytes())); err != nil {
		return err
	}
	if p.rows, err = d.count(ctx, "SELECT count(*) FROM "+p.table()); err != nil {
		return err
	}
	if p.guarded && p.rows > 0 {
		if p.held, err = d.count(ctx, "SELECT count(*) FROM "+p.table()+" t WHERE "+live(t.Table, "t.")+p.unexpired()); err != nil {
			return err
		}
	}
	p.known = t.index.outcome()
	p.counts.Unchanged = p.known.unchanged
	if t.marked {
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
	if len(t.repeated) > 0 {
		if err := p.dropRepeated(ctx); err != nil {
			return err
		}
	}
	if t.staged && p.rows == 0 && !t.deletes && !t.kept {
		err = p.rename(ctx)
	} else {
		err = p.merge(ctx)
	}
	if err != nil {
		return err
	}
	return d.dropStage(ctx, t)
}

func (p *publication) table() string { return p.d.name(p.t.Name) }
func (p *publication) stage() string { return p.d.name(stageName(p.t.Name)) }

// rename puts the stage in the place of the empty table.
func (p *publication) rename(ctx context.Context) (err error) {
	if p.counts.New, err = p.d.count(ctx, "SELECT count(*) FROM "+p.stage()); err != nil {
		return err
	}
	p.t.staged = false
	return p.d.execAll(ctx, "DROP TABLE "+p.table(), "ALTER TABLE "+p.stage()+" RENAME TO "+quote(p.t.Name))
}

// merge writes the staged rows that differ from the published ones.
func (p *publication) merge(ctx context.Context) error {
	t := p.t
	if t.staged {
		if err := p.findChanged(ctx); err != nil {
			return err
		}
	}
	gone, err := p.findGone(ctx)
	if err != nil {
		return err
	}
	if p.counts.New+p.counts.Changed > 0 {
		columns := make([]string, len(t.columns))
		for i, c := range t.columns {
			columns[i] = quote(c.name)
		}
		list := strings.Join(columns, ", ")
		const replaced = " WHERE rowid IN (SELECT published FROM temp._keylift_delta WHERE published IS NOT NULL)"
		var err error
		if t.History {
			err = p.end(ctx, "", replaced)
		} else {
			err = p.d.conn.exec(ctx, "DELETE FROM "+p.table()+replaced)
		}
		if err != nil {
			return err
		}
		err = p.d.conn.exec(ctx, "INSERT INTO "+p.table()+" ("+list+") SELECT "+list+" FROM "+p.stage()+" WHERE rowid IN (SELECT staged FROM temp._keylift_delta)")
		if err != nil {
			return err
		}
	}
	if !gone {
		return nil
	}
	return p.deleteGone(ctx)
}

// findChanged lists the staged rows that are new or differ, and the published rows
// that they replace. Only keys, hashes and row IDs take part in the comparison; the
// rows follow by row ID.
func (p *publication) findChanged(ctx context.Context) (err error) {
	d, t := p.d, p.t
	if t.kept {
		if p.counts.Kept, err = d.count(ctx, "SELECT count(*) FROM "+p.stage()+" WHERE "+deletedColumn+" IS NULL AND "+hashColumn+" = 0"); err != nil {
			return err
		}
	}
	staged, err := d.count(ctx, "SELECT count(*) FROM "+p.stage()+" WHERE NOT "+deletedColumn)
	if err != nil {
		return err
	}
	err = d.conn.exec(ctx, "CREATE OR REPLACE TEMP TABLE _keylift_delta AS SELECT s.rowid AS staged, t.rowid AS published, coalesce(t."+deletedColumn+", true) AS new"+
		" FROM "+p.stage()+" s LEFT JOIN "+p.table()+" t ON "+joins(t.Table)+
		" WHERE NOT s."+deletedColumn+" AND (t.rowid IS NULL OR t."+deletedColumn+" OR "+differs(t.Table)+")")
	if err != nil {
		return err
	}
	err = d.conn.query(ctx, "SELECT count(*) FILTER (new), count(*) FILTER (NOT new), count(published) FROM temp._keylift_delta", func(c *chunk) error {
		p.counts.New, p.counts.Changed = c.int(0, 0), c.int(1, 0)
		if !t.History {
			p.replaced = c.int(2, 0)
		}
		return nil
	})
	p.counts.Unchanged += staged - p.counts.New - p.counts.Changed
	p.matched = staged - p.counts.New
	return err
}

// differs returns the condition that the content of rows s and t differs.
func differs(t *row.Table) string {
	conditions := []string{"s." + hashColumn + " <> t." + hashColumn}
	for _, c := range t.Columns {
		if c.Compare != row.ByValue {
			continue
		}
		a, b := "s."+quote(c.Name), "t."+quote(c.Name)
		if c.Tolerance == 0 {
			conditions = append(conditions, a+" IS DISTINCT FROM "+b)
			continue
		}
		conditions = append(conditions, "("+a+" IS NULL) <> ("+b+" IS NULL)",
			"abs(epoch_us("+a+") - epoch_us("+b+")) > "+strconv.FormatInt(c.Tolerance.Microseconds(), 10))
	}
	return strings.Join(conditions, " OR ")
}
