package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// errDifferent ends a verification that found differences.
var errDifferent = errors.New("the destination differs from the server; run keylift sync, then verify again")

func newVerify(c *cli) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the destination with the server, key by key",
		Long: `Read the server and the destination again and compare every row of every table.
Differing keys are printed. Rows whose expiry has passed since the sync are no
difference, where the table tells expiries. Keys that change while or since they
were synced differ: verify a quiet server, or sync first.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := atLeast(0, "--limit", limit); err != nil {
				return err
			}
			cfg, err := c.config()
			if err != nil {
				return err
			}
			log, err := c.logger()
			if err != nil {
				return err
			}
			return c.verify(cmd.Context(), cfg, log, limit)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "differing keys to print")
	c.addConfigFlags(cmd)
	return cmd
}

// verify compares the destination with the server and prints up to limit keys
// that differ.
func (c *cli) verify(ctx context.Context, cfg *config.Config, log *slog.Logger, limit int) (err error) {
	src, err := c.openSource(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := lookIntoDestination(ctx, cfg)
	if err != nil {
		return heldError(cfg, err)
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	return c.compare(ctx, src, dst, cfg, limit)
}

// compare compares in passes, each over a share of the keys that fits into memory.
func (c *cli) compare(ctx context.Context, src source.Source, dst destination.Store, cfg *config.Config, limit int) error {
	report, err := src.Inspect(ctx)
	if err != nil {
		return err
	}
	if err := failure(report); err != nil {
		return err
	}
	tables, err := src.Tables(ctx)
	if err != nil {
		return err
	}
	st, err := dst.Status(ctx, syncName(cfg))
	if err != nil {
		return err
	}
	if st.PublishedAt.IsZero() {
		return fmt.Errorf("%s holds no complete sync yet; run keylift sync first", cfg.Destination)
	}
	if tables, err = allColumns(ctx, src, cfg, tables); err != nil {
		return err
	}
	if err := dst.Prepare(ctx, tables); err != nil {
		return err
	}
	rows := report.Keys
	for _, t := range st.Tables {
		rows = max(rows, t.Rows)
	}
	v := &verification{
		source: src, destination: dst, tables: tables, kept: map[uint64]bool{},
		passes: uint64(rows*metBytes/cfg.MemoryLimit + 1),
		print: func(what string, b *row.Batch, i int) {
			if limit--; limit >= 0 {
				_, _ = fmt.Fprintf(c.stdout, "%s\t%s\n", what, keyText(b, i))
			}
		},
	}
	for pass := range v.passes {
		if err := v.run(ctx, pass); err != nil {
			return err
		}
	}
	if limit < 0 {
		_, _ = fmt.Fprintf(c.stdout, "… and %s more\n", thousands(int64(-limit)))
	}
	c.printVerdict(v)
	switch {
	case v.differ+v.missing+v.extra > 0:
		return errDifferent
	case v.unread > 0:
		return errSetAside
	}
	return nil
}

// allColumns returns the tables with the columns of every field there is: where new
// fields become columns, it takes a reading to know them.
func allColumns(ctx context.Context, src source.Source, cfg *config.Config, tables []*row.Table) ([]*row.Table, error) {
	if !slices.ContainsFunc(cfg.Tables, func(t config.Table) bool { return t.NewFields == "add" }) {
		return tables, nil
	}
	err := readAll(ctx, src, func(*row.Batch) {})
	if err != nil {
		return nil, err
	}
	return src.Tables(ctx)
}

// readAll reads a snapshot.
func readAll(ctx context.Context, src source.Source, f func(b *row.Batch)) (err error) {
	r, err := src.Open(ctx, row.Position{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f(b)
		b.Release()
	}
}

func (c *cli) printVerdict(v *verification) {
	unit := "keys"
	if len(v.tables) > 1 || v.tables[0].Group > 0 {
		unit = "rows"
	}
	parts := []string{thousands(v.equal) + " " + unit + " equal"}
	for _, n := range []struct {
		rows int64
		what string
	}{
		{v.differ, "differ"},
		{v.missing, "missing in the destination"},
		{v.extra, "only in the destination"},
		{v.expired, "expired since the sync"},
		{v.unread, "could not be read"},
	} {
		if n.rows > 0 {
			parts = append(parts, thousands(n.rows)+" "+n.what)
		}
	}
	_, _ = fmt.Fprintln(c.stdout, strings.Join(parts, ", "))
}

// metBytes is about what one key takes in a pass's map.
const metBytes = 64

// A verification compares a destination with its source.
type verification struct {
	source      source.Source
	destination destination.Store
	tables      []*row.Table
	passes      uint64
	print       func(what string, b *row.Batch, i int)

	kept map[uint64]bool // Redis keys that may have more rows than are delivered

	equal, differ, missing, extra, expired, unread int64
}

// A held row is what the destination holds for a key.
type held struct {
	hash uint64
	// The values of the columns compared by value, of which tables have one at the
	// most; null stands for NULL.
	at  int64
	met bool
}

const null = -1 << 63

func (v *verification) run(ctx context.Context, pass uint64) error {
	rows := map[uint64]held{}
	for _, t := range v.tables {
		err := v.each(ctx, t, pass, func(b *row.Batch, i int, key uint64) {
			rows[key] = held{hash: b.Hash[i], at: comparedAt(b, i)}
		})
		if err != nil {
			return err
		}
	}
	scope, err := v.compare(ctx, pass, rows)
	if err != nil {
		return err
	}
	for _, t := range v.tables {
		err := v.each(ctx, t, pass, func(b *row.Batch, i int, key uint64) {
			switch h := rows[key]; {
			case h.met || v.kept[ownerOf(b, i)] || !scope(b, i):
			case h.at != null && time.UnixMicro(h.at).Before(time.Now()):
				v.expired++
			default:
				v.extra++
				v.print("only in destination", b, i)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each runs f for the rows of t in the destination that belong to a pass.
func (v *verification) each(ctx context.Context, t *row.Table, pass uint64, f func(b *row.Batch, i int, key uint64)) error {
	for b, err := range v.destination.Rows(ctx, t) {
		if err != nil {
			return err
		}
		for i := range b.Ops {
			if key := keyOf(b, i); key%v.passes == pass {
				f(b, i, key)
			}
		}
		b.Release()
	}
	return nil
}

// compare reads the source, compares its keys with rows, marks those as met, and
// returns what the source covered.
func (v *verification) compare(ctx context.Context, pass uint64, rows map[uint64]held) (scope row.Scope, err error) {
	err = readAll(ctx, v.source, func(b *row.Batch) {
		for i, op := range b.Ops {
			switch key := keyOf(b, i); {
			case op.Keeps() && b.Table.Group > 0:
				v.keep(b, i)
			case key%v.passes == pass:
				v.row(b, i, key, rows)
			}
		}
		if b.Closes == row.Snapshot {
			scope = b.Scope
		}
	})
	return scope, err
}

// keep notes a Redis key that may have more rows than are delivered: some could not
// be read, or it was trimmed in a table whose rows are only added to.
func (v *verification) keep(b *row.Batch, i int) {
	owner := ownerOf(b, i)
	if !v.kept[owner] && b.Ops[i] == row.Keep {
		v.unread++
	}
	v.kept[owner] = true
}

// keyOf and ownerOf return hashes of row i's primary key and of its Redis key, which
// differ from table to table.
func keyOf(b *row.Batch, i int) uint64 { return b.HashKey(i) ^ xxhash.Sum64String(b.Table.Name) }

func ownerOf(b *row.Batch, i int) uint64 { return b.HashGroup(i) ^ xxhash.Sum64String(b.Table.Name) }

func (v *verification) row(b *row.Batch, i int, key uint64, rows map[uint64]held) {
	h, ok := rows[key]
	if h.met {
		return // delivered twice
	}
	h.met = true
	switch {
	case b.Ops[i] == row.Keep:
		v.unread++
	case b.Ops[i] == row.Stay:
	case !ok:
		v.missing++
		v.print("missing in destination", b, i)
	case h.hash != b.Hash[i] || !near(h.at, comparedAt(b, i), tolerance(b.Table)):
		v.differ++
		v.print("differs", b, i)
	default:
		v.equal++
	}
	rows[key] = h
}

// comparedAt returns the value of the column of row i that is compared by value.
func comparedAt(b *row.Batch, i int) int64 {
	for c, col := range b.Table.Columns {
		if col.Compare == row.ByValue && !b.Vectors[c].Null[i] {
			return b.Vectors[c].Ints[i]
		}
	}
	return null
}

func tolerance(t *row.Table) time.Duration {
	for _, col := range t.Columns {
		if col.Compare == row.ByValue {
			return col.Tolerance
		}
	}
	return 0
}

func near(a, b int64, tolerance time.Duration) bool {
	return a == b || a != null && b != null && time.Duration(max(a, b)-min(a, b))*time.Microsecond <= tolerance
}

// keyText writes the key of row i, its columns separated by spaces.
func keyText(b *row.Batch, i int) string {
	text := ""
	for _, v := range cells(b, i, 1000)[:b.Table.Keys] {
		if text != "" {
			text += " "
		}
		text += fmt.Sprint(v)
	}
	return text
}
