// Package duckdb keeps the rows of a sync in a DuckDB file: staged as they
// arrive, then published in one transaction that touches only what changed.
//
// A sync owns one schema of the file. Beside each table t it keeps
// _keylift_stage_t (rows not published yet) and _keylift_seen_t (keys found
// unchanged) while a snapshot is under way, and its position in _keylift_sync.
package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/keylift/keylift/destination"
)

// Options say where and how to keep rows.
type Options struct {
	Path    string // of the file, which is created where there is none
	Schema  string // created where there is none
	Deletes destination.Deletes
	// MemoryBytes bounds DuckDB's buffers and the index of unchanged rows. The
	// library itself takes about 200 MB more.
	MemoryBytes int64
	// ReadOnly opens an existing file for reading only: Status and Rows work.
	ReadOnly bool
}

// A Destination is a DuckDB file. It holds the file's lock until it is closed.
type Destination struct {
	o      Options
	db     *sql.DB
	conn   *sql.Conn // the one connection that writes
	raw    *os.File  // the file itself, once it has been guarded
	tables map[string]*preparedTable
	names  []string // of the tables, in the order of Prepare
	// The generation of the rows staged, 0 if none are, and when its sync began.
	known      bool // generation and started are read
	generation int64
	started    time.Time
}

// Open opens or creates the file.
func Open(ctx context.Context, o Options) (*Destination, error) {
	if strings.Contains(o.Path, "?") {
		return nil, fmt.Errorf("open %s: a path with a question mark cannot be opened; choose another destination", o.Path)
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
	connector, err := duckdb.NewConnector(dsn(o), nil)
	if err != nil {
		return nil, err
	}
	d := &Destination{o: o, db: sql.OpenDB(connector), tables: map[string]*preparedTable{}}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.closeFile())
	}
	return d, nil
}

// dsn names the file and the settings of the whole process.
func dsn(o Options) string {
	settings := url.Values{}
	settings.Set("memory_limit", strconv.FormatInt((o.MemoryBytes-o.MemoryBytes/indexShare)>>20, 10)+"MiB")
	// Row groups are replaced whole, not rewritten to fill gaps: Destination
	// decides when that pays.
	settings.Set("max_vacuum_tasks", "0")
	// The order of rows means nothing, and keeping it costs memory.
	settings.Set("preserve_insertion_order", "false")
	// Checkpoints are made by Destination alone, see checkpoint.
	settings.Set("checkpoint_threshold", "1000TiB")
	// Rows are appended by one thread; more of DuckDB's would only get into its way.
	settings.Set("threads", "1")
	if o.ReadOnly {
		settings.Set("access_mode", "READ_ONLY")
	}
	return o.Path + "?" + settings.Encode()
}

func (d *Destination) open(ctx context.Context) error {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	d.conn = conn
	if d.o.ReadOnly {
		return nil
	}
	for _, q := range []string{
		"PRAGMA disable_checkpoint_on_shutdown",
		"CREATE SCHEMA IF NOT EXISTS " + quote(d.o.Schema),
		"CREATE TABLE IF NOT EXISTS " + d.name(syncTable) + syncColumns,
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// Close writes what the log holds to the file and releases it.
func (d *Destination) Close() error {
	var err error
	if !d.o.ReadOnly {
		err = d.checkpoint(context.Background(), 1)
	}
	return errors.Join(err, d.closeFile())
}

// closeFile releases the file.
func (d *Destination) closeFile() error {
	var errs []error
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	errs = append(errs, d.db.Close())
	if d.raw != nil {
		errs = append(errs, d.raw.Close())
	}
	return errors.Join(errs...)
}

// exec runs a statement on the writing connection.
func (d *Destination) exec(ctx context.Context, q string, args ...any) error {
	_, err := d.conn.ExecContext(ctx, q, args...)
	return plain(err)
}

// useThreads lets DuckDB use n threads.
func (d *Destination) useThreads(ctx context.Context, n int) error {
	return d.exec(ctx, "SET threads = "+strconv.Itoa(n))
}

// count runs a query for one number.
func (d *Destination) count(ctx context.Context, q string) (n int64, err error) {
	err = d.conn.QueryRowContext(ctx, q).Scan(&n)
	return n, plain(err)
}

// name qualifies and quotes the name of a table of the sync's schema.
func (d *Destination) name(table string) string { return quote(d.o.Schema) + "." + quote(table) }

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// plain makes one clear sentence of what DuckDB says in several.
func plain(err error) error {
	if err == nil {
		return nil
	}
	text, more, _ := strings.Cut(err.Error(), "\n")
	switch {
	case strings.HasPrefix(text, "Out of Memory Error"):
		return fmt.Errorf("DuckDB has not enough memory; raise memory_limit (%s)", text)
	case more == "":
		return err
	}
	return errors.New(text)
}

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
			return fmt.Errorf("open %s: process %s has the file open; close it there first", path, m[1])
		}
		return fmt.Errorf("open %s: another process has the file open; close it there first", path)
	case strings.Contains(text, "not a valid DuckDB database file"):
		return fmt.Errorf("open %s: it is no DuckDB file; choose another destination", path)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

var _ destination.Store = (*Destination)(nil)
