package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/keylift/keylift/config"
)

// cli is what the commands share: where they write, and the flags that most have.
type cli struct {
	stdout, stderr io.Writer
	configFile     string
	logFormat      string
	verbose        bool
	logKeys        bool
	settings       map[string]*settingFlag // by key

	checkpointEvery time.Duration // the least time between two checkpoints of a sync
}

// configFiles are read, the first that is there, where no --config is given.
var configFiles = []string{"keylift.yaml", "keylift.yml", "keylift.json", "configuration.json"}

// addConfigFlags gives cmd the flags for a configuration and for logs.
func (c *cli) addConfigFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&c.configFile, "config", "c", "", "configuration file, - for standard input (default: the first of "+strings.Join(configFiles, ", ")+")")
	f.StringVar(&c.logFormat, "log-format", "text", "format of logs on standard error: text or json")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "log checkpoints too")
	f.BoolVar(&c.logKeys, "log-keys", false, "name keys in logs; without it, a hash stands for a key's name")
	if c.settings == nil {
		c.settings = map[string]*settingFlag{}
	}
	for _, s := range config.Settings() {
		v := c.settings[s.Key]
		if v == nil {
			v = &settingFlag{setting: s}
			c.settings[s.Key] = v
		}
		flag := f.VarPF(v, strings.TrimPrefix(s.Flag(), "--"), "", usage(s))
		if s.Bool {
			flag.NoOptDefVal = "true"
		}
	}
}

// usage is a setting's line in --help: the first sentence of its documentation.
func usage(s config.Setting) string {
	doc, _, _ := strings.Cut(s.Doc, ". ")
	doc = strings.TrimSuffix(strings.ReplaceAll(doc, "`", ""), ".")
	if s.Default != "" {
		doc += " (default " + s.Default + ")"
	}
	return doc
}

// A settingFlag overrides one setting of the configuration.
type settingFlag struct {
	setting config.Setting
	values  []string
}

var _ pflag.Value = (*settingFlag)(nil)

func (f *settingFlag) Set(s string) error {
	if !f.setting.List {
		f.values = nil
	}
	f.values = append(f.values, s)
	return nil
}
func (f *settingFlag) String() string { return "" }
func (f *settingFlag) Type() string {
	if f.setting.Bool {
		return "bool"
	}
	return "value"
}

// config loads the configuration that the flags describe.
func (c *cli) config() (*config.Config, error) { return c.load(config.Load) }

func (c *cli) load(load func([]byte, ...config.Override) (*config.Config, error)) (*config.Config, error) {
	doc, err := c.document()
	if err != nil {
		return nil, usageError{err}
	}
	var overrides []config.Override
	for _, s := range config.Settings() {
		for _, v := range c.settings[s.Key].values {
			overrides = append(overrides, config.Override{Key: s.Key, Value: v})
		}
	}
	return load(doc, overrides...)
}

func (c *cli) document() ([]byte, error) {
	switch c.configFile {
	case "-":
		doc, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("read the configuration from standard input: %w", err)
		}
		return doc, nil
	case "":
		for _, name := range configFiles {
			if doc, err := os.ReadFile(name); err == nil || !os.IsNotExist(err) {
				return doc, unreadable(name, err)
			}
		}
		return nil, nil
	}
	doc, err := os.ReadFile(c.configFile)
	return doc, unreadable(c.configFile, err)
}

// unreadable explains why the configuration cannot be read; nil if err is.
func unreadable(name string, err error) error {
	if err == nil {
		return nil
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("read the configuration %s: %w; name a file that is there and may be read", name, err)
}

// logger returns the logger that the flags describe.
func (c *cli) logger() (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.verbose {
		o.Level = slog.LevelDebug
	}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(c.stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.stderr, o)), nil
	}
	return nil, wrongUsage("--log-format is %q; use text or json", c.logFormat)
}

// newTable returns a table that is printed on standard output.
func (c *cli) newTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetOutputMirror(c.stdout)
	return t
}

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
