// Package duckdb keeps the rows of a sync in a DuckDB file: staged as they
// arrive, then published in one transaction that touches only what changed.
//
// A sync owns one schema of the file. Beside each table t it keeps
// _keylift_stage_t (rows not published yet) and _keylift_seen_t (keys found
// unchanged) while a snapshot is under way, and its position in _keylift_sync.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/destination"
)

// Options say where and how to keep rows.
type Options struct {
	Path    string // of the file, which is created where there is none
	Schema  string // created by Prepare where there is none
	Deletes destination.Deletes
	// MemoryBytes bounds DuckDB's buffers and the index of unchanged rows. The
	// library itself takes about 200 MB more.
	MemoryBytes int64
	// Views makes views beside the tables.
	Views bool
	// Log is told of views that cannot be made, and of tables and columns that somebody
	// may have dropped; nil: nobody is.
	Log *slog.Logger
	// ReadOnly opens an existing file for reading only: Status and Rows work.
	ReadOnly bool
}

// A Destination is a DuckDB file. It holds the file's lock until it is closed.
type Destination struct {
	o      Options
	conn   *conn
	raw    *os.File // the file itself, once it has been guarded
	size   int64    // of the file when it was opened
	grown  bool     // published rows have changed since
	tables map[string]*preparedTable
	names  []string // of the tables, in the order of Prepare
	// What DuckDB told of the schema, while many tables are looked at; otherwise nil.
	listed *listing
	staged *filter // of all tables; nil until rows are staged
	// How much memory DuckDB may take now, and all indexes at the most.
	limit      int64
	indexLimit int64
	// The generation of the rows staged, 0 if none are, and when its sync began.
	known      bool // generation and started are read
	generation int64
	started    time.Time // whole milliseconds, later than those before: versions start then
	last       time.Time // the last of those moments
	published  int64     // the generation last published, 0 if unknown: its further rows are changes
}

// Open opens or creates the file.
func Open(ctx context.Context, o Options) (*Destination, error) {
	o.Path = Place(o.Path)
	if err := CheckPlace(o.Path); err != nil {
		return nil, err
	}
	if err := discardUnfinished(o.Path); err != nil {
		return nil, fmt.Errorf("make %s anew, whose making was broken off: %w", o.Path, err)
	}
	if o.ReadOnly {
		if _, err := os.Stat(o.Path); err != nil {
			return nil, fmt.Errorf("open %s: there is no such file; run keylift sync first", o.Path)
		}
	}
	if err := restore(o.Path); err != nil {
		return nil, fmt.Errorf("restore %s after a broken checkpoint: %w", o.Path, err)
	}
	d, err := open(ctx, o)
	return d, openError(o.Path, err)
}

func open(ctx context.Context, o Options) (*Destination, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := connect(settings(o))
	if err != nil {
		return nil, err
	}
	d := &Destination{o: o, conn: conn, limit: stagingMemory(o.MemoryBytes, 0), indexLimit: o.MemoryBytes / indexShare, tables: map[string]*preparedTable{}}
	if err := d.attach(ctx); err != nil {
		return nil, errors.Join(err, d.closeFile())
	}
	if err := d.checkSchema(ctx); err != nil {
		return nil, errors.Join(err, d.closeFile())
	}
	file, err := os.Stat(o.Path)
	if err != nil {
		return nil, errors.Join(err, d.closeFile())
	}
	d.size = file.Size()
	return d, nil
}

// settings returns DuckDB's settings.
func settings(o Options) map[string]string {
	return map[string]string{
		"memory_limit":   mebibytes(stagingMemory(o.MemoryBytes, 0)),
		"temp_directory": o.Path + ".tmp",
		// Row groups are replaced whole, not rewritten to fill gaps: Destination
		// decides when that pays.
		"max_vacuum_tasks": "0",
		// The order of rows means nothing, and keeping it costs memory.
		"preserve_insertion_order": "false",
		// Checkpoints are made by Destination alone, see checkpoint.
		"checkpoint_threshold": "1000TiB",
		// Rows are appended by one thread; more of DuckDB's would only get into its way.
		"threads": "1",
		// Full row groups go to the file at once, compressed.
		"write_buffer_row_group_count": "1",
	}
}

