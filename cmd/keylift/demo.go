package main

import (
	"context"
	_ "embed"
	"errors"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination/duckdb"
)

// demoSchema is the schema of the demo's tables: beside those of a sync of the
// user's own, in the same file, and apart from them.
const demoSchema = "demo"

// demoTables is the configuration of the demo, and the file that it leaves.
//
//go:embed demo.yaml
var demoTables string

func newDemo(c *cli) *cobra.Command {
	var destination string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Sync a small game world into warehouse.db as it goes on, and report",
		Long: `Start a Redis server of its own, fill it with a small game, sync it into tables of a
DuckDB file, play on and sync again, several times, and show what arrived. The server
is gone afterwards. What stays is the schema demo of the file and, beside the file,
keylift-demo.yaml, the configuration of the tables, and keylift-demo.html, a report.
The next demo replaces all three.`,
		Example: `  keylift demo
  keylift demo --destination game.db`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.logFormat = "text"
			return c.demo(cmd.Context(), destination)
		},
	}
	cmd.Flags().StringVar(&destination, "destination", "warehouse.db", "DuckDB file to write; it is created if there is none")
	return cmd
}

func (c *cli) demo(ctx context.Context, destination string) (err error) {
	server, err := startDemoServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	cfg, err := config.Load([]byte(demoTables),
		config.Override{Key: "host", Value: server.host},
		config.Override{Key: "port", Value: server.port},
		config.Override{Key: "destination", Value: destination},
		config.Override{Key: "destination_schema", Value: demoSchema},
	)
	if err != nil {
		return err
	}
	if cfg.Destination.Kind != "duckdb" {
		return wrongUsage("--destination is %q; the demo shows a DuckDB file: name one", destination)
	}
	if err := duckdb.CheckPlace(cfg.Destination.Path); err != nil {
		return err
	}
	client, err := server.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	d := &demo{
		cli: c, cfg: cfg,
		world: &world{client: client, server: server}, warehouse: demoWarehouse{cfg},
	}
	return d.run(ctx)
}
