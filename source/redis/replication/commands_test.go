package replication

import "testing"

// tableOf returns a table of commands whose first argument is their key, as a
// server before 7.0 lists them.
func tableOf(tb testing.TB, names ...string) *Commands {
	tb.Helper()
	var reply []any
	for _, name := range names {
		reply = append(reply, []any{name, int64(-2), []any{"write"}, int64(1), int64(1), int64(1)})
	}
	c, err := ParseCommands(reply)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
