package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A kind is a sort of value: how it is read, said and printed.
type kind[T any] struct {
	allowed string                // what may be written, after "write "
	schema  map[string]any        // JSON Schema of it, besides text with a variable in it
	parse   func(node) (T, error) // errNotAllowed where allowed says enough
	show    func(T) any           // as JSON and YAML write it; nil: as it is
	secret  bool
}

// errNotAllowed says that a value is not what its kind allows.
var errNotAllowed = errors.New("not allowed")

// A binding ties a kind to the field of a C that takes its values.
type binding[C any] interface {
	load(c *C, n node) error // the error is a clause for the user, or within
	print(c *C) any
	jsonSchema() map[string]any
	describe() string // what may be written
}

type bound[C, T any] struct {
	kind[T]
	field func(*C) *T
}

func bind[C, T any](k kind[T], field func(*C) *T) binding[C] { return bound[C, T]{k, field} }

func (b bound[C, T]) load(c *C, n node) error {
	v, err := b.parse(n)
	switch {
	case errors.Is(err, errNotAllowed) && b.secret:
		return fmt.Errorf("holds %s: write %s", holdsSecret(n), b.allowed)
	case errors.Is(err, errNotAllowed):
		return fmt.Errorf("holds %s: write %s", holds(n), b.allowed)
	case err != nil:
		return err
	}
	*b.field(c) = v
	return nil
}

func (b bound[C, T]) print(c *C) any {
	if v := *b.field(c); b.show != nil {
		return b.show(v)
	} else {
		return v
	}
}

func (b bound[C, T]) jsonSchema() map[string]any { return b.schema }
func (b bound[C, T]) describe() string           { return b.allowed }

// textOf returns the text of a scalar; numbers count as what is written.
func textOf(n node) (string, error) {
	if n.shape != text && n.shape != number || strings.ContainsRune(n.text, 0) {
		return "", errNotAllowed
	}
	return n.text, nil
}

var plain = kind[string]{
	allowed: "text (true, false and the like in quotes)",
	schema:  map[string]any{"type": []string{"string", "number"}},
	parse:   textOf,
}

var secret = kind[Secret]{
	allowed: plain.allowed,
	schema:  plain.schema,
	secret:  true,
	parse: func(n node) (Secret, error) {
		s, err := textOf(n)
		return NewSecret(s), err
	},
	show: func(s Secret) any { return s.String() },
}

func whole(least, most int) kind[int] {
	return kind[int]{
		allowed: fmt.Sprintf("a whole number from %d to %d", least, most),
		schema:  map[string]any{"type": []string{"integer", "string"}, "minimum": least, "maximum": most},
		parse: func(n node) (int, error) {
			return wholeOf(n, least, most)
		},
	}
}

func wholeOf(n node, least, most int) (int, error) {
	s, err := textOf(n)
	if err != nil {
		return 0, err
	}
	v, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || v < least || v > most {
		return 0, errNotAllowed
	}
	return v, nil
}

var truth = kind[bool]{
	allowed: "true or false",
	schema:  map[string]any{"type": []string{"boolean", "string"}},
	parse: func(n node) (bool, error) {
		if n.shape == text || n.shape == boolean {
			switch strings.ToLower(n.text) {
			case "true":
				return true, nil
			case "false":
				return false, nil
			}
		}
		return false, errNotAllowed
	},
}

func oneOf(names ...string) kind[string] {
	return kind[string]{
		allowed: alternatives(names),
		schema:  anyOf(map[string]any{"enum": names}),
		parse: func(n node) (string, error) {
			if n.shape != text || !slices.Contains(names, n.text) {
				return "", errNotAllowed
			}
			return n.text, nil
		},
	}
}

// anyOf is the schema of what either schema allows, or text with a variable in it.
func anyOf(schemas ...map[string]any) map[string]any {
	return map[string]any{"anyOf": append(schemas, map[string]any{"type": "string", "pattern": `\$\{`})}
}

