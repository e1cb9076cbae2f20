package duckdb

import (
	"context"
	"time"
)

// System returns the system columns of a row.
func (d *Destination) System(ctx context.Context, table, key string) (deleted bool, synced time.Time, err error) {
	err = d.conn.query(ctx, "SELECT _keylift_deleted, _keylift_synced FROM "+d.name(table)+" WHERE key = ?", func(c *chunk) error {
		deleted, synced = c.bool(0, 0), moment(c.int(1, 0))
		return nil
	}, key)
	return deleted, synced, err
}
