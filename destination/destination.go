// Package destination is the contract between the engine and what keylift
// writes to. Implementations live in its folders; destinationtest holds the
// suite that each must pass.
package destination

import (
	"context"
	"fmt"
	"iter"

	"github.com/keylift/keylift/row"
)

// A Destination keeps the rows of a sync and, beside them, how far the sync has
// come. Its methods are called by one goroutine at a time, and one Tx is open at
// a time.
type Destination interface {
	// Checkpoint returns the last committed position of the sync; zero if none.
	Checkpoint(ctx context.Context, sync string) (row.Position, error)
	// Prepare creates or widens tables. It refuses to drop or narrow
	// (*SchemaError) and then changes nothing.
	Prepare(ctx context.Context, tables []*row.Table) error
	Begin(ctx context.Context, sync string) (Tx, error)
	Close() error
}

// A Tx makes rows and position durable together: the position is never ahead of
// the rows. After Stage or a Publish method has returned, a new Tx is begun for
// what follows.
type Tx interface {
	// Write takes the batch's rows; it does not keep b. Rows may repeat: of the
	// rows of one key the last written wins. Rows staged under another generation
	// than b.After's are dropped first: they belong to a snapshot that was given up.
	Write(ctx context.Context, b *row.Batch) error
	// Stage commits what was written, unpublished, with the position to resume from.
	Stage(ctx context.Context, p row.Position) error
	// PublishChanges commits and makes visible the changes staged so far.
	PublishChanges(ctx context.Context, p row.Position) (Counts, error)
	// PublishSnapshot commits and makes visible a whole snapshot: rows of its
	// tables that are not among the staged ones and lie within scope are gone from
	// the source.
	PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope) (Counts, error)
	// Rollback drops what is not committed; after a commit it does nothing. It runs
	// after cancellation: no context.
	Rollback() error
}

// Counts says what a publication did, in rows.
type Counts struct {
	New       int64 // keys that had no row, or a deleted one
	Changed   int64
	Unchanged int64
	Deleted   int64
	Kept      int64 // keys set aside, whose rows stay as they were
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.New += d.New
	c.Changed += d.Changed
	c.Unchanged += d.Unchanged
	c.Deleted += d.Deleted
	c.Kept += d.Kept
}

// A Readable destination can give back what it published, for comparing it with
// the source.
type Readable interface {
	// Rows yields the published rows of t that are not deleted, in batches that
	// the caller owns, in any order. Columns are those of t.
	Rows(ctx context.Context, t *row.Table) iter.Seq2[*row.Batch, error]
}

// Deletes says what becomes of the row of a key that is gone from the source.
type Deletes string

// The ways to treat deleted keys.
const (
	SoftDeletes   Deletes = "soft"   // the row stays, marked _keylift_deleted
	HardDeletes   Deletes = "hard"   // the row is removed
	IgnoreDeletes Deletes = "ignore" // the row stays as it was
)

// A SchemaError says that a table of the destination cannot take the rows of the
// source without losing something.
type SchemaError struct {
	Table, Column string
	Have, Want    string // types, or "" where there is no such column
}

func (e *SchemaError) Error() string {
	switch {
	case e.Have == "":
		return fmt.Sprintf("table %q has no column %q (%s), and it cannot be added; use another table_name or destination_schema", e.Table, e.Column, e.Want)
	case e.Want == "":
		return fmt.Sprintf("table %q has a key column %q that this sync does not fill; use another table_name or destination_schema", e.Table, e.Column)
	}
	return fmt.Sprintf("column %q of table %q is %s, this sync needs %s; use another table_name or destination_schema", e.Column, e.Table, e.Have, e.Want)
}
