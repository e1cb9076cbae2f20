package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
)

// expand returns n with each ${NAME} and ${NAME:-default} in its text replaced by
// the environment variable and each $$ by a dollar sign. The error is a clause.
func expand(n node) (node, error) {
	var err error
	if n.shape == text {
		n.text, err = expandText(n.text)
		return n, err
	}
	items := make([]node, len(n.items))
	for i := range n.items {
		if items[i], err = expand(n.items[i]); err != nil {
			return n, err
		}
	}
	n.items = items
	fields := slices.Clone(n.fields)
	for i := range fields {
		if fields[i].value, err = expand(fields[i].value); err != nil {
			return n, err
		}
	}
	n.fields = fields
	return n, nil
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}`)

func expandText(s string) (string, error) {
	var b strings.Builder
	for {
		before, _, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		s = s[len(before):]
		switch {
		case strings.HasPrefix(s, "$$"):
			b.WriteByte('$')
			s = s[2:]
		case strings.HasPrefix(s, "${"):
			m := variable.FindStringSubmatch(s)
			if m == nil {
				return "", errors.New("holds a ${ that is no variable: write ${NAME}, ${NAME:-default}, or $${ for the text itself")
			}
			value, set := os.LookupEnv(m[1])
			switch {
			case m[2] != "" && value == "":
				value = m[3]
			case !set:
				return "", fmt.Errorf("needs the environment variable %s, which is not set: set it, or write ${%s:-default}", m[1], m[1])
			}
			b.WriteString(value)
			s = s[len(m[0]):]
		default:
			b.WriteByte('$')
			s = s[1:]
		}
	}
}

const maxSecretFile = 64 << 10 // bytes

// readSecret returns the text of the file at path, without a newline at its end.
// The error is a clause.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w; name a file that is there and may be read", cause(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("%w; name a file that is there and may be read", cause(err))
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case s == "":
		return "", errors.New("the file is empty; write the text into it, or name another")
	case len(b) > maxSecretFile:
		return "", fmt.Errorf("the file is larger than %d bytes; name a file that holds the text alone", maxSecretFile)
	}
	return s, nil
}

// cause returns what happened to a file without its path.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
