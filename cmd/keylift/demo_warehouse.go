package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the driver "duckdb"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/keylift/keylift/config"
)

// A demoWarehouse is the demo's DuckDB file, as anyone reads it: with SQL. The
// file is open only while a method runs, for a sync needs it to itself.
type demoWarehouse struct{ cfg *config.Config }

func (w demoWarehouse) path() string { return w.cfg.Destination.Path }

// demoMark is the table that tells the demo's schema from one of the user's.
const demoMark = "_keylift_demo"

// clear makes the demo's schema anew, unless it is not the demo's.
func (w demoWarehouse) clear(ctx context.Context) error {
	if _, err := os.Stat(w.path()); err == nil {
		// Opening it as a destination says best why it cannot be opened.
		dst, err := lookIntoDestination(ctx, w.cfg)
		if err != nil {
			return err
		}
		if err := dst.Close(); err != nil {
			return err
		}
	}
	return w.open(func(db *sql.DB) error {
		var schemas, marks int
		err := db.QueryRowContext(ctx, `SELECT
			(SELECT count(*) FROM duckdb_schemas() WHERE database_name = current_database() AND schema_name = ?),
			(SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? AND table_name = ?)`,
			demoSchema, demoSchema, demoMark).Scan(&schemas, &marks)
		if err != nil {
			return err
		}
		if schemas > marks {
			return fmt.Errorf("its schema %s was not made by a demo; choose another file with --destination", demoSchema)
		}
		_, err = db.ExecContext(ctx, "BEGIN; DROP SCHEMA IF EXISTS "+demoSchema+" CASCADE; CREATE SCHEMA "+demoSchema+
			"; CREATE TABLE "+demoSchema+"."+demoMark+" (made TIMESTAMPTZ DEFAULT now()); COMMIT; CHECKPOINT")
		return err
	})
}

func (w demoWarehouse) open(use func(*sql.DB) error) error {
	db, err := sql.Open("duckdb", w.path())
	if err != nil {
		return fmt.Errorf("open %s: %w", w.path(), err)
	}
	if err := errors.Join(use(db), db.Close()); err != nil {
		return fmt.Errorf("query %s: %w", w.path(), err)
	}
	return nil
}

// query returns the column names and the rows of a query.
func (w demoWarehouse) query(ctx context.Context, query string, args ...any) (names table.Row, found []table.Row, err error) {
	err = w.open(func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for _, name := range columns {
			names = append(names, name)
		}
		for rows.Next() {
			cells := make(table.Row, len(columns))
			into := make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			for i := range cells {
				if cells[i] == nil {
					cells[i] = "NULL"
				}
			}
			found = append(found, cells)
		}
		return rows.Err()
	})
	return names, found, err
}

// The queries of the demo.
const (
	countsQuery = `SELECT data_type, count(*) AS keys, sum(size)::BIGINT AS size, count(expires_at) AS expiring
FROM demo.redis_data WHERE NOT _keylift_deleted GROUP BY data_type ORDER BY keys DESC`

	leadersQuery = `SELECT p.value->>'name' AS player, p.value->>'country' AS country, (e->>1)::DOUBLE AS score
FROM (SELECT unnest(value::JSON::JSON[]) AS e FROM demo.redis_data WHERE key = 'leaderboard:global')
JOIN demo.redis_data p ON p.key = 'player:' || (e->>0)
ORDER BY score DESC LIMIT 5`

	goneQuery = `SELECT key, data_type, left(value, 48) AS value, _keylift_deleted
FROM demo.redis_data WHERE _keylift_deleted ORDER BY key`

	// What the last sync wrote.
	writtenQuery = `SELECT key, _keylift_deleted FROM demo.redis_data
WHERE _keylift_synced = (SELECT max(_keylift_synced) FROM demo.redis_data) ORDER BY key`
)

// keys returns the keys in the warehouse.
func (w demoWarehouse) keys(ctx context.Context) (map[string]bool, error) {
	_, rows, err := w.query(ctx, "SELECT key FROM demo.redis_data")
	keys := map[string]bool{}
	for _, r := range rows {
		keys[r[0].(string)] = true
	}
	return keys, err
}

// written returns what the last sync did to which keys, where before were the
// keys of the warehouse before it.
func (w demoWarehouse) written(ctx context.Context, before map[string]bool) (*outcome, error) {
	_, rows, err := w.query(ctx, writtenQuery)
	o := &outcome{}
	for _, r := range rows {
		switch key := r[0].(string); {
		case r[1].(bool):
			o.deleted = append(o.deleted, key)
		case before[key]:
			o.changed = append(o.changed, key)
		default:
			o.created = append(o.created, key)
		}
	}
	return o, err
}

// oneLine writes a query in one line.
func oneLine(query string) string { return strings.Join(strings.Fields(query), " ") }
