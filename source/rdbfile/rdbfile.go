// Package rdbfile reads an RDB file, or one that arrives on an input, as a
// source: every load is a snapshot of the moment that the file shows.
package rdbfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/selection"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
)

// Options say what to read. Zero values mean the defaults.
type Options struct {
	Path  string    // of the file; "-": Input
	Input io.Reader // read once, to its end

	Databases    []int // default: 0 alone
	AllDatabases bool  // every database in the file; Databases is not used
	Filter       selection.Filter
	Table        string // name of the table of keys that match no template; default redis_data
	// Tables are fed by the keys that match their templates, the first that matches;
	// with SkipUnmatched no other keys are read.
	Tables        []table.Spec
	SkipUnmatched bool

	MaxValueBytes int64 // longer values become NULL; default 100 MiB
	MemoryBytes   int64 // aimed at for rows on their way; default 64 MiB

	Logger  *slog.Logger // default: none
	LogKeys bool         // write key names into logs
}

const (
	defaultTable         = "redis_data"
	defaultMaxValueBytes = 100 << 20
	defaultMemoryBytes   = 64 << 20

	// inputPath is the path that stands for Options.Input.
	inputPath = "-"
)

// A Source reads one file.
type Source struct {
	options Options
	plan    *table.Plan
	taken   bool // Input has been read
}

var _ source.Source = (*Source)(nil)

// Open returns the source that o describes. It does not look at the file yet.
func Open(o Options) (*Source, error) {
	if o.Path == "" {
		return nil, errors.New("no file to read from; set rdb_file")
	}
	o.Table = cmp.Or(o.Table, defaultTable)
	o.MaxValueBytes = cmp.Or(o.MaxValueBytes, defaultMaxValueBytes)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, defaultMemoryBytes)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	switch {
	case o.AllDatabases:
		o.Databases = nil
	case len(o.Databases) == 0:
		o.Databases = []int{0}
	}
	many := o.AllDatabases || len(o.Databases) > 1
	plan, err := table.NewPlan(o.Tables, table.Options{
		Default: o.Table, Skip: o.SkipUnmatched, Databases: many, MaxValueBytes: o.MaxValueBytes,
		Misfit: source.NewNotices(o.Logger, o.LogKeys).Misfit,
	})
	if err != nil {
		return nil, err
	}
	return &Source{options: o, plan: plan}, nil
}

// Close does nothing: readers have the file open, not the source.
func (s *Source) Close() error { return nil }

// Tables returns the tables of the source.
func (s *Source) Tables(context.Context) ([]*row.Table, error) { return s.plan.Tables(), nil }

// name is what messages call the file.
func (s *Source) name() string {
	if s.options.Path == inputPath {
		return "standard input"
	}
	return s.options.Path
}

// file opens what is read.
func (s *Source) file() (io.ReadCloser, error) {
	if s.options.Path == inputPath {
		if s.taken {
			return nil, s.access(errors.New("it can be read only once; run the sync again"))
		}
		s.taken = true
		return io.NopCloser(s.options.Input), nil
	}
	f, err := os.Open(s.options.Path)
	if err != nil {
		if path, ok := errors.AsType[*os.PathError](err); ok {
			err = path.Err
		}
		return nil, s.access(fmt.Errorf("%w; check rdb_file", err))
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(s.access(errors.New("it is a folder; name a file in rdb_file")), f.Close())
	}
	return f, nil
}

func (s *Source) access(err error) error { return &source.AccessError{Node: s.name(), Err: err} }
