package duckdb

import (
	"context"
	"errors"
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

const (
	textType      = "VARCHAR"
	decimalType   = "DECIMAL(38,12)"
	timestampType = "TIMESTAMP WITH TIME ZONE"
)

func sqlType(t row.Type) string {
	switch t {
	case row.Boolean:
		return "BOOLEAN"
	case row.Int:
		return "BIGINT"
	case row.Double:
		return "DOUBLE"
	case row.Decimal:
		return decimalType
	case row.UTCDateTime:
		return timestampType
	}
	// String, and JSON, which stays the canonical text that it is: DuckDB's JSON
	// functions take it all the same.
	return textType
}

// wanted lists the columns that a published table of t has at the least.
func wanted(t *row.Table) []column {
	var cols []column
	for i, c := range t.Columns {
		cols = append(cols, column{c.Name, sqlType(c.Type), i < t.Keys})
	}
	cols = append(cols,
		column{name: syncedColumn, sqlType: timestampType},
		column{name: deletedColumn, sqlType: "BOOLEAN"},
		column{name: hashColumn, sqlType: "UBIGINT"},
	)
	if t.History {
		cols = append(cols, historyColumns...)
	}
	return cols
}

// Prepare creates the schema and the tables that are missing, and adds and widens
// columns.
func (d *Destination) Prepare(ctx context.Context, tables []*row.Table) error {
	var todo, names []string
	prepared := make(map[string]*preparedTable, len(tables))
	err := d.withListing(ctx, func() (err error) {
		todo, names, err = d.fitAll(ctx, tables, prepared)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.inTransaction(ctx, todo); err != nil {
		if strings.Contains(err.Error(), "Schema with name") {
			return fmt.Errorf("prepare tables: schema %q is not for tables (%w); choose another destination_schema", d.o.Schema, err)
		}
		return fmt.Errorf("prepare tables: %w", err)
	}
	d.tables, d.names = prepared, names
	return nil
}

// fitAll returns the statements after which the schema, all tables and their views are
// there, and the tables' names.
func (d *Destination) fitAll(ctx context.Context, tables []*row.Table, prepared map[string]*preparedTable) (todo, names []string, err error) {
	if d.listed.columns[syncTable] == nil {
		todo = append(todo, "CREATE SCHEMA IF NOT EXISTS "+catalog+"."+quote(d.o.Schema), "CREATE TABLE "+d.name(syncTable)+syncColumns)
	}
	for _, t := range tables {
		p := &preparedTable{Table: t, given: t, salt: xxhash.Sum64String(t.Name)}
		if err := d.findStage(ctx, p); err != nil {
			return nil, nil, fmt.Errorf("find what is staged of table %q: %w", t.Name, err)
		}
		statements, err := d.fit(ctx, p, t, p.staged)
		if err != nil {
			return nil, nil, err
		}
		todo = append(todo, statements...)
		prepared[t.Name] = p
		names = append(names, t.Name)
	}
	missed, err := d.missed(ctx, names, prepared)
	if err != nil {
		return nil, nil, fmt.Errorf("find what is missing: %w", err)
	}
	todo = append(todo, missed...)
	for _, name := range names {
		statements, err := d.viewsOf(ctx, prepared[name], prepared)
		if err != nil {
			return nil, nil, fmt.Errorf("find the views of table %q: %w", name, err)
		}
		todo = append(todo, statements...)
	}
	return todo, names, nil
}

// fit returns the statements after which the table of p, and its stage where that is
// asked for, take rows of t.
func (d *Destination) fit(ctx context.Context, p *preparedTable, t *row.Table, stage bool) ([]string, error) {
	have, err := d.columns(ctx, t.Name)
	if err != nil {
		return nil, fmt.Errorf("read columns of table %q: %w", t.Name, err)
	}
	missing, wider, err := differences(t, have)
	if err != nil {
		return nil, d.orView(ctx, t.Name, err)
	}
	if other := d.listed.sameName(t.Name); have == nil && other != "" {
		return nil, &destination.SchemaError{Table: t.Name, Have: other, Want: destination.ThatName}
	}
	p.fits = append(p.fits, t)
	p.columns = slices.Concat(have, missing)
	if have == nil {
		return []string{"CREATE TABLE " + d.name(t.Name) + " (" + definitions(missing) + ")"}, nil
	}
	var todo []string
	tables := []string{d.name(t.Name)}
	if stage {
		tables = append(tables, d.name(stageName(t.Name)))
	}
	for _, table := range tables {
		for _, c := range missing {
			todo = append(todo, "ALTER TABLE "+table+" ADD COLUMN "+c.definition())
			if c.name == activeColumn {
				todo = append(todo, "UPDATE "+table+firstVersions)
			}
		}
		for _, c := range wider {
			todo = append(todo, "ALTER TABLE "+table+" ALTER COLUMN "+quote(c.name)+" SET DATA TYPE "+c.sqlType+" USING "+widened(c.name, c.was, c.sqlType))
		}
	}
	for i := range p.columns {
		for _, c := range wider {
			if p.columns[i].name == c.name {
				p.columns[i].sqlType = c.sqlType
			}
		}
	}
	return todo, nil
}

// A widerColumn is a column that gets another type.
type widerColumn struct {
	column
	was string
}

// differences checks that have, the columns of an existing table, can take the rows
// of t, and returns the columns to add and those to widen.
func differences(t *row.Table, have []column) (missing []column, wider []widerColumn, err error) {
	filled := make([]bool, len(have))
	for i, c := range wanted(t) {
		j := slices.IndexFunc(have, func(h column) bool { return strings.EqualFold(h.name, c.name) })
		if j < 0 {
			added := i < len(t.Columns) && !c.notNull || slices.Contains(historyColumns, c)
			if have != nil && !added {
				return nil, nil, &destination.SchemaError{Table: t.Name, Column: c.name, Want: c.definitionType()}
			}
			missing = append(missing, c)
			continue
		}
		h := have[j]
		filled[j] = true
		switch {
		case h.notNull == c.notNull && h.takes(c):
		case h.notNull || c.notNull || !widens(h.sqlType, c.sqlType):
			return nil, nil, &destination.SchemaError{Table: t.Name, Column: c.name, Have: h.definitionType(), Want: c.definitionType()}
		default:
			wider = append(wider, widerColumn{column{name: h.name, sqlType: c.sqlType}, h.sqlType})
		}
	}
	for j, h := range have {
		switch {
		case h.notNull && !filled[j]:
			return nil, nil, &destination.SchemaError{Table: t.Name, Column: h.name, Have: h.definitionType()}
		case h.name == activeColumn && !t.History:
			return nil, nil, &destination.SchemaError{Table: t.Name, Have: "history", Want: destination.NoHistory}
		}
	}
	return missing, wider, nil
}

// orView returns err, which says why a table cannot take rows, or that it is a view.
func (d *Destination) orView(ctx context.Context, name string, err error) error {
	views, failed := d.count(ctx, "SELECT count(*) FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ? AND view_name = ?", d.o.Schema, name)
	if views == 0 || failed != nil {
		return err
	}
	return &destination.SchemaError{Table: name, Have: destination.View}
}

// definitionType names a column's type and whether it may be NULL.
func (c column) definitionType() string {
	if c.notNull {
		return c.sqlType + " NOT NULL"
	}
	return c.sqlType
}

// columns returns the columns of a table of the schema, in order; nil where
// there is no such table.
func (d *Destination) columns(ctx context.Context, name string) ([]column, error) {
	if d.listed != nil {
		return d.listed.columns[name], nil
	}
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
	if d.o.ReadOnly {
		return errors.New("they are not as the configuration describes them yet; run keylift sync first")
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

// firstColumns returns the first n columns of t, quoted, separated by commas.
func firstColumns(t *row.Table, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = quote(t.Columns[i].Name)
	}
	return strings.Join(list, ", ")
}

// sameKey returns the condition that rows a and b have the same key.
func sameKey(t *row.Table, a, b string) string { return sameFirst(t, t.Keys, a, b) }

// sameRedisKey returns the condition that rows a and b are of the same Redis key.
func sameRedisKey(t *row.Table, a, b string) string { return sameFirst(t, t.Owner(), a, b) }

func sameFirst(t *row.Table, n int, a, b string) string {
	list := make([]string, n)
	for i := range list {
		c := quote(t.Columns[i].Name)
		list[i] = a + "." + c + " = " + b + "." + c
	}
	return strings.Join(list, " AND ")
}
