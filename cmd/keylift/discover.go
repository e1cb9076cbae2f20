package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
)

const (
	widestCell  = 80  // characters of a template or a field that are shown
	longestName = 256 // bytes of a single key that gets a table
)

// sampleNames is how many names discover looks at, unless told otherwise.
const sampleNames = 16_000

func newDiscover(c *cli) *cobra.Command {
	o := source.SampleOptions{}
	var write string
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "Find the tables that the keys suggest",
		Long: `Look at a sample of the keys, find the templates of their names, their types and
the columns of hashes, and print them with the tables for a configuration. The
sample is small and takes the server little time; nothing is written to it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := atLeast(1, "--sample", o.Names); err != nil {
				return err
			}
			if err := c.mayWrite(write); err != nil {
				return err
			}
			return c.withSource(func(cfg *config.Config, src source.Source) error {
				sampler, ok := src.(source.Sampler)
				if !ok {
					return &config.Error{Mistakes: []string{"mode: discover looks at a server, not at an RDB file; name the server by host or url"}}
				}
				o.Table = cfg.TableName
				return c.discover(cmd.Context(), sampler, o, write)
			})
		},
	}
	cmd.Flags().StringVar(&write, "write", "", "write the tables for a configuration to this `file`, - for standard output alone")
	cmd.Flags().IntVar(&o.Names, "sample", sampleNames, "names to look at, at most")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed that chooses the values to look at")
	c.addConfigFlags(cmd)
	return cmd
}

// mayWrite refuses to write over a file.
func (c *cli) mayWrite(name string) error {
	if name == "" || name == "-" {
		return nil
	}
	if _, err := os.Lstat(name); err == nil {
		return wrongUsage("--write: there is a file %s; name another, or remove it", name)
	}
	return nil
}

func (c *cli) discover(ctx context.Context, src source.Sampler, o source.SampleOptions, write string) error {
	s, err := src.Sample(ctx, o)
	if err != nil {
		return err
	}
	report := c.stdout
	if write == "-" {
		report = c.stderr
	}
	if s.Matched == 0 {
		_, err := fmt.Fprintln(report, nothing(s))
		return err
	}
	printSample(report, s)
	text := tablesYAML(s, o)
	switch write {
	case "":
		_, err = fmt.Fprintf(report, "\nFor the configuration (--write FILE writes it):\n\n%s", text)
	case "-":
		_, err = io.WriteString(c.stdout, text)
	default:
		err = writeNew(write, text)
	}
	return err
}

// nothing says why there are no tables.
func nothing(s *source.Sample) string {
	switch {
	case s.Names == 0:
		return "the server holds no keys in the databases that are read: there is nothing to discover"
	case s.All:
		return "no keys match: check key_pattern, exclude_pattern and types"
	}
	return fmt.Sprintf("no keys match among the %s looked at: check key_pattern, exclude_pattern and types, or look at more by --sample", thousands(int64(s.Names)))
}

// writeNew writes a file that was not there before, or none.
func writeNew(name, text string) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // names of keys and of fields may tell of people
	if err != nil {
		return fmt.Errorf("write the tables: %w; name a file in a folder that is there and may be written to", err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the tables: %w", err), os.Remove(name))
	}
	return nil
}

// printSample prints what was found, for people.
func printSample(w io.Writer, s *source.Sample) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("%s, %s values", extent(s), thousands(int64(s.Values)))
	if !s.All && s.Keys > 0 {
		// A template is missed as often as none of its keys is in the sample.
		say("templates of fewer than about %s keys may be missing; --sample looks at more", thousands(3*s.Keys/int64(s.Names)))
	}
	t := listing(w, "table", "template", "type", "layout", "keys", "of size", "bytes")
	for _, g := range s.Tables.Guesses {
		name := g.Name
		if !worthTable(g) {
			name = "(default table)"
		}
		t.AppendRow(pretty.Row{name, shorten(g.Keys, widestCell), or(g.Type, "?"), g.Layout.String(), estimate(g.Count, s), size(g), bytesOf(g)})
	}
	t.Render()
	fields := listing(w, "table", "field", "column", "type", "in keys", "values that fit")
	for _, g := range s.Tables.Guesses {
		for _, f := range g.Fields {
			fields.AppendRow(pretty.Row{g.Name, shorten(f.Name, widestCell), visible(f.Column), f.Format.String(), percent(f.Seen, f.Looked), percent(f.Fit, f.Seen)})
		}
	}
	if fields.Length() > 0 {
		fields.Render()
	}
	for _, g := range s.Tables.Guesses {
		if worthTable(g) {
			for _, u := range g.Unsure {
				say("unsure   %s: %s", g.Name, visible(u))
			}
		}
	}
	for _, u := range s.Unseen {
		say("unseen   %s", visible(u))
	}
}

// listing is a table for people with names of columns.
func listing(w io.Writer, names ...string) pretty.Writer {
	t := (&cli{stdout: w}).newTable()
	var header pretty.Row
	for _, n := range names {
		header = append(header, n)
	}
	t.AppendHeader(header)
	return t
}

// extent says how much of the keys was looked at.
func extent(s *source.Sample) string {
	text := thousands(int64(s.Names)) + " names looked at"
	switch {
	case s.All:
		text += ", which are all"
	case s.Keys > 0:
		text += " of about " + thousands(s.Keys)
	}
	if s.Matched < s.Names {
		text += ", " + thousands(int64(s.Matched)) + " selected"
	}
	return text
}

// worthTable reports whether a guess is worth a table of its own: a single string is
// not, nor is a single key of a name that nobody would write down.
func worthTable(g *table.Guess) bool {
	return !g.Single || g.Layout != table.Values && len(g.Keys) <= longestName
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func estimate(count float64, s *source.Sample) string {
	n := thousands(int64(count + 0.5))
	if s.All {
		return n
	}
	return "about " + n
}

// size says how large the values are.
func size(g *table.Guess) string {
	if g.Looks.Sized == 0 {
		return "?"
	}
	what := or(map[string]string{"string": "bytes", "hash": "fields", "json": "fields", "stream": "entries", "zset": "members", "set": "members"}[g.Type], "elements")
	mean := thousands(int64(g.Looks.Elements + 0.5))
	if mean == "1" && g.Looks.Most == 1 {
		what = map[string]string{"bytes": "byte", "fields": "field", "entries": "entry", "members": "member", "elements": "element"}[what]
	}
	if most := thousands(g.Looks.Most); most != mean {
		return fmt.Sprintf("%s %s, at most %s", mean, what, most)
	}
	return mean + " " + what
}

// bytesOf says about how much memory all keys of the guess take.
func bytesOf(g *table.Guess) string {
	if g.Looks.Weighed == 0 {
		return "?"
	}
	n := g.Looks.Bytes * g.Count
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1000 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") + " " + unit
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1f TiB", n)
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", 100*n/of)
}
