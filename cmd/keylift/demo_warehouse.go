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
func (w demoWarehouse) query(ctx context.Context, query string) (names table.Row, found []table.Row, err error) {
	err = w.open(func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, query)
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

// The queries that the demo shows.
const (
	leadersQuery = `SELECT b.rank, p.name AS player, p.country, b.score
FROM demo.leaderboards_ranked b
JOIN demo.players p ON p.player_id = b.member::BIGINT AND p._keylift_active
WHERE b.board = 'global' ORDER BY b.rank LIMIT 5`

	moversQuery = `WITH syncs AS (
  SELECT unnest([min(valid_from), max(valid_from)]) AS moment FROM demo.leaderboards_history),
boards AS (
  SELECT moment, member, score, rank() OVER (PARTITION BY moment ORDER BY score DESC) AS rank
  FROM syncs JOIN demo.leaderboards_history ON valid_from <= moment AND (is_current OR moment < valid_to)
  WHERE board = 'global')
SELECT p.name AS player, a.rank AS before, b.rank AS now, b.score - a.score AS points
FROM boards a JOIN boards b ON a.member = b.member AND a.moment < b.moment
JOIN demo.players p ON p.player_id = b.member::BIGINT AND p._keylift_active
ORDER BY a.rank - b.rank DESC, now LIMIT 5`
)

// A written counts the rows of a table, and what a sync did to it.
type written struct {
	Live                      int64 // now
	Versions                  int64 // and rows that are marked deleted
	Created, Changed, Deleted int64
}

// written counts the rows of each table. Changed counts those that the last sync
// wrote, also those that it created.
func (w demoWarehouse) written(ctx context.Context) (map[string]written, error) {
	var counts []string
	for _, t := range w.cfg.Tables {
		live := "NOT _keylift_deleted"
		if t.History {
			live = "_keylift_active"
		}
		counts = append(counts, countQuery(t.Name, live))
	}
	counts = append(counts, countQuery(w.cfg.TableName, "NOT _keylift_deleted"))
	_, rows, err := w.query(ctx, "WITH last AS (SELECT max(_keylift_synced) AS moment FROM demo.leaderboards)\n"+
		strings.Join(counts, "\nUNION ALL "))
	tables := map[string]written{}
	for _, r := range rows {
		tables[r[0].(string)] = written{Live: r[1].(int64), Versions: r[2].(int64), Changed: r[3].(int64), Deleted: r[4].(int64)}
	}
	return tables, err
}

// countQuery counts the rows of a table of which those are live that a condition holds for.
func countQuery(table, live string) string {
	return fmt.Sprintf(`SELECT '%[1]s', count(*) FILTER (%[2]s), count(*), count(*) FILTER (%[2]s AND _keylift_synced = moment),
count(*) FILTER (_keylift_deleted AND _keylift_synced = moment) FROM demo.%[1]s, last`, table, live)
}

// oneLine writes a query in one line.
func oneLine(query string) string { return strings.Join(strings.Fields(query), " ") }