// alternatives joins names as a sentence does: "a, b or c".
func alternatives(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

var modes = oneOf("auto", "scan", "replica", "rdb")

// input is the path of a file, or - for standard input. Whether it is there is
// seen when it is read.
var input = kind[string]{
	allowed: "the path of a file, or - for standard input",
	schema:  map[string]any{"type": "string"},
	parse:   textOf,
}

// pemFile is the path of a file that is there.
var pemFile = kind[string]{
	allowed: "the path of a PEM file",
	schema:  map[string]any{"type": "string"},
	parse: func(n node) (string, error) {
		path, err := textOf(n)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return "", fmt.Errorf("holds %s: %w; write the path of a PEM file", holds(n), cause(err))
		case !info.Mode().IsRegular():
			return "", fmt.Errorf("holds %s, which is not a file: write the path of a PEM file", holds(n))
		}
		return path, nil
	},
}

var sizeUnits = map[string]float64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

func size(least, most int64) kind[int64] {
	return kind[int64]{
		allowed: fmt.Sprintf("a number of bytes or a size such as 16MiB or 100MB, from %s to %s", sizeText(least), sizeText(most)),
		schema:  map[string]any{"type": []string{"integer", "string"}, "minimum": least, "maximum": most},
		parse: func(n node) (int64, error) {
			s, err := textOf(n)
			if err != nil {
				return 0, err
			}
			digits := strings.TrimRight(s, "abgikmtABGIKMT ")
			factor, ok := sizeUnits[strings.ToLower(strings.TrimSpace(s[len(digits):]))]
			v, err := decimal(digits)
			if v *= factor; err != nil || !ok || v != float64(int64(v)) || v < float64(least) || v > float64(most) {
				return 0, errNotAllowed
			}
			return int64(v), nil
		},
		show: func(v int64) any { return sizeText(v) },
	}
}

// sizeText writes v in the largest unit that needs no fraction.
func sizeText(v int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if v >= u.bytes && v%u.bytes == 0 {
			return strconv.FormatInt(v/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(v, 10)
}

// decimal parses digits with at most one point: no sign, exponent or name.
func decimal(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "0123456789.") != "" {
		return 0, errNotAllowed
	}
	return strconv.ParseFloat(s, 64)
}

// share is a part of a whole, written in percent.
var share = kind[float64]{
	allowed: "a percentage from 0% to 100%",
	schema:  anyOf(map[string]any{"type": "string", "pattern": `^[0-9.]+ ?%$`}),
	parse: func(n node) (float64, error) {
		s, err := textOf(n)
		if err != nil {
			return 0, err
		}
		digits, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
		v, err := decimal(digits)
		if err != nil || !ok || v > 100 {
			return 0, errNotAllowed
		}
		return v / 100, nil
	},
	show: func(v float64) any { return strconv.FormatFloat(100*v, 'f', -1, 64) + "%" },
}

func duration(least, most time.Duration) kind[time.Duration] {
	example := "30s or 5m"
	if most < 5*time.Minute {
		example = "5ms or 1s"
	}
	return kind[time.Duration]{
		allowed: fmt.Sprintf("a duration such as %s, or seconds, from %s to %s", example, durationText(least), durationText(most)),
		schema:  map[string]any{"type": []string{"number", "string"}, "minimum": least.Seconds(), "maximum": most.Seconds()},
		parse: func(n node) (time.Duration, error) {
			s, err := textOf(n)
			if err != nil {
				return 0, err
			}
			d, err := time.ParseDuration(strings.TrimSpace(s))
			if seconds, wrong := decimal(s); wrong == nil && seconds <= most.Seconds() {
				d, err = time.Duration(seconds*float64(time.Second)), nil
			}
			if err != nil || d < least || d > most {
				return 0, errNotAllowed
			}
			return d, nil
		},
		show: func(d time.Duration) any { return durationText(d) },
	}
}

// durationText writes d without units that are zero.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
