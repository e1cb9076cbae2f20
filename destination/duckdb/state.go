package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// syncTable has one row per sync: its position and what status tells.
const (
	syncTable   = "_keylift_sync"
	syncColumns = ` (sync VARCHAR, generation BIGINT, token VARCHAR,
		published BOOLEAN, started TIMESTAMPTZ, checkpointed TIMESTAMPTZ,
		published_at TIMESTAMPTZ, replaced BIGINT)`
)

// A syncRow is a row of syncTable.
type syncRow struct {
	position     row.Position
	published    bool      // the position is published, nothing is staged
	started      time.Time // when the sync that wrote the position began
	checkpointed time.Time // when the position was committed
	publishedAt  time.Time // when rows were last published; zero if never
	replaced     int64     // rows rewritten since the file was last compacted
}

// findSync is readSync where Prepare may not have made the table yet.
func (d *Destination) findSync(ctx context.Context, sync string) (*syncRow, error) {
	if have, err := d.columns(ctx, syncTable); err != nil || have == nil {
		return nil, err
	}
	return d.readSync(ctx, sync)
}

// readSync reads the row of a sync; nil where there is none.
func (d *Destination) readSync(ctx context.Context, sync string) (*syncRow, error) {
	var s *syncRow
	err := d.conn.query(ctx, `SELECT generation, token, published, started, checkpointed, published_at, replaced
		FROM `+d.name(syncTable)+` WHERE sync = ?`, func(c *chunk) error {
		s = &syncRow{
			position: row.Position{Generation: c.int(0, 0), Token: c.text(1, 0)}, published: c.bool(2, 0),
			started: moment(c.int(3, 0)), checkpointed: moment(c.int(4, 0)), publishedAt: moment(c.int(5, 0)), replaced: c.int(6, 0),
		}
		return nil
	}, sync)
	switch {
	case err == nil:
		return s, nil
	case strings.HasPrefix(err.Error(), "Binder Error"):
		return nil, fmt.Errorf("the table %s is not as keylift made it (%w); drop it, and the next sync reads everything anew and corrects the rows", syncTable, err)
	}
	return nil, fmt.Errorf("read the position of sync %q: %w", sync, err)
}

// moment returns the time of a TIMESTAMPTZ; the zero time for NULL.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func (d *Destination) writeSync(ctx context.Context, sync string, s *syncRow) error {
	s.checkpointed = time.Now().UTC()
	if err := d.conn.exec(ctx, "DELETE FROM "+d.name(syncTable)+" WHERE sync = ?", sync); err != nil {
		return err
	}
	return d.conn.exec(ctx, "INSERT INTO "+d.name(syncTable)+" VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sync,
		s.position.Generation, s.position.Token, s.published, s.started, s.checkpointed, s.publishedAt, s.replaced)
}

// Checkpoint returns the last committed position.
func (d *Destination) Checkpoint(ctx context.Context, sync string) (row.Position, error) {
	s, err := d.findSync(ctx, sync)
	if s == nil || err != nil {
		return row.Position{}, err
	}
	return s.position, nil
}

// Status tells how far a sync has come.
func (d *Destination) Status(ctx context.Context, sync string) (*destination.Status, error) {
	s, err := d.findSync(ctx, sync)
	if s == nil || err != nil {
		return &destination.Status{}, err
	}
	st := &destination.Status{
		Position: s.position, Published: s.published,
		StartedAt: s.started, CheckpointAt: s.checkpointed, PublishedAt: s.publishedAt,
	}
	err = d.conn.query(ctx, `SELECT table_name FROM duckdb_columns()
		WHERE database_name = current_database() AND schema_name = ? AND column_name = ? AND table_name NOT LIKE '\_keylift\_%' ESCAPE '\'
		ORDER BY table_name`, func(c *chunk) error {
		for i := range c.rows {
			st.Tables = append(st.Tables, destination.TableStatus{Name: c.text(0, i)})
		}
		return nil
	}, d.o.Schema, hashColumn)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	for i := range st.Tables {
		if err := d.countRows(ctx, &st.Tables[i]); err != nil {
			return nil, fmt.Errorf("count rows of table %q: %w", st.Tables[i].Name, err)
		}
	}
	return st, nil
}

func (d *Destination) countRows(ctx context.Context, t *destination.TableStatus) error {
	columns, err := d.columns(ctx, t.Name)
	if err != nil {
		return err
	}
	of := &row.Table{Name: t.Name, History: slices.ContainsFunc(columns, func(c column) bool { return c.name == activeColumn })}
	err = d.conn.query(ctx, "SELECT count(*) FILTER ("+live(of, "")+"), count(*) FILTER ("+deletedColumn+") FROM "+d.name(t.Name),
		func(c *chunk) error {
			t.Rows, t.Deleted = c.int(0, 0), c.int(1, 0)
			return nil
		})
	if err != nil {
		return err
	}
	p := preparedTable{Table: of}
	if err := d.findStage(ctx, &p); err != nil {
		return err
	}
	if p.staged {
		if t.Staged, err = d.count(ctx, "SELECT count(*) FROM "+d.name(stageName(t.Name))); err != nil {
			return err
		}
	}
	if p.noted {
		n, err := d.countSeen(ctx, t.Name)
		if err != nil {
			return err
		}
		t.Staged += n
	}
	return nil
}

// Reset forgets the position of a sync and drops what it staged.
func (d *Destination) Reset(ctx context.Context, sync string) error {
	have, err := d.columns(ctx, syncTable)
	if err != nil || have == nil {
		return err
	}
	todo := []string{"DELETE FROM " + d.name(syncTable)}
	err = d.conn.query(ctx, `SELECT table_name FROM duckdb_tables()
		WHERE database_name = current_database() AND schema_name = ?
		AND (starts_with(table_name, '_keylift_stage_') OR starts_with(table_name, '_keylift_seen_'))`, func(c *chunk) error {
		for i := range c.rows {
			todo = append(todo, "DROP TABLE "+d.name(c.text(0, i)))
		}
		return nil
	}, d.o.Schema)
	if err == nil {
		err = d.inTransaction(ctx, todo)
	}
	if err != nil {
		return fmt.Errorf("reset sync %q: %w", sync, err)
	}
	d.forget()
	d.published, d.last = 0, time.Time{}
	for _, t := range d.tables {
		t.staged, t.noted = false, false
	}
	return nil
}
