package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/protocol/fivetran"
	"github.com/keylift/keylift/protocol/fivetran/platform"
)

func newFivetran(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fivetran",
		Short: "Play Fivetran, to try a source connector out",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFivetranRun(c))
	return cmd
}

func newFivetranRun(c *cli) *cobra.Command {
	var (
		o             platform.Options
		configuration string
		port          int
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Set a running connector up and sync once into a DuckDB file",
		Long: `Call a source connector that is listening, keylift's or any other: ask for its form,
run its tests, ask for its schema, and sync once. Records go into a DuckDB file with
Fivetran's semantics: deletes and truncates mark rows _fivetran_deleted. The state is
kept only once the records of its checkpoint are in the file, so that the next run
goes on there; remove the state file to sync from scratch.

Every rule of the protocol is checked. A connector that breaks one makes the command
exit with 1, one sentence a breach.`,
		Example: `  keylift serve --port 50051 &
  keylift fivetran run --configuration configuration.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := checkPort("--port", port); err != nil {
				return err
			}
			if o.Configuration, err = readConfiguration(configuration); err != nil {
				return usageError{err}
			}
			if o.Address == "" {
				o.Address = net.JoinHostPort("localhost", strconv.Itoa(port))
			}
			o.Out = c.stdout
			report, err := platform.Run(cmd.Context(), o)
			c.printPlatformReport(report, o.Warehouse)
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&port, "port", fivetran.DefaultPort, "port of the connector on this machine")
	f.StringVar(&o.Address, "address", "", "address of the connector, host:port, in place of --port")
	f.StringVarP(&configuration, "configuration", "c", "configuration.json", "JSON file of the form's fields; files in it are base64")
	f.StringVar(&o.StateFile, "state", "state.json", "file that keeps the state between syncs")
	f.StringVar(&o.Warehouse, "warehouse", "warehouse.db", "DuckDB file to sync into")
	f.StringArrayVar(&o.Deselect, "deselect", nil, "table, or column as table.column, that is not to be synced; repeatable")
	return cmd
}

// readConfiguration reads a JSON object; its numbers and booleans count as text.
func readConfiguration(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w; name the file by --configuration", err)
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("the configuration in %s is no JSON object: %w; write one such as {\"host\": \"redis.example.com\"}", file, err)
	}
	filled := map[string]string{}
	for name, value := range fields {
		switch value := value.(type) {
		case nil:
		case string, json.Number, bool:
			filled[name] = fmt.Sprint(value)
		default:
			return nil, fmt.Errorf("%s in %s holds a list or an object; write it as text", name, file)
		}
	}
	return filled, nil
}

func (c *cli) printPlatformReport(r *platform.Report, file string) {
	if r.Messages == 0 {
		return
	}
	resumed := ""
	if r.Resumed {
		resumed = ", resumed an unfinished sync"
	}
	_, _ = fmt.Fprintf(c.stdout, "sync: %s upserts, %s updates, %s deletes, %s truncates in %s messages, %s checkpoints, %s warnings%s\n",
		thousands(r.Upserts), thousands(r.Updates), thousands(r.Deletes), thousands(r.Truncates), thousands(r.Messages),
		thousands(r.Checkpoints), thousands(int64(len(r.Warnings))), resumed)
	rows := r.Upserts + r.Updates + r.Deletes
	_, _ = fmt.Fprintf(c.stdout, "%s: %s rows in %.1fs: %s rows/s\n", file, thousands(rows), r.Elapsed.Seconds(), thousands(int64(float64(rows)/r.Elapsed.Seconds())))
}
