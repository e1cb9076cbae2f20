package config

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Print writes the effective configuration as YAML, each setting with where its
// value comes from. Secrets are masked; a url appears as the settings that it
// stands for. Apart from the masks, it can be loaded again.
func (c *Config) Print(w io.Writer) error {
	var out bytes.Buffer
	for i := range settings {
		s := &settings[i]
		if s.value == nil || c.isOtherAddress(s.Key) {
			continue
		}
		value, err := literal(c.printed(s))
		if err != nil {
			return fmt.Errorf("print %s: %w", s.Key, err)
		}
		from := c.origins[s.Key]
		if from == "" {
			from = "default"
		}
		// A $$ is a dollar sign in a document.
		text := strings.ReplaceAll(string(value), "$", "$$")
		fmt.Fprintf(&out, "%-42s # %s\n", s.Key+": "+text, from)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// isOtherAddress reports whether key belongs to the way of naming the server that
// c does not use.
func (c *Config) isOtherAddress(key string) bool {
	switch key {
	case "url":
		return c.Socket == ""
	case "host", "port", "ssl":
		return c.Socket != ""
	}
	return false
}

func (c *Config) printed(s *setting) any {
	if s.Key == "url" {
		return (&url.URL{Scheme: "unix", Path: c.Socket}).String()
	}
	return s.value.print(c)
}
