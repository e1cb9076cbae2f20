package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/keylift/keylift/config"
)

// keepPrivate lets only the user read the files that the process makes, among them
// DuckDB's, and takes secrets out of its command line, which everybody may read. It
// returns the arguments as they were.
func keepPrivate() []string {
	syscall.Umask(0o077)
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = strings.Clone(arg)
	}
	secret := false // the value of a flag comes next
	for i, arg := range args {
		flag, _, given := strings.Cut(arg, "=")
		hides := slices.ContainsFunc(config.Settings(), func(s config.Setting) bool { return s.Secret && s.Flag() == flag })
		// The kernel shows the memory that the strings of os.Args point to.
		shown := unsafe.Slice(unsafe.StringData(os.Args[i]), len(os.Args[i])) //nolint:gosec // it is the process's own, and may be written
		switch {
		case secret:
			hide(shown)
		case hides && given:
			hide(shown[len(flag)+1:])
		}
		secret = !secret && hides && !given
	}
	os.Args = args
	return args
}

func hide(b []byte) {
	for i := range b {
		b[i] = '*'
	}
}
