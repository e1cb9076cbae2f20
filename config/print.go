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
		if s.value == nil || c.isIdle(s.Key) {
			continue
		}
		from := c.origins[s.Key]
		if from == "" {
			from = "default"
		}
		value := c.printed(s)
		rows, _ := value.([]ordered)
		if len(rows) > 0 {
			fmt.Fprintf(&out, "%-42s # %s\n", s.Key+":", from)
			if err := printRows(&out, rows); err != nil {
				return fmt.Errorf("print %s: %w", s.Key, err)
			}
			continue
		}
		text, err := escaped(value)
		if err != nil {
			return fmt.Errorf("print %s: %w", s.Key, err)
		}
		fmt.Fprintf(&out, "%-42s # %s\n", s.Key+": "+text, from)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// printRows writes each row as a mapping in a list, a key a line; of a list within
// a row, a mapping a line.
func printRows(out *bytes.Buffer, rows []ordered) error {
	for _, row := range rows {
		mark := "- "
		for _, p := range row {
			inner, ok := p.value.([]ordered)
			if !ok {
				text, err := pairs(ordered{p})
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "  %s%s\n", mark, text)
			} else {
				fmt.Fprintf(out, "  %s%s:\n", mark, p.name)
			}
			for _, one := range inner {
				text, err := pairs(one)
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "      - {%s}\n", text)
			}
			mark = "  "
		}
	}
	return nil
}

// pairs writes the keys and values of row in a line.
func pairs(row ordered) (string, error) {
	all := make([]string, len(row))
	for i, p := range row {
		text, err := escaped(p.value)
		if err != nil {
			return "", err
		}
		all[i] = p.name + ": " + text
	}
	return strings.Join(all, ", "), nil
}

// escaped writes v as JSON, in which $$ is a dollar sign.
func escaped(v any) (string, error) {
	b, err := literal(v)
	return strings.ReplaceAll(string(b), "$", "$$"), err
}

// isIdle reports whether key belongs to a way of naming the server, or of logging in,
// that c does not use.
func (c *Config) isIdle(key string) bool {
	switch key {
	case "password_refresh":
		return !c.ChangingLogin()
	case "url":
		return c.Socket == ""
	case "host", "port":
		return c.Socket != "" || c.Sentinel.Name != ""
	case "ssl":
		return c.Socket != ""
	}
	return strings.HasPrefix(key, "sentinel_") && c.Sentinel.Name == ""
}

func (c *Config) printed(s *setting[Config]) any {
	if s.Key == "url" {
		return (&url.URL{Scheme: "unix", Path: c.Socket}).String()
	}
	return s.value.print(c)
}
