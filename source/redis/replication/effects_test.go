package replication

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
)

const (
	testDatabases = 3
	testFunction  = "#!lua name=keylift\nredis.register_function('keylift_set', " +
		"function(keys, args) return redis.call('SET', keys[1], args[1]) end)"
)

// TestWindow_everyWriteCommand runs every case of every writing command on a real server.
func TestWindow_everyWriteCommand(t *testing.T) {
	server := testserver.Redis(t, testserver.Options{Args: []string{
		"--repl-ping-replica-period", "3600", "--repl-timeout", "7200",
	}})
	host, port, err := net.SplitHostPort(testserver.Redis(t, testserver.Options{}).Address())
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, server)
	c.do("SET", "x", "dumped")
	dump, _ := c.do("DUMP", "x").(string)
	c.do("FUNCTION", "LOAD", testFunction)
	functions, _ := c.do("FUNCTION", "DUMP").(string)
	variables := map[string][]string{
		"$peer": {host, port}, "$dump": {dump}, "$function": {testFunction}, "$functions": {functions},
	}
	run := func(lines string) {
		for line := range strings.SplitSeq(lines, ";") {
			var args []string
			for _, word := range words(line) {
				if value, ok := variables[word]; ok {
					args = append(args, value...)
				} else {
					args = append(args, word)
				}
			}
			if len(args) > 0 {
				c.do(args...)
			}
		}
	}

	s := join(t, server)
	w := NewWindow(s.commands, s.parser.position, 1<<20, nil)
	for _, test := range writeCases {
		t.Run(test.run, func(t *testing.T) {
			name, _, _ := strings.Cut(test.command, "|")
			if s.commands.byName[name] == nil {
				t.Skip("this server has no", name)
			}
			run("FLUSHALL; FUNCTION FLUSH; SELECT 1; " + test.before)
			s.readTo(c.offset(), w.Add)
			w.Drain()
			before, from := keyspaceOf(c, testDatabases), c.offset()

			run("SELECT 1; " + test.run)
			after, to := keyspaceOf(c, testDatabases), c.offset()
			s.readTo(to, w.Add)
			if to == from {
				t.Error("nothing is in the stream")
			}
			if w.Position().Offset != to || !w.Whole() {
				t.Errorf("the window is at %+v, whole %t, want offset %d", w.Position(), w.Whole(), to)
			}
			changes := w.Drain()
			if got := describe(changes, 1); got != test.want {
				t.Errorf("changes are %q, want %q", got, test.want)
			}
			if same := len(before.differences(after)) == 0; same != (test.want == "=") {
				t.Errorf("the case changes nothing: %t", same)
			}
			before.apply(c, changes)
			if left := before.differences(after); len(left) > 0 {
				t.Errorf("keys that changed unnoticed: %q", left)
			}
		})
	}

	t.Run("every command has a case", func(t *testing.T) {
		for _, name := range writing(c.do("COMMAND")) {
			if !slices.ContainsFunc(writeCases, func(w writeCase) bool { return w.command == name }) {
				t.Errorf("%s has no case", name)
			}
		}
	})
}

// writing lists the commands that COMMAND says may be in the stream.
func writing(reply any) (names []string) {
	list, _ := reply.([]any)
	for _, item := range list {
		fields, _ := item.([]any)
		flags := texts(fields[2])
		if name, _ := fields[0].(string); flags["write"] || flags["may_replicate"] {
			names = append(names, name)
		}
		names = append(names, writing(fields[9])...)
	}
	return names
}

// describe writes changes in the notation of writeCase; keys of the database home
// stand without its number.
func describe(c *Changes, home int) string {
	var list []string
	if c.Lost != "" {
		list = append(list, "lost: "+c.Lost)
	}
	if c.Flushed {
		list = append(list, "flushall")
	}
	for _, d := range c.Databases {
		prefix := ""
		if d.Database != home {
			prefix = fmt.Sprintf("%d:", d.Database)
		}
		if d.Flushed {
			list = append(list, prefix+"flush")
		}
		if d.Swapped {
			list = append(list, prefix+"swap")
		}
		for _, k := range d.Keys {
			text := k.Key
			switch {
			case k.Outcome == Gone:
				text = "-" + text
			case k.Outcome == Text && k.ExpiresAt != 0:
				text += "=" + string(k.Value) + "@0"
			case k.Outcome == Text:
				text += "=" + string(k.Value)
			}
			list = append(list, prefix+text)
		}
	}
	if len(list) == 0 {
		return "="
	}
	return strings.Join(list, " ")
}
