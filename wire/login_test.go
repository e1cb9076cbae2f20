package wire

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/source/redis"
)

func loginOf(t *testing.T, log *strings.Builder, doc ...string) *login {
	t.Helper()
	cfg, err := config.Load([]byte("host: h\n" + strings.Join(doc, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return &login{cfg: cfg, log: slog.New(slog.NewTextHandler(log, nil))}
}

// current asks l for credentials.
func current(t *testing.T, l *login, refused redis.Credentials) redis.Credentials {
	t.Helper()
	c, err := l.credentials(t.Context(), refused)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A command runs again when its password is refused, or has come of age.
func TestLogin_command(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	count := "echo >>" + runs + "; wc -l <" + runs
	l := loginOf(t, &strings.Builder{}, "username: game", "password_command: "+count, "password_refresh: 100h")
	none := redis.Credentials{}
	first := current(t, l, none)
	if first.Username != "game" || first.Password != "1" || !first.Until.After(time.Now().Add(99*time.Hour)) {
		t.Errorf("at first: %+v", first)
	}
	if c := current(t, l, none); c != first {
		t.Errorf("once more: %+v", c)
	}
	second := current(t, l, first)
	if second.Password != "2" {
		t.Errorf("after it was refused: %+v", second)
	}
	if c := current(t, l, first); c != second {
		t.Errorf("another connection for which the first was refused: %+v", c)
	}
	l.last.Until = time.Now()
	if c := current(t, l, none); c.Password != "3" {
		t.Errorf("when it is due: %+v", c)
	}
}

// Files are read for each connection; one that cannot be read holds what it held.
func TestLogin_files(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cret-1\n")
	var log strings.Builder
	l := loginOf(t, &log, "username: game", "password_file: "+path)
	none := redis.Credentials{}
	write("")
	if c := current(t, l, none); c.Username != "game" || c.Password != "s3cret-1" {
		t.Errorf("emptied at once: %+v", c)
	}
	write("s3cret-2\n")
	if c := current(t, l, none); c.Password != "s3cret-2" || c.Until.IsZero() {
		t.Errorf("changed: %+v", c)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if c := current(t, l, none); c.Password != "s3cret-2" {
		t.Errorf("gone: %+v", c)
	}
	if strings.Count(log.String(), "level=WARN") != 2 || strings.Contains(log.String(), "s3cret") {
		t.Error(log.String())
	}
}
