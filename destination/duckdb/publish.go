package duckdb

import (
	"context"
	"database/sql"
	"errors"
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
	return tx.publish(ctx, p, nil)
}

// PublishSnapshot makes the staged snapshot visible and deletes what it lacks.
func (tx *tx) PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope) (destination.Counts, error) {
	return tx.publish(ctx, p, scope)
}

// publish makes what is staged visible. With a scope, published rows within it
// that were not staged, seen or kept are gone from the source.
func (tx *tx) publish(ctx context.Context, p row.Position, scope row.Scope) (total destination.Counts, err error) {
	d := tx.d
	if err := tx.enter(ctx, p.Generation); err != nil {
		return total, err
	}
	// Row IDs are final only once the rows are committed. They may be: until the
	// position moves, they are merely staged again.
	if err := tx.closeAppenders(ctx); err != nil {
		return total, fmt.Errorf("stage rows: %w", err)
	}
	if err := d.exec(ctx, "COMMIT"); err != nil {
		return total, fmt.Errorf("stage rows: %w", err)
	}
	if err := d.useThreads(ctx, runtime.GOMAXPROCS(0)); err != nil {
		return total, fmt.Errorf("begin to publish: %w", err)
	}
	defer func() { err = errors.Join(err, d.useThreads(context.WithoutCancel(ctx), 1)) }()
	if err := d.exec(ctx, "BEGIN"); err != nil {
		return total, fmt.Errorf("begin to publish: %w", err)
	}
	s, err := d.readSync(ctx, tx.sync)
	if err != nil {
		return total, err
	}
	if s == nil {
		s = &syncRow{}
	}
	var rows int64
	for _, name := range d.names {
		pub := publication{d: d, t: d.tables[name], scope: scope}
		if err := pub.run(ctx); err != nil {
			return total, fmt.Errorf("publish table %q: %w", name, err)
		}
		total.Add(pub.counts)
		s.replaced += pub.replaced
		rows += pub.rows
	}
	compact := s.replaced > rows/4
	if compact {
		s.replaced = 0
	}
	s.position, s.published, s.started = p, true, d.started
	s.publishedAt = sql.NullTime{Time: time.Now().UTC(), Valid: true}
	if err := tx.commit(ctx, s); err != nil {
		return total, fmt.Errorf("commit publication: %w", err)
	}
	d.forget()
	if compact {
		return total, d.compact(ctx)
	}
	return total, nil
}

// compact rewrites row groups in which many rows are dead.
func (d *Destination) compact(ctx context.Context) error {
	if err := d.exec(ctx, "SET max_vacuum_tasks = 100"); err != nil {
		return fmt.Errorf("compact the file: %w", err)
	}
	if err := d.checkpoint(ctx, 1); err != nil {
		return fmt.Errorf("compact the file: %w", err)
	}
	return d.exec(ctx, "SET max_vacuum_tasks = 0")
}

// A publication is the publishing of one table.
type publication struct {
	d     *Destination
	t     *preparedTable
	scope row.Scope // nil: changes only

	counts   destination.Counts
	rows     int64 // in the published table before
	replaced int64 // of them rewritten or removed
}

func (p *publication) run(ctx context.Context) (err error) {
	d, t := p.d, p.t
	if p.scope == nil && !t.staged {
		return nil
	}
	if err := d.createStage(ctx, t); err != nil {
		return err
	}
	if err := d.load(ctx, t); err != nil {
		return err
	}
	if p.rows, err = d.count(ctx, "SELECT count(*) FROM "+d.name(t.Name)); err != nil {
		return err
	}
	if t.repeated {
		err := d.exec(ctx, "DELETE FROM "+p.stage()+" WHERE rowid NOT IN (SELECT max(rowid) FROM "+p.stage()+" GROUP BY "+keys(t.Table, "")+")")
		if err != nil {
			return err
		}
	}
	if err := p.countSeen(ctx); err != nil {
		return err
	}
	if p.rows == 0 && !t.deletes {
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
func (p *publication) seen() string  { return p.d.name(seenName(p.t.Name)) }

// rename puts the stage in the place of the empty table.
func (p *publication) rename(ctx context.Context) (err error) {
	if p.counts.New, err = p.d.count(ctx, "SELECT count(*) FROM "+p.stage()); err != nil {
		return err
	}
	if err := p.d.exec(ctx, "DROP TABLE "+p.table()); err != nil {
		return err
	}
	return p.d.exec(ctx, "ALTER TABLE "+p.stage()+" RENAME TO "+quote(p.t.Name))
}

// countSeen counts the keys whose rows stay: unchanged ones and those set aside.
func (p *publication) countSeen(ctx context.Context) (err error) {
	unstaged := " NOT EXISTS (SELECT 1 FROM " + p.stage() + " s WHERE " + sameKey(p.t.Table, "s", "n") + ")"
	key := keys(p.t.Table, "n.")
	if p.t.kept {
		p.counts.Kept, err = p.d.count(ctx, "SELECT count(*) FROM (SELECT "+key+" FROM "+p.seen()+" n WHERE"+unstaged+" GROUP BY "+key+" HAVING bool_and(kept))")
		if err != nil {
			return err
		}
	}
	query := "SELECT count(*) FROM " + p.seen() + " WHERE NOT kept"
	if p.t.overlap {
		query = "SELECT count(*) FROM (SELECT DISTINCT " + key + " FROM " + p.seen() + " n WHERE NOT kept AND" + unstaged + ")"
	}
	p.counts.Unchanged, err = p.d.count(ctx, query)
	return err
}

// merge writes the staged rows that differ from the published ones. Only keys,
// hashes and row IDs take part in the comparison; the rows follow by row ID.
func (p *publication) merge(ctx context.Context) error {
	d, t := p.d, p.t
	staged, err := d.count(ctx, "SELECT count(*) FROM "+p.stage()+" WHERE NOT "+deletedColumn)
	if err != nil {
		return err
	}
	err = d.exec(ctx, "CREATE OR REPLACE TEMP TABLE _keylift_delta AS SELECT s.rowid AS staged, t.rowid AS published, coalesce(t."+deletedColumn+", true) AS new"+
		" FROM "+p.stage()+" s LEFT JOIN "+p.table()+" t ON "+sameKey(t.Table, "s", "t")+
		" WHERE NOT s."+deletedColumn+" AND (t.rowid IS NULL OR t."+deletedColumn+" OR "+differs(t.Table)+")")
	if err != nil {
		return err
	}
	err = d.conn.QueryRowContext(ctx, "SELECT count(*) FILTER (new), count(*) FILTER (NOT new), count(published) FROM temp._keylift_delta").
		Scan(&p.counts.New, &p.counts.Changed, &p.replaced)
	if err != nil {
		return err
	}
	p.counts.Unchanged += staged - p.counts.New - p.counts.Changed
	if err := p.findGone(ctx); err != nil {
		return err
	}
	if p.counts.New+p.counts.Changed > 0 {
		columns := make([]string, len(t.columns))
		for i, c := range t.columns {
			columns[i] = quote(c.name)
		}
		list := strings.Join(columns, ", ")
		if err := d.exec(ctx, "DELETE FROM "+p.table()+" WHERE rowid IN (SELECT published FROM temp._keylift_delta WHERE published IS NOT NULL)"); err != nil {
			return err
		}
		if err := d.exec(ctx, "INSERT INTO "+p.table()+" ("+list+") SELECT "+list+" FROM "+p.stage()+" WHERE rowid IN (SELECT staged FROM temp._keylift_delta)"); err != nil {
			return err
		}
	}
	return p.deleteGone(ctx)
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
