package config

import (
	"fmt"
	"io"
)

const mask = "******"

// A Secret is text that is never printed: every way to format or to marshal it
// gives a mask. The zero Secret is empty.
type Secret struct {
	text *string // behind a pointer, so that not even printing a struct around it shows it
}

// NewSecret returns s as a Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns a mask, or "" for the empty secret.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return mask
}

// Format writes what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String())
}

// MarshalText returns what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
