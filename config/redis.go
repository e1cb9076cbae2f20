package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What is particular to Redis and to the warehouse: hosts, databases, patterns,
// types, names and destinations.

var host = kind[string]{
	allowed: "a host name or an IP address alone (the port goes in port, a whole address in url)",
	schema:  map[string]any{"type": "string"},
	parse: func(n node) (string, error) {
		s, err := textOf(n)
		if err != nil {
			return "", err
		}
		s = strings.TrimSpace(s)
		if inner, ok := strings.CutPrefix(s, "["); ok {
			s = strings.TrimSuffix(inner, "]")
		}
		if _, err := netip.ParseAddr(s); err != nil && (s == "" || strings.ContainsFunc(s, notInHost)) {
			return "", errNotAllowed
		}
		return s, nil
	},
}

func notInHost(r rune) bool {
	return r <= ' ' || strings.ContainsRune(`/\@:<>[]"'?#%`, r)
}

var databases = kind[Databases]{
	allowed: "a database number, a list of them such as [0, 3], or all",
	schema: anyOf(
		map[string]any{"type": "integer", "minimum": 0},
		map[string]any{"type": "array", "items": map[string]any{"type": []string{"integer", "string"}}, "minItems": 1, "uniqueItems": true},
		map[string]any{"type": "string", "pattern": `^(all|\[?\s*[0-9]+\s*(,\s*[0-9]+\s*)*\]?)$`},
	),
	parse: func(n node) (Databases, error) {
		if n.shape == text && n.text == "all" {
			return Databases{All: true}, nil
		}
		items, err := listOf(n, true)
		if err != nil {
			return Databases{}, err
		}
		var numbers []int
		for _, item := range items {
			d, err := wholeOf(item, 0, math.MaxInt32)
			if err != nil {
				return Databases{}, errNotAllowed
			}
			if slices.Contains(numbers, d) {
				return Databases{}, fmt.Errorf("names database %d twice: keep one", d)
			}
			numbers = append(numbers, d)
		}
		return Databases{Numbers: numbers}, nil
	},
	show: func(d Databases) any {
		switch {
		case d.All:
			return "all"
		case len(d.Numbers) == 1:
			return d.Numbers[0]
		}
		return d.Numbers
	},
}

// listOf returns the items of a list; a scalar is a list of one, or, where commas
// is set, of what commas separate, in brackets or without.
func listOf(n node, commas bool) ([]node, error) {
	switch {
	case n.shape == list && len(n.items) > 0:
		return n.items, nil
	case n.shape == text && commas:
		var items []node
		all := n.text
		if inner, ok := strings.CutPrefix(all, "["); ok && strings.HasSuffix(inner, "]") {
			all = strings.TrimSuffix(inner, "]")
		}
		for s := range strings.SplitSeq(all, ",") {
			items = append(items, node{shape: text, text: strings.TrimSpace(s)})
		}
		return items, nil
	case n.shape == text || n.shape == number:
		return []node{n}, nil
	}
	return nil, errNotAllowed
}

// words is a list of texts of which each is valid.
func words(allowed string, commas bool, valid func(string) bool) kind[[]string] {
	return kind[[]string]{
		allowed: allowed,
		schema: map[string]any{
			"type":  []string{"string", "number", "array"},
			"items": map[string]any{"type": []string{"string", "number"}}, "minItems": 1, "uniqueItems": true,
		},
		parse: func(n node) ([]string, error) {
			items, err := listOf(n, commas)
			if err != nil {
				return nil, err
			}
			var all []string
			for _, item := range items {
				s, err := textOf(item)
				switch {
				case err != nil || !valid(s):
					return nil, fmt.Errorf("holds %s: write %s", holds(item), allowed)
				case slices.Contains(all, s):
					return nil, fmt.Errorf("holds %s twice: keep one", holds(item))
				}
				all = append(all, s)
			}
			return all, nil
		},
		show: func(all []string) any {
			switch len(all) {
			case 0:
				return ""
			case 1:
				return all[0]
			}
			return all
		},
	}
}

var patterns = words(`a pattern such as "player:*", or a list of them`, false, func(s string) bool { return s != "" })

var addresses = words("an address such as redis-2:6379, or a list of them", true, func(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, errPort := strconv.Atoi(port)
	return err == nil && host != "" && !strings.ContainsFunc(host, func(r rune) bool { return r != ':' && notInHost(r) }) && errPort == nil && n > 0 && n < 1<<16
})

var typeNames = []string{"string", "hash", "list", "set", "zset", "stream", "json", "timeseries", "vectorset"}

var types = words("one or more of "+strings.Join(typeNames, ", "), true, func(s string) bool { return slices.Contains(typeNames, s) })

// name is the name of a table or a schema.
var name = kind[string]{
	allowed: "a name of at most 63 bytes without quotes or control characters, that does not begin with _keylift",
	schema:  map[string]any{"type": []string{"string", "number"}, "maxLength": 63},
	parse: func(n node) (string, error) {
		s, err := textOf(n)
		switch {
		case err != nil:
			return "", err
		case strings.TrimSpace(s) == "" || len(s) > 63 || strings.HasPrefix(strings.ToLower(s), "_keylift"):
			return "", errNotAllowed
		case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\'' }):
			return "", errNotAllowed
		}
		return s, nil
	},
}

var destination = kind[Destination]{
	allowed: "duckdb:PATH, a path that ends in .db or .duckdb, or memory:",
	schema:  map[string]any{"type": "string"},
	parse: func(n node) (Destination, error) {
		s, err := textOf(n)
		if err != nil {
			return Destination{}, err
		}
		if s == "memory:" {
			return Destination{Kind: "memory"}, nil
		}
		path, prefixed := strings.CutPrefix(s, "duckdb:")
		colon := strings.IndexByte(path, ':') // of another kind of destination, unless it follows a drive's letter
		named := prefixed && path != "" || strings.HasSuffix(path, ".db") || strings.HasSuffix(path, ".duckdb")
		if !named || strings.HasPrefix(path, "//") || colon >= 0 && colon != 1 {
			return Destination{}, errNotAllowed
		}
		return Destination{Kind: "duckdb", Path: path}, nil
	},
	show: func(d Destination) any { return d.String() },
}
