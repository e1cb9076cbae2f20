// Package destination is the contract between the engine and what keylift
// writes to. Implementations live in its folders; destinationtest holds the
// suite that each must pass.
package destination

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/keylift/keylift/row"
)

// A Destination keeps the rows of a sync and, beside them, how far the sync has
// come. Its methods are called by one goroutine at a time, and one Tx is open at
// a time.
type Destination interface {
	// Checkpoint returns the last committed position of the sync; zero if none.
	Checkpoint(ctx context.Context, sync string) (row.Position, error)
	// Prepare creates tables, adds columns and widens their types: an INT becomes a
	// DOUBLE, a DECIMAL or a STRING, anything else a STRING. It refuses to drop or
	// narrow (*SchemaError) and then changes nothing. Key columns keep their types. Where
	// it creates a table although there is a position, that loses its Token: nothing has
	// been read for the table.
	Prepare(ctx context.Context, tables []*row.Table) error
	Begin(ctx context.Context, sync string) (Tx, error)
	Close() error
}

// A Tx makes rows and position durable together: the position is never ahead of
// the rows. After Stage or a Publish method has returned, a new Tx is begun for
// what follows. After an error, of which nobody knows how far things went, a Tx is
// only rolled back.
//
// In tables with a Group, where a Redis key has several rows, a Delete, Keep or Stay
// marks the key. Of a key's marks in one publication the last decides:
//   - Delete: its rows are gone but for those upserted after the mark. Those that
//     were upserted before it are not written. So a key that changed is sent as a
//     Delete and then all of its rows; only rows that differ are touched.
//   - Keep or Stay: its rows stay but for those upserted, be it before or after the mark. A
//     snapshot takes none of them for gone.
//   - no mark: in changes, its rows stay but for those upserted; in a snapshot,
//     those within scope that were not upserted are gone.
//
// In tables with History a row has versions. A publication has one moment, in whole
// milliseconds and later than that of any before. A row that is new or differs
// starts a version at that moment; the version before it, and that of a row that is
// gone, ends a millisecond earlier. HardDeletes removes no version.
type Tx interface {
	// Write takes the batch's rows; it does not keep b. Rows may repeat: of the
	// rows of one key the last written wins, but a Keep or Stay leaves an Upsert standing,
	// and of rows that compare equal any may be published. Rows staged under another generation
	// than b.After's are dropped first: they belong to a snapshot that was given up.
	// b.Table may have more columns than the prepared table of that name, or fewer: columns
	// are added, as Prepare does, and take effect with the transaction.
	Write(ctx context.Context, b *row.Batch) error
	// Stage commits what was written, unpublished, with the position to resume from.
	Stage(ctx context.Context, p row.Position) error
	// PublishChanges commits and makes visible the changes staged so far.
	PublishChanges(ctx context.Context, p row.Position) (Counts, error)
	// PublishSnapshot commits and makes visible a whole snapshot: rows of its
	// tables that are not among the staged ones and lie within scope are gone from
	// the source. If more than the share mayDelete, from 0 to 1, of the rows that are
	// there would be deleted, it publishes nothing and returns a *DeleteShareError.
	// Rows whose Expiry has passed count neither as there nor as deleted. Rows whose
	// Redis key then has rows in another table do not count as deleted: it came there.
	PublishSnapshot(ctx context.Context, p row.Position, scope row.Scope, mayDelete float64) (Counts, error)
	// Rollback drops what is not committed; after a commit it does nothing. It runs
	// after cancellation: no context.
	Rollback() error
}

// Counts says what a publication did, in rows.
type Counts struct {
	New       int64 // that were not there, or deleted
	Changed   int64
	Unchanged int64
	Deleted   int64
	// Kept counts keys set aside, by their Keeps; in tables with a Group, those that a
	// Keep was the last mark of.
	Kept int64
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.New += d.New
	c.Changed += d.Changed
	c.Unchanged += d.Unchanged
	c.Deleted += d.Deleted
	c.Kept += d.Kept
}

// AnyShare lets a snapshot delete all rows there are.
const AnyShare = 1

// A DeleteShareError says that a snapshot was not published because it would delete
// too many of the rows that are there, over all tables of the sync.
type DeleteShareError struct {
	Deleted, Held int64   // rows
	MayDelete     float64 // the share that was allowed, from 0 to 1
}

