package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
)

func newConfig(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration or its JSON schema",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	printCmd := &cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration, secrets masked",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			return cfg.Print(c.stdout)
		},
	}
	c.addConfigFlags(printCmd)
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of a configuration",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(c.stdout, string(config.Schema()))
			return err
		},
	}
	cmd.AddCommand(printCmd, schema)
	return cmd
}
