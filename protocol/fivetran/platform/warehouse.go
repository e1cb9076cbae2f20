package platform

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// The columns that the platform adds to every table.
const (
	syncedColumn  = "_fivetran_synced"
	deletedColumn = "_fivetran_deleted"
)

// syncTable remembers the last state that was kept, and whether its sync had ended.
const syncTable = `"_fivetran_sync"`

// A warehouse is the DuckDB file that records are applied to. Records wait in
// temporary tables and are applied together.
type warehouse struct {
	db     *sql.DB
	conn   *sql.Conn
	stages map[tableName]*stage
	order  int64 // of the record taken last
}

// A stage holds the records of one table that are not applied.
type stage struct {
	table    *table
	columns  []*sdk.Column
	appender *duckdb.Appender // nil: nothing waits
	args     []driver.Value
	deletes  bool
}

func openWarehouse(ctx context.Context, file string) (*warehouse, error) {
	db, err := sql.Open("duckdb", file)
	if err != nil {
		return nil, fmt.Errorf("open the warehouse %s: %w", file, err)
	}
	w := &warehouse{db: db, stages: map[tableName]*stage{}}
	if w.conn, err = db.Conn(ctx); err == nil {
		err = w.exec(ctx, "CREATE TABLE IF NOT EXISTS "+syncTable+" (state VARCHAR, finished BOOLEAN)")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the warehouse %s: %w", file, err), db.Close())
	}
	return w, nil
}

func (w *warehouse) close() error {
	var err error
	for _, s := range w.stages {
		if s.appender != nil {
			err = errors.Join(err, s.appender.Close())
		}
	}
	return errors.Join(err, w.conn.Close(), w.db.Close())
}

func (w *warehouse) exec(ctx context.Context, query string, args ...any) error {
	_, err := w.conn.ExecContext(ctx, query, args...)
	return err
}

// unfinished reports whether state was kept by a sync that did not end.
func (w *warehouse) unfinished(ctx context.Context, state string) (bool, error) {
	var found int
	err := w.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+syncTable+" WHERE state = ? AND NOT finished", state).Scan(&found)
	return found > 0, err
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// target is the name of a table's table.
func (n tableName) target() string {
	if n.schema == "" {
		return quote(n.table)
	}
	return quote(n.schema) + "." + quote(n.table)
}

// stage is the name of the temporary table beside it.
func (n tableName) stage() string { return "_stage_" + n.String() }

// prepare creates a table, or adds the columns that it lacks.
func (w *warehouse) prepare(ctx context.Context, t *table) error {
	if t.skipped {
		return nil
	}
	s := &stage{table: t, columns: t.selected()}
	s.args = make([]driver.Value, 2+len(s.columns))
	w.stages[t.name] = s
	var definitions []string
	for _, c := range s.columns {
		definitions = append(definitions, quote(c.Name)+" "+sqlTypes[c.Type])
	}
	definitions = append(definitions, syncedColumn+" TIMESTAMP WITH TIME ZONE", deletedColumn+" BOOLEAN")
	var err error
	if t.name.schema != "" {
		err = w.exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote(t.name.schema))
	}
	if err == nil {
		err = w.exec(ctx, "CREATE TABLE IF NOT EXISTS "+t.name.target()+" ("+strings.Join(definitions, ", ")+")")
	}
	for i := 0; i < len(definitions) && err == nil; i++ {
		err = w.exec(ctx, "ALTER TABLE "+t.name.target()+" ADD COLUMN IF NOT EXISTS "+definitions[i])
	}
	if err != nil {
		return fmt.Errorf("create table %s: %w", t.name, err)
	}
	return nil
}

// take takes a record that was found right.
func (w *warehouse) take(ctx context.Context, t *table, r *sdk.Record) error {
	s := w.stages[t.name]
	var err error
	switch r.Type {
	case sdk.RecordType_TRUNCATE:
		err = w.truncate(ctx, s)
	case sdk.RecordType_UPDATE:
		err = w.update(ctx, s, r)
	default:
		err = w.append(ctx, s, r)
	}
	if err != nil {
		return fmt.Errorf("apply a record to table %s: %w", t.name, err)
	}
	return nil
}

