package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	published    bool         // the position is published, nothing is staged
	started      time.Time    // when the sync that wrote the position began
	checkpointed time.Time    // when the position was committed
	publishedAt  sql.NullTime // when rows were last published
	replaced     int64        // rows rewritten since the file was last compacted
}

// readSync reads the row of a sync; nil where there is none.
func (d *Destination) readSync(ctx context.Context, sync string) (*syncRow, error) {
	var s syncRow
	err := d.conn.QueryRowContext(ctx, `SELECT generation, token, published, started, checkpointed, published_at, replaced
		FROM `+d.name(syncTable)+` WHERE sync = ?`, sync).
		Scan(&s.position.Generation, &s.position.Token, &s.published, &s.started, &s.checkpointed, &s.publishedAt, &s.replaced)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the position of sync %q: %w", sync, err)
	}
	return &s, nil
}

func (d *Destination) writeSync(ctx context.Context, sync string, s *syncRow) error {
	s.checkpointed = time.Now().UTC()
	if err := d.exec(ctx, "DELETE FROM "+d.name(syncTable)+" WHERE sync = ?", sync); err != nil {
		return err
	}
	return d.exec(ctx, "INSERT INTO "+d.name(syncTable)+" VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sync,
		s.position.Generation, s.position.Token, s.published, s.started, s.checkpointed, s.publishedAt, s.replaced)
}

// Checkpoint returns the last committed position.
func (d *Destination) Checkpoint(ctx context.Context, sync string) (row.Position, error) {
	s, err := d.readSync(ctx, sync)
	if s == nil || err != nil {
		return row.Position{}, err
	}
	return s.position, nil
}

// Status tells how far a sync has come.
func (d *Destination) Status(ctx context.Context, sync string) (*destination.Status, error) {
	if have, err := d.columns(ctx, syncTable); err != nil || have == nil {
		return &destination.Status{}, err
	}
	s, err := d.readSync(ctx, sync)
	if s == nil || err != nil {
		return &destination.Status{}, err
	}
	st := &destination.Status{
		Position: s.position, Published: s.published,
		StartedAt: s.started, CheckpointAt: s.checkpointed, PublishedAt: s.publishedAt.Time,
	}
	rows, err := d.conn.QueryContext(ctx, `SELECT table_name FROM duckdb_columns()
		WHERE database_name = current_database() AND schema_name = ? AND column_name = ? AND table_name NOT LIKE '\_keylift\_%' ESCAPE '\'
		ORDER BY table_name`, d.o.Schema, hashColumn)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t destination.TableStatus
		if err := rows.Scan(&t.Name); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		st.Tables = append(st.Tables, t)
	}
	if err := rows.Err(); err != nil {
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
	err := d.conn.QueryRowContext(ctx, "SELECT count(*) FILTER (NOT "+deletedColumn+"), count(*) FILTER ("+deletedColumn+") FROM "+d.name(t.Name)).
		Scan(&t.Rows, &t.Deleted)
	if err != nil {
		return err
	}
	for _, name := range []string{stageName(t.Name), seenName(t.Name)} {
		have, err := d.columns(ctx, name)
		if err != nil {
			return err
		}
		if have == nil {
			continue
		}
		n, err := d.count(ctx, "SELECT count(*) FROM "+d.name(name))
		if err != nil {
			return err
		}
		t.Staged += n
	}
	return nil
}

// Reset forgets the position of a sync and drops what it staged.
func (d *Destination) Reset(ctx context.Context, sync string) error {
	rows, err := d.conn.QueryContext(ctx, `SELECT table_name FROM duckdb_tables()
		WHERE database_name = current_database() AND schema_name = ?
		AND (starts_with(table_name, '_keylift_stage_') OR starts_with(table_name, '_keylift_seen_'))`, d.o.Schema)
	if err != nil {
		return fmt.Errorf("reset sync %q: %w", sync, err)
	}
	todo := []string{"DELETE FROM " + d.name(syncTable)}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		todo = append(todo, "DROP TABLE "+d.name(name))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("reset sync %q: %w", sync, err)
	}
	if err := d.inTransaction(ctx, todo); err != nil {
		return fmt.Errorf("reset sync %q: %w", sync, err)
	}
	d.forget()
	for _, t := range d.tables {
		t.staged = false
	}
	return nil
}
