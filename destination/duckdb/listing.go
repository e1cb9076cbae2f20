package duckdb

import (
	"context"
	"strings"
)

// A listing is what DuckDB's own tables tell of the schema, all of it: a query for one
// table looks through those of all others.
type listing struct {
	columns  map[string][]column // by table or view, in order
	comments map[string]string   // of views; empty for tables
}

// withListing runs f, in which d.columns and d.comment ask DuckDB no more. Nothing of
// what f has them look at may change meanwhile.
func (d *Destination) withListing(ctx context.Context, f func() error) (err error) {
	if d.listed, err = d.readListing(ctx); err != nil {
		return err
	}
	defer func() { d.listed = nil }()
	return f()
}

func (d *Destination) readListing(ctx context.Context) (*listing, error) {
	all := &listing{columns: map[string][]column{}, comments: map[string]string{}}
	err := d.conn.query(ctx, `SELECT table_name, column_name, data_type, NOT is_nullable FROM duckdb_columns()
		WHERE database_name = current_database() AND schema_name = ? ORDER BY table_name, column_index`, func(c *chunk) error {
		for i := range c.rows {
			name := c.text(0, i)
			all.columns[name] = append(all.columns[name], column{c.text(1, i), c.text(2, i), c.bool(3, i)})
		}
		return nil
	}, d.o.Schema)
	if err != nil {
		return nil, err
	}
	return all, d.conn.query(ctx, `SELECT view_name, coalesce(comment, '') FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ?
		UNION ALL SELECT table_name, '' FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ?`, func(c *chunk) error {
		for i := range c.rows {
			all.comments[c.text(0, i)] = c.text(1, i)
		}
		return nil
	}, d.o.Schema, d.o.Schema)
}

// sameName returns the table or view that DuckDB takes for the one of that name, "" if
// there is none.
func (l *listing) sameName(name string) string {
	if l != nil {
		for other := range l.columns {
			if strings.EqualFold(other, name) {
				return other
			}
		}
	}
	return ""
}