// append lets an UPSERT or DELETE wait.
func (w *warehouse) append(ctx context.Context, s *stage, r *sdk.Record) error {
	if s.appender == nil {
		var columns []string
		for _, c := range s.columns {
			columns = append(columns, quote(c.Name)+" "+sqlTypes[c.Type])
		}
		err := w.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+quote(s.table.name.stage())+" (ord BIGINT, gone BOOLEAN, "+strings.Join(columns, ", ")+")")
		if err != nil {
			return err
		}
		err = w.conn.Raw(func(c any) (err error) {
			s.appender, err = duckdb.NewAppender(c.(driver.Conn), "temp", "main", s.table.name.stage())
			return err
		})
		if err != nil {
			return err
		}
	}
	gone := r.Type == sdk.RecordType_DELETE
	s.deletes = s.deletes || gone
	w.order++
	s.args[0], s.args[1] = w.order, gone
	for i, c := range s.columns {
		s.args[2+i] = argument(r.Data[c.Name])
	}
	return s.appender.AppendRow(s.args...)
}

// truncate marks all rows of a table deleted; when they were written last stays.
func (w *warehouse) truncate(ctx context.Context, s *stage) error {
	if err := w.applyStage(ctx, s); err != nil {
		return err
	}
	return w.exec(ctx, "UPDATE "+s.table.name.target()+" SET "+deletedColumn+" = true WHERE NOT "+deletedColumn)
}

// update changes the columns of one row that a record carries.
func (w *warehouse) update(ctx context.Context, s *stage, r *sdk.Record) error {
	if err := w.applyStage(ctx, s); err != nil {
		return err
	}
	set, args := []string{syncedColumn + " = ?"}, []any{time.Now()}
	for _, c := range s.columns[s.table.keys:] {
		if v, ok := r.Data[c.Name]; ok {
			set, args = append(set, quote(c.Name)+" = ?"), append(args, argument(v))
		}
	}
	var where []string
	for _, c := range s.columns[:s.table.keys] {
		where, args = append(where, quote(c.Name)+" = ?"), append(args, argument(r.Data[c.Name]))
	}
	return w.exec(ctx, "UPDATE "+s.table.name.target()+" SET "+strings.Join(set, ", ")+" WHERE "+strings.Join(where, " AND "), args...)
}

// apply brings all tables up to date and remembers which state goes with them.
func (w *warehouse) apply(ctx context.Context, state string, finished bool) error {
	for _, s := range w.stages {
		if err := w.applyStage(ctx, s); err != nil {
			return fmt.Errorf("apply records to table %s: %w", s.table.name, err)
		}
	}
	if state != "" {
		if err := w.exec(ctx, "DELETE FROM "+syncTable); err != nil {
			return err
		}
		return w.exec(ctx, "INSERT INTO "+syncTable+" VALUES (?, ?)", state, finished)
	}
	if finished {
		return w.exec(ctx, "UPDATE "+syncTable+" SET finished = true")
	}
	return nil
}

// applyStage applies the records of one table: of each key the last UPSERT, and a
// DELETE where that came behind it.
func (w *warehouse) applyStage(ctx context.Context, s *stage) (err error) {
	if s.appender == nil {
		return nil
	}
	err = s.appender.Close()
	s.appender = nil
	if err != nil {
		return err
	}
	var names, keys []string
	for i, c := range s.columns {
		names = append(names, quote(c.Name))
		if i < s.table.keys {
			keys = append(keys, quote(c.Name))
		}
	}
	key, columns := strings.Join(keys, ", "), strings.Join(names, ", ")
	target, from, now := s.table.name.target(), "temp.main."+quote(s.table.name.stage()), time.Now()
	tx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	upserts := " FROM " + from + " WHERE NOT gone"
	if _, err = tx.ExecContext(ctx, "DELETE FROM "+target+" WHERE ("+key+") IN (SELECT ("+key+")"+upserts+")"); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO "+target+" ("+columns+", "+syncedColumn+", "+deletedColumn+") SELECT "+columns+", ?, false"+upserts+
		" AND ord IN (SELECT max(ord)"+upserts+" GROUP BY "+key+")", now)
	if err != nil {
		return err
	}
	if s.deletes {
		var same []string
		for _, k := range keys {
			same = append(same, "t."+k+" = g."+k)
		}
		_, err = tx.ExecContext(ctx, "UPDATE "+target+" AS t SET "+deletedColumn+" = true, "+syncedColumn+" = ? FROM (SELECT "+key+
			" FROM "+from+" GROUP BY "+key+" HAVING arg_max(gone, ord)) AS g WHERE "+strings.Join(same, " AND "), now)
		if err != nil {
			return err
		}
	}
	s.deletes = false
	if err = tx.Commit(); err != nil {
		return err
	}
	return w.exec(ctx, "DROP TABLE "+from)
}
