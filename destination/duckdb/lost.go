package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// In _keylift_lost are, while a snapshot is published, the Redis keys of the rows that
// count as deleted, as hashes, with the table of the rows and how many they are. Which
// of the keys have come into another table is known once all are published.
const createLost = "CREATE OR REPLACE TEMP TABLE _keylift_lost (from_table VARCHAR, key UBIGINT, lost BIGINT)"

// noteLost notes the rows t that meet a condition.
func (p *publication) noteLost(ctx context.Context, where string) error {
	key, lost := keyHash(p.t.Table), "1"
	switch {
	case len(p.d.names) == 1: // there is no other table
		key, lost = "0", "count(*)"
	case p.t.Group > 0:
		lost = "count(*)"
		where += " GROUP BY ALL"
	}
	return p.d.conn.exec(ctx, "INSERT INTO temp._keylift_lost SELECT ?, "+key+", "+lost+" FROM "+p.table()+" t"+where, p.t.Name)
}

// judge reports, as a *DeleteShareError, that too many of the rows held are lost: those
// noted whose keys have no rows in another table.
func (d *Destination) judge(ctx context.Context, held int64, mayDelete float64) error {
	const total = "SELECT coalesce(sum(lost), 0)::BIGINT FROM temp._keylift_lost"
	lost, err := d.count(ctx, total)
	if err != nil || destination.Exceeds(lost, held, mayDelete) == nil {
		return err
	}
	for _, name := range d.names {
		t := d.tables[name].Table
		err := d.conn.exec(ctx, "DELETE FROM temp._keylift_lost WHERE from_table <> ? AND key IN (SELECT "+keyHash(t)+" FROM "+d.name(name)+" WHERE "+live(t, "")+")", name)
		if err != nil {
			return fmt.Errorf("look for lost keys in table %q: %w", name, err)
		}
	}
	if lost, err = d.count(ctx, total); err != nil {
		return err
	}
	return destination.Exceeds(lost, held, mayDelete)
}

// keyHash returns the hash of a Redis key and of the columns that name it: what other
// columns name is another key.
func keyHash(t *row.Table) string {
	columns := firstColumns(t, t.Owner())
	return "hash('" + strings.ReplaceAll(columns, "'", "''") + "', " + columns + ")"
}
