package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A usageError is a command line that cannot be understood.
type usageError struct{ error }

func wrongUsage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// redisCLI are the flags of redis-cli that have another name here.
var redisCLI = map[string]string{"a": "password", "n": "database", "p": "port", "u": "url"}

// flagError says what is wrong with a flag. What stands behind a flag that is not known
// is not quoted: it may be a secret.
func flagError(cmd *cobra.Command, err error) error {
	see := "see " + cmd.CommandPath() + " --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() == "" {
			if near := nearestFlag(cmd, name); near != "" {
				see = "did you mean --" + near + "?"
			}
			return wrongUsage("unknown flag --%s; %s", name, see)
		}
		if long := redisCLI[name]; cmd.Flags().Lookup(long) != nil {
			see = "did you mean --" + long + "?"
		}
		return wrongUsage("unknown flag -%s; %s", name, see)
	}
	if lacking, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return wrongUsage("--%s has no value; write it behind the flag", lacking.GetFlag().Name)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return wrongUsage("--%s holds %q: write %s", wrong.GetFlag().Name, wrong.GetValue(), allowed(wrong.GetFlag()))
	}
	return wrongUsage("a flag is two dashes and its name; %s", see)
}

// nearestFlag returns the flag of cmd that a mistyped one most likely means, or "".
func nearestFlag(cmd *cobra.Command, typed string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return nearest(typed, names)
}

// allowed is what may be written as the value of a flag that is no setting.
func allowed(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "uint64":
		return "a whole number from 0 on"
	}
	return "a whole number"
}

// atLeast refuses the value of a flag that is too small.
func atLeast(least int, flag string, value int) error {
	if value < least {
		return wrongUsage("%s is %d; use %d or more", flag, value, least)
	}
	return nil
}

// checkPort refuses the value of a flag that is no port; 0 lets the system choose one.
func checkPort(flag string, port int) error {
	if port < 0 || port > 65535 {
		return wrongUsage("%s is %d; use a number from 1 to 65535", flag, port)
	}
	return nil
}

// noArgs refuses arguments, naming the first, unless that may hold a password.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what, first := "argument", args[0]
	if cmd.HasSubCommands() {
		what = "command"
	}
	see := "see " + cmd.CommandPath() + " --help"
	if strings.ContainsRune(first, '@') || strings.Contains(first, "://") {
		if cmd.Flags().Lookup("url") != nil {
			see = "write the server's address behind --url"
		}
		return wrongUsage("an address is no %s; %s", what, see)
	}
	switch extension := filepath.Ext(first); {
	case cmd.HasSubCommands():
		var names []string
		for _, sub := range cmd.Commands() {
			names = append(names, sub.Name())
		}
		if near := nearest(first, names); near != "" {
			see = "did you mean " + near + "?"
		}
	case first == "true" || first == "false":
		see = "write such a value behind its flag with =, as in --follow=" + first
	case cmd.Flags().Lookup("config") != nil && (extension == ".yaml" || extension == ".yml" || extension == ".json"):
		see = "name a configuration by --config"
	}
	return wrongUsage("unknown %s %q; %s", what, first, see)
}

// nearest returns the name that a mistyped one most likely means, or "". Cobra
// tells that for names of commands.
func nearest(typed string, names []string) string {
	all := &cobra.Command{SuggestionsMinimumDistance: min(2, len(typed)/2)}
	for _, name := range names {
		all.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	if near := all.SuggestionsFor(typed); len(near) > 0 {
		return near[0]
	}
	return ""
}
