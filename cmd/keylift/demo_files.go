package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files that a demo leaves beside the warehouse.
const (
	demoConfig = "keylift-demo.yaml"
	demoReport = "keylift-demo.html"
)

// demoMade stands in the first line of each.
const demoMade = "Made by keylift demo"

// beside returns the path of a file beside the warehouse.
func (d *demo) beside(name string) string {
	return filepath.Join(filepath.Dir(d.warehouse.path()), name)
}

// clear makes room for the demo's files, unless others have their names, and writes
// the first.
func (d *demo) clear() error {
	for _, name := range []string{demoConfig, demoReport} {
		text, err := os.ReadFile(d.beside(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for the last demo's file: %w", err)
		}
		if line, _, _ := bytes.Cut(text, []byte("\n")); !bytes.Contains(line, []byte(demoMade)) {
			return fmt.Errorf("%s was not made by a demo; move it, or choose a --destination in another folder", d.beside(name))
		}
		if err := os.Remove(d.beside(name)); err != nil {
			return fmt.Errorf("remove the last demo's file: %w", err)
		}
	}
	return d.write(demoConfig, []byte(demoTables))
}

// write writes a file of the demo.
func (d *demo) write(name string, text []byte) error {
	if err := os.WriteFile(d.beside(name), text, 0o644); err != nil { //nolint:gosec // it holds no secret
		return fmt.Errorf("write the demo's file: %w", err)
	}
	return nil
}
