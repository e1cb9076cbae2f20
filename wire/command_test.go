package wire

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPrinted(t *testing.T) {
	t.Setenv("TOKEN", "from the environment")
	for command, want := range map[string]string{
		"echo s3cret":                "s3cret",
		`printf 's3cret\r\n'`:        "s3cret",
		`echo "  $TOKEN "`:           "  from the environment ",
		"echo loud >&2; echo quiet":  "quiet",
		"cat":                        "", // there is nothing on standard input
		"printf s3c | sed s/c/cret/": "s3cret",
	} {
		got, err := printed(t.Context(), command, time.Minute)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", command, got, err)
		}
	}
}

// A command that fails says why in one sentence, and not what it printed.
func TestPrinted_failures(t *testing.T) {
	for command, want := range map[string]string{
		"exit 3": "password_command failed with exit status 3; run it by hand to see why",
		"echo s3cret; echo no s3cret here, >&2; echo '\033[31mlogin first' >&2; exit 1": `password_command failed with exit status 1 and said "no ****** here,\n\x1b[31mlogin first"; run it by hand to see why`,
		"kill -9 $$":                  "password_command failed with signal: killed; run it by hand to see why",
		"true":                        "password_command printed nothing; it must print the password on its standard output",
		"echo a; echo s3cret":         "password_command printed more than one line; it must print the password alone",
		"yes s3cret | head -c 100000": "password_command printed more than 65536 bytes; it must print the password alone",
		"echo s3cret | tr s '\\000'":  "password_command printed more than one line; it must print the password alone",
		"echo a >&2; no-such-program": "",
	} {
		got, err := printed(t.Context(), command, time.Minute)
		if got != "" || err == nil {
			t.Errorf("%s: %q, %v", command, got, err)
			continue
		}
		if want != "" && err.Error() != want || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %s\nwant %s", command, err, want)
		}
	}
}

// A command that does not end is ended, with all that it started.
func TestPrinted_endless(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	var text []byte
	for within := time.Second; len(text) == 0; within *= 2 {
		_, err := printed(t.Context(), "(sleep 1000 & echo $! >"+pids+"; wait) & wait", within)
		if err == nil || !strings.HasPrefix(err.Error(), "password_command took longer than "+within.String()) {
			t.Fatal(err)
		}
		text, _ = os.ReadFile(pids) // not there yet on a machine that is busy
	}
	for running(strings.TrimSpace(string(text))) {
		time.Sleep(10 * time.Millisecond)
	}
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	if _, err := printed(interrupted, "sleep 1000", time.Hour); err == nil || err.Error() != "interrupted" {
		t.Errorf("interrupted: %v", err)
	}
}

// running reports whether a process has neither ended nor is about to be waited for.
func running(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
