package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

func newPreview(c *cli) *cobra.Command {
	var limit, width int
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Show the first rows that a sync would write",
		Long:  `Read a few keys and print their rows as a table. Nothing is written anywhere.`,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(atLeast(1, "--rows", limit), atLeast(1, "--width", width)); err != nil {
				return err
			}
			return c.withSource(func(_ *config.Config, src source.Source) error {
				return c.preview(cmd.Context(), src, limit, width)
			})
		},
	}
	cmd.Flags().IntVarP(&limit, "rows", "n", 10, "rows to show")
	cmd.Flags().IntVar(&width, "width", 60, "characters of a value to show")
	c.addConfigFlags(cmd)
	return cmd
}

// previewRows is how many rows are read at the most to find some of every table.
const previewRows = 100_000

func (c *cli) preview(ctx context.Context, src source.Source, limit, width int) (err error) {
	tables, err := src.Tables(ctx)
	if err != nil {
		return err
	}
	r, err := src.Open(ctx, row.Position{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	shown, unread := map[string][]*row.Batch{}, false
	lacking := len(tables)
	for read := 0; lacking > 0 && read < previewRows; {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		read += b.Len()
		unread = unread || slices.Contains(b.Ops, row.Keep)
		name := b.Table.Name
		before := upserts(shown[name])
		if before >= limit {
			b.Release()
			continue
		}
		shown[name] = append(shown[name], b)
		if upserts(shown[name]) >= limit {
			lacking--
		}
	}
	if err := c.printPreview(tables, shown, limit, width, unread); err != nil || !unread {
		return err
	}
	return errUnread
}

func upserts(batches []*row.Batch) (n int) {
	for _, b := range batches {
		for _, op := range b.Ops {
			if op == row.Upsert {
				n++
			}
		}
	}
	return n
}

// printPreview prints up to limit rows of each table; unread keys may match, too.
func (c *cli) printPreview(tables []*row.Table, shown map[string][]*row.Batch, limit, width int, unread bool) error {
	none := !unread
	for _, rt := range tables {
		batches := shown[rt.Name]
		if upserts(batches) == 0 {
			continue
		}
		none = false
		t := c.newTable()
		if len(tables) > 1 {
			_, _ = fmt.Fprintf(c.stdout, "%s\n", rt.Name)
		}
		// The last batch has every column that those before it have.
		t.AppendHeader(header(batches[len(batches)-1].Table))
		rows := 0
		for _, b := range batches {
			for i := 0; i < b.Len() && rows < limit; i++ {
				if b.Ops[i] == row.Upsert {
					t.AppendRow(cells(b, i, width))
					rows++
				}
			}
			b.Release()
		}
		t.Render()
	}
	if none {
		_, err := fmt.Fprintln(c.stdout, "no keys match")
		return err
	}
	return nil
}

func header(t *row.Table) (names table.Row) {
	for _, c := range t.Columns {
		names = append(names, visible(c.Name))
	}
	return names
}

// cells returns row i for people to read, texts cut to width characters.
func cells(b *row.Batch, i, width int) (values table.Row) {
	for c, col := range b.Table.Columns {
		v := &b.Vectors[c]
		switch {
		case v.Null[i]:
			values = append(values, "NULL")
		case col.Type == row.UTCDateTime:
			values = append(values, time.UnixMicro(v.Ints[i]).UTC().Format("2006-01-02 15:04:05.000"))
		case col.Type == row.Boolean:
			values = append(values, v.Ints[i] != 0)
		case col.Type == row.Int:
			values = append(values, v.Ints[i])
		case col.Type == row.Double:
			values = append(values, v.Floats[i])
		default:
			values = append(values, shorten(string(b.TextAt(c, i)), width))
		}
	}
	return values
}
