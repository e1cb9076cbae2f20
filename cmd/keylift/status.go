package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/source"
)

func newStatus(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how far the sync has come",
		Long:  `Read the destination and say when it was last published, at which generation, and what its tables hold.`,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withDestination(cmd, true, func(cfg *config.Config, dst destination.Store) error {
				st, err := dst.Status(cmd.Context(), syncName(cfg))
				if err != nil {
					return err
				}
				c.printStatus(st)
				return c.printLag(cmd.Context(), cfg, st)
			})
		},
	}
	c.addConfigFlags(cmd)
	return cmd
}

func (c *cli) printStatus(st *destination.Status) {
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(c.stdout, "%-16s %s\n", name, fmt.Sprintf(format, args...))
	}
	if st.CheckpointAt.IsZero() {
		line("state", "nothing has been synced yet")
		return
	}
	if st.Published {
		line("state", "complete")
	} else {
		line("state", "a snapshot is under way; the next sync resumes it")
	}
	line("generation", "%d", st.Position.Generation)
	line("sync began", "%s", stamp(st.StartedAt))
	line("last checkpoint", "%s", stamp(st.CheckpointAt))
	line("last published", "%s", stamp(st.PublishedAt))
	t := c.newTable()
	t.AppendHeader(table.Row{"table", "rows", "deleted", "staged"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight},
	})
	for _, s := range st.Tables {
		t.AppendRow(table.Row{s.Name, thousands(s.Rows), thousands(s.Deleted), thousands(s.Staged)})
	}
	t.Render()
}

// printLag says how far the destination lies behind the server, where the server is
// named and counts its changes.
func (c *cli) printLag(ctx context.Context, cfg *config.Config, st *destination.Status) (err error) {
	if cfg.Host == "" && cfg.Socket == "" {
		return nil
	}
	src, err := c.openSource(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	follower, ok := src.(source.Follower)
	if !ok {
		return nil
	}
	switch lag, err := follower.Lag(ctx, st.Position); {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		_, _ = fmt.Fprintf(c.stdout, "%-16s not known: %v\n", "lag", err)
	case lag == source.NoLag:
	case lag == 0:
		_, _ = fmt.Fprintf(c.stdout, "%-16s none\n", "lag")
	default:
		_, _ = fmt.Fprintf(c.stdout, "%-16s %s of changes, at most %s\n", "lag", bytesText(lag), max(time.Since(st.CheckpointAt), 0).Round(time.Second))
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
