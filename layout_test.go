// Package keylift_test holds the repository to its layout: which folder may
// import which, and how long a file may grow.
package keylift_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module   = "github.com/keylift/keylift/"
	maxLines = 600
)

// floors lists the top folders, highest first. A package imports from lower
// floors only; folders on one floor are strangers to each other.
var floors = [][]string{
	{"bench"},
	{"cmd"},
	{"wire"},
	{"protocol"},
	{"engine"},
	{"source", "destination"},
	{"snapshot"},
	{"table"},
	{"rdb"},
	{"value", "selection"},
	{"row", "config"},
}

// contracts are the folders whose children are implementations, known to cmd,
// wire and bench alone.
var contracts = []string{"source", "destination", "protocol"}

func floor(top string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, top) })
}

// top returns the first folder of a package's path.
func top(pkg string) string {
	t, _, _ := strings.Cut(pkg, "/")
	return t
}

// isImplementation reports whether pkg lies below a contract.
func isImplementation(pkg string) bool {
	return slices.Contains(contracts, top(pkg)) && pkg != top(pkg)
}

// room returns the folder of the implementation that pkg is, or is a part of.
func room(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// isSuite reports whether pkg is a contract's conformance suite.
func isSuite(pkg string) bool {
	return isImplementation(pkg) && strings.HasSuffix(pkg, top(pkg)+"test")
}

// fault says what is wrong with a file of package from (a folder; test is true
// for a test file) importing package to, or "".
func fault(from string, test bool, to string) string {
	switch {
	case from == to:
		return "" // a test of the package, from outside
	case floor(top(to)) < 0 && top(to) != "internal":
		return "is not part of the layout: give " + top(to) + " a floor in layout_test.go"
	case top(to) == "cmd" || top(to) == "bench":
		return "is a program: nothing imports it"
	case top(from) == "bench":
		return ""
	case top(to) == "internal":
		if test || isSuite(from) || top(from) == "cmd" || strings.HasPrefix(from, to+"/") {
			return ""
		}
		return "is for tests, the demo and the benchmark only"
	case top(from) == "internal":
		if to == "config" {
			return ""
		}
		return "is the product: what is internal serves its tests and knows nothing of it but config"
	case top(from) == top(to):
		switch {
		case strings.HasPrefix(from, to+"/") || test && strings.HasPrefix(to, from+"/"):
			return "" // a child and its parent
		case isImplementation(from) && room(from) == room(to):
			return "" // parts of one implementation
		case isSuite(to) && test:
			return ""
		}
		return "is a sibling: put what both need into their parent"
	case floor(top(from)) >= floor(top(to)):
		return "is not below it: imports go down the floors only"
	case top(from) == "wire" && top(to) == "destination":
		return "is linked into every program then: cmd alone chooses destinations"
	case isImplementation(to) && !test && top(from) != "cmd" && top(from) != "wire":
		return "is an implementation: import its contract, and let cmd or wire bring the two together"
	}
	return ""
}

func TestLayout(t *testing.T) {
	sources(t, func(file string) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, to := range imports(t, f) {
			from := path.Dir(filepath.ToSlash(file))
			if bad := fault(from, strings.HasSuffix(file, "_test.go"), to); bad != "" {
				t.Errorf("%s imports %s, which %s", file, to, bad)
			}
		}
	})
}

// imports returns the folders of the project that f imports.
func imports(t *testing.T, f *ast.File) []string {
	var folders []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if folder, ok := strings.CutPrefix(p, module); ok {
			folders = append(folders, folder)
		}
	}
	return folders
}

func TestFileLength(t *testing.T) {
	sources(t, func(file string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines && !bytes.Contains(text, []byte("DO NOT EDIT")) {
			t.Errorf("%s has %d lines: split it, %d is the limit", file, n, maxLines)
		}
	})
}

// sources calls visit with the path of every Go file of the module.
func sources(t *testing.T, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(p, ".go"):
			visit(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFault(t *testing.T) {
	const ordinary, test = false, true
	tests := []struct {
		from string
		test bool
		to   string
		bad  bool
	}{
		{"cmd/keylift", ordinary, "destination/duckdb", false},
		{"cmd/keylift", ordinary, "internal/testserver", false},
		{"cmd/keylift", ordinary, "wire", false},
		{"wire", ordinary, "source/redis", false},
		{"protocol/fivetran", ordinary, "protocol/fivetran/sdk", false},
		{"protocol/fivetran/platform", ordinary, "protocol/fivetran/sdk", false},
		{"bench", ordinary, "source/redis", false},
		{"engine", ordinary, "source", false},
		{"engine", ordinary, "row", false},
		{"engine", test, "destination/memory", false},
		{"source/redis", ordinary, "source", false},
		{"source/redis", ordinary, "rdb", false},
		{"source/redis", test, "source/sourcetest", false},
		{"destination/memory", test, "destination/destinationtest", false},
		{"destination/destinationtest", ordinary, "internal/faultproxy", false},
		{"rdb", test, "internal/testserver", false},
		{"internal/testserver", ordinary, "config", false},
		{"row", test, "row", false},

		{"row", ordinary, "config", true},
		{"config", ordinary, "row", true},
		{"value", ordinary, "table", true},
		{"value", test, "table", true},
		{"rdb", ordinary, "source/redis", true},
		{"source", ordinary, "engine", true},
		{"source", ordinary, "source/redis", true},
		{"source", ordinary, "destination", true},
		{"source/redis", ordinary, "source/rdbfile", true},
		{"source/redis", ordinary, "destination", true},
		{"source/redis", ordinary, "source/sourcetest", true},
		{"destination/duckdb", ordinary, "destination/memory", true},
		{"engine", ordinary, "destination/duckdb", true},
		{"engine", ordinary, "internal/testserver", true},
		{"wire", ordinary, "destination/duckdb", true},
		{"wire", ordinary, "cmd/keylift", true},
		{"protocol/fivetran", ordinary, "wire", true},
		{"protocol/fivetran", ordinary, "source/redis", true},
		{"protocol/fivetran", ordinary, "protocol/airbyte", true},
		{"internal/testserver", ordinary, "engine", true},
		{"internal/testserver", test, "internal/faultproxy", false},
		{"engine", test, "cmd/keylift", true},
		{"engine", test, "bench", true},
		{"engine", ordinary, "helpers", true},
	}
	for _, tt := range tests {
		if bad := fault(tt.from, tt.test, tt.to); (bad != "") != tt.bad {
			t.Errorf("%s (test %t) imports %s: got %q, a fault is wanted: %t", tt.from, tt.test, tt.to, bad, tt.bad)
		}
	}
}
