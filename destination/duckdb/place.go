package duckdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Place returns the path of the file that path leads to through symbolic links, which
// need not be there. DuckDB keeps its log beside that.
func Place(path string) string {
	const most = 40 // as the kernel follows
	for range most {
		target, err := os.Readlink(path)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(target) {
			target = filepath.Dir(path) + string(filepath.Separator) + target
		}
		path = target
	}
	return path
}

// CheckPlace reports, as an error, that no file can be at a path.
func CheckPlace(path string) error {
	switch info, err := os.Stat(path); {
	case err != nil:
	case info.IsDir():
		return fmt.Errorf("open %s: it is a folder; name a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("open %s: it is no file; choose another destination", path)
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
