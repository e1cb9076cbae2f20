package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/keylift/keylift/config"
)

// What files hold now is what to log in with, whatever they held at first.
func TestConfig_Login(t *testing.T) {
	user, password := file(t, "game\n"), file(t, "one\n")
	url := file(t, "redis://game:one@h/1\n")
	for name, tt := range map[string]struct{ doc, path, now, username, password string }{
		"nothing":       {"host: h", user, "other", "", ""},
		"fixed":         {"host: h\nusername: game\npassword: one", user, "other", "game", "one"},
		"username_file": {"host: h\nusername_file: " + user, user, "other\n", "other", ""},
		"password_file": {"host: h\nusername: game\npassword_file: " + password, password, "two\r\n", "game", "two"},
		"url_file":      {"url_file: " + url, url, "redis://other:tw%40@elsewhere:7000", "other", "tw@"},
		"user is gone":  {"url_file: " + url, url, "redis://:two@h", "", "two"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			c := load(t, tt.doc)
			write(t, tt.path, tt.now)
			defer write(t, tt.path, string(before))
			gotUser, gotPassword, err := c.Login()
			if err != nil || gotUser != tt.username || gotPassword.Reveal() != tt.password {
				t.Errorf("%q, %q, %v", gotUser, gotPassword.Reveal(), err)
			}
			if got, want := c.ChangingLogin(), strings.Contains(tt.doc, "_file"); got != want {
				t.Errorf("changing: %t, want %t", got, want)
			}
		})
	}
}

func TestConfig_Login_mistakes(t *testing.T) {
	password, url := file(t, "one\n"), file(t, "redis://:one@h\n")
	for name, tt := range map[string]struct{ doc, path, now, want string }{
		"empty":  {"host: h\npassword_file: " + password, password, "", "the file is empty"},
		"no url": {"url_file: " + url, url, "s3cret", "is of no kind that is known"},
	} {
		t.Run(name, func(t *testing.T) {
			c := load(t, tt.doc)
			write(t, tt.path, tt.now)
			_, _, err := c.Login()
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A command takes the place of a password, and a flag's of the document's.
func TestLoad_passwordCommand(t *testing.T) {
	c := load(t, "host: h\npassword: one\n", config.Override{Key: "password_command", Value: "echo ${two}"})
	if c.PasswordCommand.Reveal() != "echo ${two}" || c.Password.Reveal() != "" {
		t.Errorf("%q, %q", c.PasswordCommand.Reveal(), c.Password.Reveal())
	}
	c = load(t, "host: h\npassword_command: echo two\npassword_refresh: 1h\n", config.Override{Key: "password", Value: "one"})
	if c.PasswordCommand.Reveal() != "" || c.Password.Reveal() != "one" {
		t.Errorf("%q, %q", c.PasswordCommand.Reveal(), c.Password.Reveal())
	}
	c = load(t, "url: redis://game@h\npassword_command: echo $$TOKEN\n")
	if c.PasswordCommand.Reveal() != "echo $TOKEN" || c.Username != "game" {
		t.Errorf("%q, %q", c.PasswordCommand.Reveal(), c.Username)
	}
}
