package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/keylift/keylift/config"
)

// wrapped hides a secret where fmt may not call its methods.
type wrapped struct{ inside config.Secret }

func TestSecret(t *testing.T) {
	s := config.NewSecret("hunter2")
	if s.Reveal() != "hunter2" {
		t.Errorf("Reveal: got %q", s.Reveal())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s"} {
		if got := fmt.Sprintf(verb, s); got != "******" {
			t.Errorf("%s: got %s", verb, got)
		}
		for _, v := range []any{&s, []config.Secret{s}, wrapped{s}, &wrapped{s}, map[string]config.Secret{"a": s}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") {
				t.Errorf("%s of %T: got %s", verb, v, got)
			}
		}
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `"******"` {
		t.Errorf("Marshal: got %s, %v", got, err)
	}

	var none config.Secret
	if got := fmt.Sprint(none); got != "" || none != config.NewSecret("") || none.Reveal() != "" {
		t.Errorf("the empty secret: got %q", got)
	}
}

// Whatever way the password is given, nothing that shows a configuration shows it.
func TestConfig_secretsAreMasked(t *testing.T) {
	t.Setenv("KEYLIFT_TEST_PASSWORD", "hunter2")
	tests := []struct {
		name, doc string
		overrides []config.Override
	}{
		{"password", "host: h\npassword: hunter2", nil},
		{"variable", "host: h\npassword: ${KEYLIFT_TEST_PASSWORD}", nil},
		{"file", "host: h\npassword_file: " + file(t, "hunter2\n"), nil},
		{"url", "url: redis://game:hunter2@h", nil},
		{"socket", "url: unix://game:hunter2@/s", nil},
		{"url of a variable", "url: redis://game:${KEYLIFT_TEST_PASSWORD}@h", nil},
		{"url file", "url_file: " + file(t, "rediss://:hunter2@h/1\n"), nil},
		{"flag", "host: h", []config.Override{{"password", "hunter2"}}},
		{"url flag", "", []config.Override{{"url", "redis://:hunter2@h"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.doc, tt.overrides...)
			if c.Password.Reveal() != "hunter2" {
				t.Errorf("the password is %q", c.Password.Reveal())
			}
			var out bytes.Buffer
			if err := c.Print(&out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), `password: "******"`) {
				t.Errorf("Print shows no mask:\n%s", &out)
			}
			fmt.Fprintf(&out, "%v %+v %#v %v %+v %#v", c, c, c, *c, *c, *c)
			slog.New(slog.NewTextHandler(&out, nil)).Info("loaded", "config", c, "password", c.Password)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("loaded", "config", c, "password", c.Password)
			if strings.Contains(out.String(), "hunter2") {
				t.Errorf("the password is shown:\n%s", &out)
			}
		})
	}
}
