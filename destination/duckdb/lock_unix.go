//go:build unix

package duckdb

import (
	"os"
	"syscall"
)

// lock takes the lock that DuckDB takes on a file. It is given up when f, or any
// other descriptor of the file, is closed.
func lock(f *os.File) error {
	return syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK})
}
