package wire

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	// maxPrinted is the longest password in bytes.
	maxPrinted = 64 << 10
	// maxSaid is how much of what a failed command says is shown.
	maxSaid = 300
	// killDelay is how long a command that was killed may keep its output open.
	killDelay = 5 * time.Second
)

// printed has the shell run password_command, and returns the line that it prints.
// The error is a sentence in which the command says why it failed; what it printed
// is never in it.
func printed(ctx context.Context, command string, within time.Duration) (string, error) {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(limited, "/bin/sh", "-c", command) //nolint:gosec // it is what the setting is for
	out, said := &firstBytes{limit: maxPrinted + 1}, &firstBytes{limit: maxPrinted}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, said, killDelay
	inGroup(cmd)
	err := cmd.Run()
	text := strings.TrimSuffix(strings.TrimSuffix(string(out.b), "\n"), "\r")
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case limited.Err() != nil:
		return "", fmt.Errorf("password_command took longer than %s%s; see what it waits for, or raise connect_timeout", within, quoted(said, text))
	case err != nil && errors.As(err, new(*exec.ExitError)):
		return "", fmt.Errorf("password_command failed with %w%s; run it by hand to see why", err, quoted(said, text))
	case err != nil:
		return "", fmt.Errorf("password_command could not be run: %w; it takes /bin/sh, and has to end what it starts", err)
	case text == "":
		return "", fmt.Errorf("password_command printed nothing%s; it must print the password on its standard output", quoted(said, text))
	case len(out.b) > maxPrinted:
		return "", fmt.Errorf("password_command printed more than %d bytes; it must print the password alone", maxPrinted)
	case strings.ContainsAny(text, "\n\x00"):
		return "", errors.New("password_command printed more than one line; it must print the password alone")
	}
	return text, nil
}

// quoted is what a command said on its standard error, as a clause, without secret.
func quoted(said *firstBytes, secret string) string {
	text := strings.TrimSpace(string(said.b))
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "******")
	}
	if text == "" {
		return ""
	}
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "..."
	}
	return " and said " + strconv.Quote(text)
}

// firstBytes keeps the first bytes that are written to it.
type firstBytes struct {
	b     []byte
	limit int
}

func (f *firstBytes) Write(p []byte) (int, error) {
	f.b = append(f.b, p[:min(len(p), f.limit-len(f.b))]...)
	return len(p), nil
}
