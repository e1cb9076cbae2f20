package duckdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CheckPlace reports, as an error, that no file can be at a path.
func CheckPlace(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("open %s: it is a folder; name a file in it", path)
	}
	folder := filepath.Dir(path)
	switch info, err := os.Stat(folder); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("open %s: there is no folder %s; make it, or choose another destination", path, folder)
	case err == nil && !info.IsDir():
		return fmt.Errorf("open %s: %s is no folder; choose another destination", path, folder)
	}
	return nil
}
