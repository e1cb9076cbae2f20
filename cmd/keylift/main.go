// Command keylift lifts the keys of a Redis or Valkey server into a data
// warehouse and keeps them there, correct to the last deleted key.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/source"
)

// version is set when the binary is built.
var version = "dev"

// The exit codes, which scripts rely on.
const (
	exitEqual       = 0
	exitFailed      = 1
	exitUsage       = 2
	exitAccess      = 3
	exitSetAside    = 4
	exitInterrupted = 130
)

// gcPercent makes the collector run twice as often as by default: batches come
// and go by the hundred megabytes, and its work on them is small.
const gcPercent = 50

func main() {
	args := keepPrivate()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	code := run(ctx, args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout: stdout, stderr: stderr, checkpointEvery: checkpointEvery}
	return c.execute(ctx, args)
}

// execute is run by a cli that is made already.
func (c *cli) execute(ctx context.Context, args []string) int {
	out := &output{Writer: c.stdout}
	c.stdout = out
	root := newRoot(c)
	root.SetArgs(args)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, engine.ErrInterrupted) {
		err = errInterrupted // whatever it was that the interruption made fail
	}
	if out.err != nil && (err == nil || errors.Is(err, out.err)) {
		err = fmt.Errorf("print what was found: %w; send standard output to where there is room", out.err)
	}
	code := exitCode(err)
	if err != nil {
		c.printError(err, code)
	}
	return code
}

// An output is written to by whoever need not look for errors: the first one is kept.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// printError says why a command failed, a line for each thing that is wrong.
func (c *cli) printError(err error, code int) {
	if c.logFormat == "json" {
		slog.New(slog.NewJSONHandler(c.stderr, nil)).Error("keylift failed", "error", err.Error(), "exit_code", code)
		return
	}
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintf(c.stderr, "keylift: %s\n", visible(strings.TrimSuffix(line, "\n")))
	}
}

// errSetAside ends a command that did all it could and left keys out.
var errSetAside = errors.New("some keys could not be read and were set aside; their rows are as they were; see in the log why, and grant what is missing or leave such keys out")

// errUnread is errSetAside where no rows are kept.
var errUnread = errors.New("some keys could not be read; see in the log why, and grant what is missing or leave such keys out")

// errInterrupted ends a command other than a sync that was interrupted.
var errInterrupted = errors.New("interrupted")

func exitCode(err error) int {
	var (
		usage  usageError
		wrong  *config.Error
		access *source.AccessError
	)
	switch {
	case err == nil:
		return exitEqual
	case errors.Is(err, engine.ErrInterrupted), errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &access):
		return exitAccess
	case errors.Is(err, errSetAside), errors.Is(err, errUnread):
		return exitSetAside
	}
	return exitFailed
}

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "keylift",
		Short: "Lift every key of a Redis or Valkey server into a data warehouse",
		Long: `keylift reads every key of a Redis or Valkey server and keeps a table of them in a
data warehouse, correct to the last deleted key: resumable, exact, in bounded memory.

Exit codes: 0 equal, 1 failed, 2 usage or configuration, 3 cannot connect or not
permitted, 4 done with keys set aside, 130 interrupted (the next run resumes).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newSync(c), newCheck(c), newDiscover(c), newPreview(c), newStatus(c), newVerify(c),
		newState(c), newConfig(c), newServe(c), newFivetran(c), newDemo(c), newVersion(c),
	)
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"})
	completion.Args = noArgs
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, shell := range completion.Commands() {
		shell.Args = noArgs
	}
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = func(_ *cobra.Command, args []string) error {
		found, rest, _ := root.Find(args)
		return noArgs(found, rest)
	}
	return root
}
