// Command server is keylift as a Fivetran source connector, and nothing else: a
// static program without DuckDB, as the platform runs it.
//
//	server --port 50051
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/protocol/fivetran"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/wire"
)

// version is set when the binary is built.
var version = "dev"

// gcPercent makes the collector run twice as often as by default: messages come
// and go by the hundred megabytes, and its work on them is small.
const gcPercent = 50

func main() {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	port := flags.Int("port", fivetran.DefaultPort, "`port` to listen on")
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return
	case err == nil && flags.NArg() > 0:
		fmt.Fprintf(os.Stderr, "server: unknown argument %q; see server --help\n", flags.Arg(0))
		fallthrough
	case err != nil:
		os.Exit(2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log := fivetran.NewLogger(os.Stdout)
	err := serve(ctx, *port, log)
	stop()
	if err != nil {
		log.Error("the connector ends", "error", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, port int, log *slog.Logger) error {
	l, err := fivetran.Listen(ctx, port)
	if err != nil {
		return err
	}
	log.Info("keylift", "version", version)
	return fivetran.Serve(ctx, l, fivetran.Options{Open: open, Logger: log})
}

// open makes the source of a request. Keys are never named in logs.
func open(cfg *config.Config, log *slog.Logger) (source.Source, error) {
	return wire.Source(cfg, log, false)
}
