package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

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
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if limit < 1 {
				return usageError{fmt.Errorf("--rows is %d; use 1 or more", limit)}
			}
			cfg, err := c.config()
			if err != nil {
				return err
			}
			log, err := c.logger()
			if err != nil {
				return err
			}
			src, err := c.openSource(cfg, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, src.Close()) }()
			return c.preview(cmd.Context(), src, limit, width)
		},
	}
	cmd.Flags().IntVarP(&limit, "rows", "n", 10, "rows to show")
	cmd.Flags().IntVar(&width, "width", 60, "characters of a value to show")
	c.addConfigFlags(cmd)
	return cmd
}

func (c *cli) preview(ctx context.Context, src source.Source, limit, width int) (err error) {
	r, err := src.Open(ctx, row.Position{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	t := c.newTable()
	shown := 0
	for shown < limit {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for i := 0; i < b.Len() && shown < limit; i++ {
			if b.Ops[i] != row.Upsert {
				continue
			}
			if shown == 0 {
				t.AppendHeader(header(b.Table))
			}
			t.AppendRow(cells(b, i, width))
			shown++
		}
		b.Release()
	}
	if shown == 0 {
		_, err := fmt.Fprintln(c.stdout, "no keys match")
		return err
	}
	t.Render()
	return nil
}

func header(t *row.Table) (names table.Row) {
	for _, c := range t.Columns {
		names = append(names, c.Name)
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

// shorten cuts s to n characters and makes line breaks and control characters visible.
func shorten(s string, n int) string {
	var b strings.Builder
	for _, r := range s {
		if n--; n < 0 {
			b.WriteString("…")
			break
		}
		if r < ' ' || r == 0x7f {
			_, _ = fmt.Fprintf(&b, "\\x%02x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
