package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/source"
)

func newCheck(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the connection, the permissions and the reading mode",
		Long: `Connect to the server and say what a sync would find: version, permissions, how keys
will be read and why, and about how many there are. Nothing is written anywhere.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withSource(func(_ *config.Config, src source.Source) error {
				report, err := src.Inspect(cmd.Context())
				if err != nil {
					return err
				}
				c.printReport(report)
				return failure(report)
			})
		},
	}
	c.addConfigFlags(cmd)
	return cmd
}

var marks = map[source.Level]string{source.OK: "ok", source.Warn: "warning", source.Fail: "failed"}

func (c *cli) printReport(r *source.Report) {
	for _, n := range r.Nodes {
		what := n.Role
		if n.Version != "" { // a replica that is not read was not asked
			what = n.Version + ", " + n.Role
		}
		_, _ = fmt.Fprintf(c.stdout, "%-8s %s: %s\n", "node", n.Address, what)
	}
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(c.stdout, "%-8s %s: %s\n", marks[f.Level], f.Name, f.Detail)
	}
	if r.Reason != "" { // a mode was chosen
		_, _ = fmt.Fprintf(c.stdout, "%-8s %s: %s\n", "mode", r.Mode, r.Reason)
	}
	keys := "about " + thousands(r.Keys)
	if r.Uncounted {
		keys = "not known before they are read"
	}
	_, _ = fmt.Fprintf(c.stdout, "%-8s %s\n", "keys", keys)
}

// failure returns what keeps a sync from starting, nil if nothing does.
func failure(r *source.Report) error {
	for _, f := range r.Findings {
		if f.Level == source.Fail {
			var node string
			if len(r.Nodes) > 0 {
				node = r.Nodes[0].Address
			}
			return &source.AccessError{Node: node, Err: errors.New(f.Detail)}
		}
	}
	return nil
}
