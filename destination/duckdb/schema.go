package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// The system columns, which follow a table's own.
const (
	syncedColumn  = "_keylift_synced"  // start of the sync that last wrote the row
	deletedColumn = "_keylift_deleted" // the key is gone from the source
	hashColumn    = "_keylift_hash"    // content hash, row.Batch.HashRow
)

// A column is a column as the file holds it. Only key columns are NOT NULL.
type column struct {
	name, sqlType string
	notNull       bool
}

func (c column) definition() string {
	if c.notNull {
		return quote(c.name) + " " + c.sqlType + " NOT NULL"
	}
	return quote(c.name) + " " + c.sqlType
}

func sqlType(t row.Type) string {
	switch t {
	case row.Boolean:
		return "BOOLEAN"
	case row.Int:
		return "BIGINT"
	case row.Double:
		return "DOUBLE"
	case row.UTCDateTime:
		return "TIMESTAMP WITH TIME ZONE"
	}
	// String; Decimal, whose precision only the source knows; and JSON, which stays
	// the canonical text that it is: DuckDB's JSON functions take it all the same.
	return "VARCHAR"
}

// wanted lists the columns that a published table of t has at the least.
func wanted(t *row.Table) []column {
	var cols []column
	for i, c := range t.Columns {
		cols = append(cols, column{c.Name, sqlType(c.Type), i < t.Keys})
	}
	return append(cols,
		column{name: syncedColumn, sqlType: "TIMESTAMP WITH TIME ZONE"},
		column{name: deletedColumn, sqlType: "BOOLEAN"},
		column{name: hashColumn, sqlType: "UBIGINT"},
	)
}

// Prepare creates the tables that are missing and adds columns that are missing.
func (d *Destination) Prepare(ctx context.Context, tables []*row.Table) error {
	var todo []string
	prepared := make(map[string]*preparedTable, len(tables))
	names := make([]string, 0, len(tables))
	for _, t := range tables {
		have, err := d.columns(ctx, t.Name)
		if err != nil {
			return fmt.Errorf("read columns of table %q: %w", t.Name, err)
		}
		missing, err := missingColumns(t, have)
		if err != nil {
			return err
		}
		p := &preparedTable{Table: t, columns: append(have, missing...), salt: xxhash.Sum64String(t.Name)}
		if err := d.findStage(ctx, p); err != nil {
			return fmt.Errorf("find what is staged of table %q: %w", t.Name, err)
		}
		if have == nil {
			todo = append(todo, "CREATE TABLE "+d.name(t.Name)+" ("+definitions(missing)+")")
		} else {
			for _, c := range missing {
				todo = append(todo, "ALTER TABLE "+d.name(t.Name)+" ADD COLUMN "+c.definition())
				if p.staged {
					todo = append(todo, "ALTER TABLE "+d.name(stageName(t.Name))+" ADD COLUMN "+c.definition())
				}
			}
		}
		prepared[t.Name] = p
		names = append(names, t.Name)
	}
	if err := d.inTransaction(ctx, todo); err != nil {
		return fmt.Errorf("prepare tables: %w", err)
	}
	d.tables, d.names = prepared, names
	return nil
}

// missingColumns checks that have, the columns of an existing table, can take
// the rows of t, and returns the columns to add.
func missingColumns(t *row.Table, have []column) ([]column, error) {
	var missing []column
	filled := make([]bool, len(have))
	for i, c := range wanted(t) {
		j := slices.IndexFunc(have, func(h column) bool { return strings.EqualFold(h.name, c.name) })
		if j < 0 {
			if have != nil && (c.notNull || i >= len(t.Columns)) {
				return nil, &destination.SchemaError{Table: t.Name, Column: c.name, Want: c.definitionType()}
			}
			missing = append(missing, c)
			continue
		}
		filled[j] = true
		if have[j].sqlType != c.sqlType || have[j].notNull != c.notNull {
			return nil, &destination.SchemaError{Table: t.Name, Column: c.name, Have: have[j].definitionType(), Want: c.definitionType()}
		}
	}
	for j, h := range have {
		if h.notNull && !filled[j] {
			return nil, &destination.SchemaError{Table: t.Name, Column: h.name, Have: h.definitionType()}
		}
	}
	return missing, nil
}

// definitionType names a column's type and whether it is part of the key.
func (c column) definitionType() string {
	if c.notNull {
		return c.sqlType + " (key)"
	}
	return c.sqlType
}

// columns returns the columns of a table of the schema, in order; nil where
// there is no such table.
func (d *Destination) columns(ctx context.Context, name string) ([]column, error) {
	var cols []column
	err := d.conn.query(ctx, `SELECT column_name, data_type, NOT is_nullable FROM duckdb_columns()
		WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY column_index`,
		func(c *chunk) error {
			for i := range c.rows {
				cols = append(cols, column{c.text(0, i), c.text(1, i), c.bool(2, i)})
			}
			return nil
		}, d.o.Schema, name)
	return cols, err
}

// findStage finds out which of the tables beside t are there.
func (d *Destination) findStage(ctx context.Context, t *preparedTable) error {
	staged, err := d.columns(ctx, stageName(t.Name))
	if err != nil {
		return err
	}
	seen, err := d.columns(ctx, seenName(t.Name))
	t.staged, t.noted = staged != nil, seen != nil
	return err
}

// inTransaction runs statements so that all of them take effect or none.
func (d *Destination) inTransaction(ctx context.Context, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	if err := d.conn.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := d.execAll(ctx, statements...); err != nil {
		_ = d.conn.exec(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	return d.conn.exec(context.WithoutCancel(ctx), "COMMIT")
}

func definitions(cols []column) string {
	list := make([]string, len(cols))
	for i, c := range cols {
		list[i] = c.definition()
	}
	return strings.Join(list, ", ")
}

// keys returns the quoted key columns of t, each behind prefix, separated by commas.
func keys(t *row.Table, prefix string) string {
	list := make([]string, t.Keys)
	for i := range list {
		list[i] = prefix + quote(t.Columns[i].Name)
	}
	return strings.Join(list, ", ")
}

// sameKey returns the condition that rows a and b have the same key.
func sameKey(t *row.Table, a, b string) string {
	list := make([]string, t.Keys)
	for i := range list {
		c := quote(t.Columns[i].Name)
		list[i] = a + "." + c + " = " + b + "." + c
	}
	return strings.Join(list, " AND ")
}