// Exceeds returns a *DeleteShareError if deleting so many of the rows held is more
// than mayDelete allows.
func Exceeds(deleted, held int64, mayDelete float64) error {
	const rounding = 1 + 1e-12 // 29% of 100 are 29
	if float64(deleted) <= rounding*mayDelete*float64(held) {
		return nil
	}
	return &DeleteShareError{Deleted: deleted, Held: held, MayDelete: mayDelete}
}

func (e *DeleteShareError) Error() string {
	return fmt.Sprintf("the snapshot would delete %d of the %d rows in the destination, more than max_delete_share (%s) allows, and nothing of it was published; "+
		"check that this is the right server, that it was not emptied, and that database, key_pattern, exclude_pattern, types and tables say what they should; "+
		"if the rows are to go, run the sync once with --allow-empty", e.Deleted, e.Held, strconv.FormatFloat(100*e.MayDelete, 'f', -1, 64)+"%")
}

// A Store is a destination that stands by itself and can tell what it holds.
type Store interface {
	Destination
	// Rows yields the published rows of t that are not deleted, their present version
	// alone, in batches that the caller owns, in any order. Columns are those of t, which was prepared.
	Rows(ctx context.Context, t *row.Table) iter.Seq2[*row.Batch, error]
	// Status tells how far a sync has come. It writes nothing.
	Status(ctx context.Context, sync string) (*Status, error)
	// Reset forgets the position of a sync and what it staged; the published rows
	// stay. The next run starts a new snapshot.
	Reset(ctx context.Context, sync string) error
}

// A Status says how far a sync has come.
type Status struct {
	Position     row.Position // what Checkpoint returns
	Published    bool         // Position is published; otherwise it is staged only
	StartedAt    time.Time    // when the sync that wrote Position began; zero if none did
	CheckpointAt time.Time    // when Position was committed
	PublishedAt  time.Time    // when rows were last published; zero if never
	Tables       []TableStatus
}

// A TableStatus counts the rows of one table.
type TableStatus struct {
	Name    string
	Rows    int64 // published and not deleted; of versions the present ones
	Deleted int64 // published and marked deleted; versions that a deletion ended
	Staged  int64 // staged and not published
}

// Deletes says what becomes of the row of a key that is gone from the source.
type Deletes string

// The ways to treat deleted keys.
const (
	SoftDeletes   Deletes = "soft"   // the row stays, marked _keylift_deleted
	HardDeletes   Deletes = "hard"   // the row is removed
	IgnoreDeletes Deletes = "ignore" // the row stays as it was
)

// LastMoment is when a version ends that is not over.
var LastMoment = time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)

// A SchemaError says that a table of the destination cannot take the rows of the
// source without losing something.
type SchemaError struct {
	Table, Column string
	Have, Want    string // types, or "" where there is no such column
}

// NoHistory is what a SchemaError wants of a table that has versions and is to have
// none.
const NoHistory = "no history"

// ThatName is what a SchemaError wants of a table that is there, as Have, in capital
// and small letters that differ.
const ThatName = "that name"

// View is what a SchemaError has in place of a table.
const View = "view"

func (e *SchemaError) Error() string {
	switch {
	case e.Want == NoHistory:
		return fmt.Sprintf("table %q keeps the history of its rows, and this sync would not go on with it; set history: true for it, or use another table name", e.Table)
	case e.Want == ThatName:
		return fmt.Sprintf("there is a table %q, which DuckDB takes for %q; write the table's name as it is there", e.Have, e.Table)
	case e.Have == "":
		return fmt.Sprintf("table %q has no column %q (%s), and it cannot be added; give the table another name, or use another destination_schema", e.Table, e.Column, e.Want)
	case e.Have == View:
		return fmt.Sprintf("%q is a view, and this sync needs a table of that name; drop the view, or give the table another name", e.Table)
	case e.Want == "":
		return fmt.Sprintf("column %q of table %q may not be NULL, and this sync does not fill it; give the table another name, or use another destination_schema", e.Column, e.Table)
	}
	return fmt.Sprintf("column %q of table %q is %s, this sync needs %s; give the table another name, or use another destination_schema", e.Column, e.Table, e.Have, e.Want)
}
