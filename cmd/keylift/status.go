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
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

func newStatus(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how far the sync has come",
		Long: `Read the destination and say when it was last published, at which generation, and what its tables hold.
While a sync holds the destination, say how far that has come.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(config.LoadWithoutServer)
			if err != nil {
				return err
			}
			return c.status(cmd.Context(), cfg)
		},
	}
	c.addConfigFlags(cmd)
	return cmd
}

// status says how far the sync has come.
func (c *cli) status(ctx context.Context, cfg *config.Config) (err error) {
	dst, err := lookIntoDestination(ctx, cfg)
	if h := holderOf(cfg, err); h != nil {
		c.printHolder(h)
		return c.printLag(ctx, cfg, h.Position, h.ReadAt)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	st, err := dst.Status(ctx, syncName(cfg))
	if err != nil {
		return err
	}
	c.printStatus(cfg, st)
	return c.printLag(ctx, cfg, st.Position, st.CheckpointAt)
}

// line prints what has a name.
func (c *cli) line(name, format string, args ...any) {
	_, _ = fmt.Fprintf(c.stdout, "%-16s %s\n", name, fmt.Sprintf(format, args...))
}

func (c *cli) printHolder(h *holder) {
	switch {
	case h.ReadAt.IsZero():
		c.line("state", "process %d reads a snapshot; nothing of it is published yet", h.PID)
	case h.Follows:
		c.line("state", "process %d follows the server", h.PID)
	default:
		c.line("state", "process %d reads what changed", h.PID)
	}
	c.line("rows read", "%s; about %s keys are in the server", thousands(h.RowsRead), thousands(h.Keys))
	if !h.ReadAt.IsZero() {
		c.line("generation", "%d", h.Position.Generation)
		c.line("published as of", "%s", stamp(h.ReadAt))
	}
}

func (c *cli) printStatus(cfg *config.Config, st *destination.Status) {
	line := c.line
	if st.CheckpointAt.IsZero() {
		line("state", "schema %s holds no position of a sync: the next one reads all keys", cfg.DestinationSchema)
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

// printLag says how far the server is ahead of a position, behind which all was read
// at a time, where the server is named and counts its changes.
func (c *cli) printLag(ctx context.Context, cfg *config.Config, position row.Position, at time.Time) (err error) {
	if !cfg.NamesServer() {
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
	switch lag, err := follower.Lag(ctx, position); {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		c.line("lag", "not known: %v", err)
	case lag == source.NoLag:
	case lag == 0:
		c.line("lag", "none")
	default:
		c.line("lag", "%s of changes, at most %s", bytesText(lag), max(time.Since(at), 0).Round(time.Second))
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
