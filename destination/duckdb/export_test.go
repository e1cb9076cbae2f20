package duckdb

import (
	"context"
	"database/sql"
)

// QueryRow runs a query on the writing connection.
func (d *Destination) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return d.conn.QueryRowContext(ctx, query, args...)
}