const (
	// catalog is what the file is called in statements.
	catalog = "warehouse"

	// rowGroup is how many rows lie together in the file. A transaction that
	// stages more writes them there itself. Fewer pass through the log and through
	// memory to the next checkpoint, uncompressed.
	rowGroup = 10 * 2048
)

func (d *Destination) attach(ctx context.Context) error {
	attach := "ATTACH '" + strings.ReplaceAll(d.o.Path, "'", "''") + "' AS " + catalog
	if d.o.ReadOnly {
		return d.execAll(ctx, attach+" (TYPE duckdb, READ_ONLY)", "USE "+catalog)
	}
	return d.execAll(
		ctx,
		attach+" (TYPE duckdb, ROW_GROUP_SIZE "+strconv.Itoa(rowGroup)+")",
		"USE "+catalog,
		// Compressing texts takes more than all else that is done with a row.
		"SET disabled_compression_methods = 'fsst,dictionary,dict_fsst,zstd'",
		"PRAGMA disable_checkpoint_on_shutdown",
	)
}

// checkSchema refuses a schema that is there in other capital and small letters: DuckDB
// would take it, and find none of its tables by its name.
func (d *Destination) checkSchema(ctx context.Context) error {
	stored := d.o.Schema
	err := d.conn.query(ctx, "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND lower(schema_name) = lower(?)", func(c *chunk) error {
		stored = c.text(0, 0)
		return nil
	}, d.o.Schema)
	if err == nil && stored != d.o.Schema {
		err = fmt.Errorf("there is a schema %q, which DuckDB takes for %q; write destination_schema as it is there", stored, d.o.Schema)
	}
	return err
}

// Close writes what the log holds to the file and releases it.
func (d *Destination) Close() error {
	var err error
	if !d.o.ReadOnly {
		if err = d.checkpoint(context.Background(), 1); err == nil {
			err = d.keepSize(context.Background())
		}
	}
	return errors.Join(err, d.closeFile())
}

// closeFile releases the file.
func (d *Destination) closeFile() error {
	d.conn.close()
	if d.raw == nil {
		return nil
	}
	return d.raw.Close()
}

// execAll runs statements one after the other, up to the first that fails.
func (d *Destination) execAll(ctx context.Context, statements ...string) error {
	for _, q := range statements {
		if err := d.conn.exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// useThreads lets DuckDB use n threads.
func (d *Destination) useThreads(ctx context.Context, n int) error {
	return d.conn.exec(ctx, "SET threads = "+strconv.Itoa(n))
}

// count runs a query for one number; NULL is 0.
func (d *Destination) count(ctx context.Context, q string, args ...any) (n int64, err error) {
	err = d.conn.query(ctx, q, func(c *chunk) error {
		n = c.int(0, 0)
		return nil
	}, args...)
	return n, err
}

// name qualifies and quotes the name of a table of the sync's schema.
func (d *Destination) name(table string) string {
	return catalog + "." + quote(d.o.Schema) + "." + quote(table)
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// A lockedError says that another process has the file open, for now.
type lockedError struct {
	error
	holder int
}

func (lockedError) Retryable() bool { return true }

// Holder returns the id of that process, 0 if it is not known.
func (e lockedError) Holder() int { return e.holder }

var lockHolder = regexp.MustCompile(`PID (\d+)`)

// openError says what keeps a file from being opened.
func openError(path string, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "Could not set lock"):
		if m := lockHolder.FindStringSubmatch(text); m != nil {
			pid, _ := strconv.Atoi(m[1]) // digits
			return lockedError{fmt.Errorf("open %s: process %d has the file open; close it there first", path, pid), pid}
		}
		return lockedError{error: fmt.Errorf("open %s: another process has the file open; close it there first", path)}
	case strings.Contains(text, "not a valid DuckDB database file"):
		return fmt.Errorf("open %s: it is no DuckDB file; choose another destination", path)
	case strings.Contains(text, "Corrupt database file"):
		return fmt.Errorf("open %s: the file is damaged: what DuckDB reads does not match its checksum; take the file back from a backup, or sync into another", path)
	case strings.Contains(text, "with version number"):
		return fmt.Errorf("open %s: the file was written by a newer DuckDB than this keylift has; use a newer keylift, or choose another destination", path)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

var _ destination.Store = (*Destination)(nil)
