package main

import (
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
			return c.withDestination(cmd, true, func(cfg *config.Config, dst destination.Store) error {
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
			return c.withDestination(cmd, false, func(cfg *config.Config, dst destination.Store) error {
				if err := dst.Reset(cmd.Context(), syncName(cfg)); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.stdout, "%s: the position is forgotten; the next sync starts a new snapshot\n", cfg.Destination)
				return err
			})
		},
	}
	for _, sub := range []*cobra.Command{show, reset} {
		c.addConfigFlags(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

// withDestination runs f with the destination that the configuration names; the
// server need not be known.
func (c *cli) withDestination(cmd *cobra.Command, readOnly bool, f func(*config.Config, destination.Store) error) (err error) {
	cfg, err := c.load(config.LoadWithoutServer)
	if err != nil {
		return err
	}
	var dst destination.Store
	if readOnly {
		dst, err = lookIntoDestination(cmd.Context(), cfg)
	} else {
		dst, err = openDestination(cmd.Context(), cfg, nil)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	return f(cfg, dst)
}
