package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
)

func newState(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Show or forget the position of the sync",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the last committed position as JSON",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withDestination(cmd, func(cfg *config.Config, dst destination.Store) error {
				st, err := dst.Status(cmd.Context(), syncName(cfg))
				if err != nil {
					return err
				}
				shown := struct {
					Sync       string          `json:"sync"`
					Generation int64           `json:"generation"`
					Published  bool            `json:"published"`
					Position   json.RawMessage `json:"position"`
				}{syncName(cfg), st.Position.Generation, st.Published, json.RawMessage("null")}
				if json.Valid([]byte(st.Position.Token)) {
					shown.Position = json.RawMessage(st.Position.Token)
				}
				e := json.NewEncoder(c.stdout)
				e.SetIndent("", "  ")
				return e.Encode(shown)
			})
		},
	}
	reset := &cobra.Command{
		Use:   "reset",
		Short: "Forget the position and what is staged: the next sync starts a new snapshot",
		Long: `Forget the position of the sync and drop rows that are staged and not published.
Published rows stay; the next sync reads everything and corrects them.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found *config.Config // what there is something to forget of
			err := c.withDestination(cmd, func(cfg *config.Config, dst destination.Store) error {
				st, err := dst.Status(cmd.Context(), syncName(cfg))
				if err != nil {
					return err
				}
				if !st.CheckpointAt.IsZero() {
					found = cfg
					return nil
				}
				_, err = fmt.Fprintf(c.stdout, "%s: nothing has been synced into %s; there is no position to forget\n", cfg.Destination, syncName(cfg))
				return err
			})
			if err != nil || found == nil {
				return err
			}
			return c.reset(cmd.Context(), found)
		},
	}
	for _, sub := range []*cobra.Command{show, reset} {
		c.addConfigFlags(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

// withDestination runs f with the destination that the configuration names, open for
// reading; the server need not be known.
func (c *cli) withDestination(cmd *cobra.Command, f func(*config.Config, destination.Store) error) error {
	cfg, err := c.load(config.LoadWithoutServer)
	if err != nil {
		return err
	}
	dst, err := lookIntoDestination(cmd.Context(), cfg)
	if err != nil {
		return heldError(cfg, err)
	}
	return errors.Join(f(cfg, dst), dst.Close())
}

// reset forgets the position of the sync, if there is one.
func (c *cli) reset(ctx context.Context, cfg *config.Config) (err error) {
	dst, err := openDestination(ctx, cfg, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if err := dst.Reset(ctx, syncName(cfg)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s: the position is forgotten; the next sync starts a new snapshot\n", cfg.Destination)
	return err
}
