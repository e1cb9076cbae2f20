package duckdb

import (
	"context"
	"fmt"
)

// relieveEvery is how many tables DuckDB is handed rows of before it is asked how much
// memory they take.
const relieveEvery = 16

// fewTables have room in memory in any case.
const fewTables = 50

// relieve makes room in memory before DuckDB is handed rows of a further table. What
// transactions have written to a table takes some 100 KiB, however few the rows, and
// stays in memory until a checkpoint; with many tables that is more than there is. So
// rows of a snapshot are committed ahead of their position where they take too much:
// those that come again are staged again.
func (tx *tx) relieve(ctx context.Context) error {
	d := tx.d
	if tx.handed++; tx.handed%relieveEvery != 0 || d.generation == d.published {
		return nil
	}
	if crowded, err := d.crowded(ctx); err != nil || !crowded {
		return err
	}
	s, err := d.readSync(ctx, tx.sync)
	if err != nil {
		return err
	}
	if s != nil && !s.published && s.position.Generation != d.generation {
		// What it had staged is gone: nobody may go on there.
		if err := d.conn.exec(ctx, "DELETE FROM "+d.name(syncTable)+" WHERE sync = ?", tx.sync); err != nil {
			return err
		}
	}
	if err := d.conn.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit rows of many tables: %w", err)
	}
	if err := d.checkpoint(ctx, 1); err != nil {
		return err
	}
	return d.conn.exec(ctx, "BEGIN")
}

// relieved makes room in memory between two transactions.
func (d *Destination) relieved(ctx context.Context) error {
	if crowded, err := d.crowded(ctx); err != nil || !crowded {
		return err
	}
	return d.checkpoint(ctx, 1)
}

// crowded reports whether rows of many tables take much of the memory.
func (d *Destination) crowded(ctx context.Context) (bool, error) {
	if len(d.names) <= fewTables {
		return false, nil
	}
	used, err := d.count(ctx, "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'")
	if err != nil {
		return false, fmt.Errorf("measure DuckDB's memory: %w", err)
	}
	return used > d.limit/4, nil
}
