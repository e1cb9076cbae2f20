package duckdb

import (
	"context"
	"time"

	"github.com/keylift/keylift/row"
)

// The columns of versions, which follow the system columns in tables with History.
const (
	startColumn  = "_keylift_start"  // when the version began; it is part of the key
	endColumn    = "_keylift_end"    // the last millisecond of it
	activeColumn = "_keylift_active" // it is not over
)

var historyColumns = []column{
	{name: startColumn, sqlType: timestampType},
	{name: endColumn, sqlType: timestampType},
	{name: activeColumn, sqlType: "BOOLEAN"},
}

// lastMoment is destination.LastMoment.
const lastMoment = "TIMESTAMPTZ '9999-12-31 23:59:59.999+00'"

// firstVersions sets the columns of versions in a table that had none.
const firstVersions = " SET " + startColumn + " = " + syncedColumn + ", " + activeColumn + " = NOT coalesce(" + deletedColumn + ", true), " +
	endColumn + " = CASE WHEN " + deletedColumn + " THEN " + syncedColumn + " ELSE " + lastMoment + " END"

// live returns the condition that a row is there and, where it has versions, is the
// present one. prefix goes before columns.
func live(t *row.Table, prefix string) string {
	if t.History {
		return prefix + activeColumn
	}
	return "NOT " + prefix + deletedColumn
}

// joins returns the condition that s, a staged row, and t, a published one, are of one
// key, and t is what s would replace.
func joins(t *row.Table) string {
	if t.History {
		return sameKey(t, "s", "t") + " AND t." + activeColumn
	}
	return sameKey(t, "s", "t")
}

// end ends the versions of the table that meet a condition, a millisecond before
// those of this publication start. also is what else is set of them.
func (p *publication) end(ctx context.Context, also, where string) error {
	return p.d.conn.exec(ctx, "UPDATE "+p.table()+" SET "+also+activeColumn+" = false, "+endColumn+" = ?, "+syncedColumn+" = ?"+where,
		p.d.started.Add(-time.Millisecond), p.d.started)
}
