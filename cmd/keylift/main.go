// Command keylift lifts the keys of a Redis or Valkey server into a data
// warehouse and keeps them there, correct to the last deleted key.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(&cli{stdout: stdout, stderr: stderr})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "keylift: %v\n", err)
	}
	return exitCode(err)
}

// A usageError is a command line that cannot be understood.
type usageError struct{ error }

// errSetAside ends a command that did all it could and left keys out.
var errSetAside = errors.New("some keys could not be read and were set aside; their rows are as they were")

func exitCode(err error) int {
	var (
		usage  usageError
		wrong  *config.Error
		access *source.AccessError
	)
	switch {
	case err == nil:
		return exitEqual
	case errors.Is(err, engine.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &access):
		return exitAccess
	case errors.Is(err, errSetAside):
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
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		newSync(c), newCheck(c), newPreview(c), newStatus(c), newVerify(c),
		newState(c), newConfig(c), newDemo(c), newVersion(c),
	)
	return root
}

// noArgs refuses arguments, naming the first.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown argument %q", args[0])
	if cmd.HasSubCommands() {
		text = fmt.Sprintf("unknown command %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %q?", near[0])
		}
	}
	return usageError{fmt.Errorf("%s; see %s --help", text, cmd.CommandPath())}
}
