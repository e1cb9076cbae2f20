package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/protocol/fivetran"
	"github.com/keylift/keylift/source"
)

func newServe(c *cli) *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve as a Fivetran source connector",
		Long: `Serve the Fivetran Partner SDK's source connector by gRPC, as bin/server does. The
platform calls it, or keylift fivetran run, which plays the platform. Logs go to
standard output, a JSON object a line, as the platform reads them.`,
		Example: `  keylift serve --port 50051`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPort("--port", port); err != nil {
				return err
			}
			l, err := fivetran.Listen(cmd.Context(), port)
			if err != nil {
				return err
			}
			return fivetran.Serve(cmd.Context(), l, fivetran.Options{
				Open: func(cfg *config.Config, log *slog.Logger) (source.Source, error) {
					return c.openSource(cfg, log)
				},
				Logger: fivetran.NewLogger(c.stdout),
			})
		},
	}
	cmd.Flags().IntVar(&port, "port", fivetran.DefaultPort, "port to listen on")
	return cmd
}
