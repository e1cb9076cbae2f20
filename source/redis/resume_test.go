package redis

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/redis/rueidis"
)

// fillStrings sets n keys, s:0 and so on.
func fillStrings(tb testing.TB, c rueidis.Client, n int) {
	tb.Helper()
	var commands [][]string
	for i := range n {
		commands = append(commands, []string{"SET", "s:" + strconv.Itoa(i), "v" + strconv.Itoa(i)})
	}
	fill(tb, c, commands...)
}

func TestReader_Next_resumed(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 12_345)
	fillStrings(t, clientOf(t, s, inDatabase(3)), 2_500)
	src := sourceOf(t, s, func(o *Options) { o.Databases = []int{3, 0} })
	whole := reading{rows: map[string]aRow{}}
	var names []string // in the order of the reading
	var places []int   // how many of them are before each place
	r := openReader(t, src, row.Position{})
	for whole.last == nil || whole.last.Closes != row.Snapshot {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string]aRow{}
		rowsOf(t, b, rows)
		maps.Copy(whole.rows, rows)
		names = append(names, keysOf(rows)...)
		whole.total, whole.last = whole.total+b.Len(), b
		if b.Closes != row.None {
			whole.commits, places = append(whole.commits, b.After), append(places, len(names))
		}
	}
	if len(whole.rows) != 14_845 || whole.total != 14_845 {
		t.Fatalf("%d rows of %d keys, want 14845", whole.total, len(whole.rows))
	}
	if len(whole.commits) < 10 {
		t.Fatalf("only %d places to resume from", len(whole.commits))
	}
	for i, at := range whole.commits {
		if at.Generation != 1 {
			t.Fatalf("position %d is of generation %d", i, at.Generation)
		}
		after := readAll(t, src, at)
		last := after.commits[len(after.commits)-1]
		if i == len(whole.commits)-1 {
			if last.Generation != 2 || len(after.rows) != len(whole.rows) {
				t.Errorf("behind the end: generation %d, %d keys", last.Generation, len(after.rows))
			}
			continue
		}
		if last.Generation != 1 {
			t.Errorf("resumed at %d: generation %d", i, last.Generation)
		}
		if after.total+places[i] != 14_845 {
			t.Errorf("resumed at %d: %d rows before and %d after", i, places[i], after.total)
		}
		for _, name := range names[:places[i]] {
			after.rows[name] = whole.rows[name]
		}
		sameRows(t, after.rows, whole.rows, 0)
	}
}

func TestSource_Open_lost(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 5000)
	at := readAll(t, sourceOf(t, s), row.Position{}).commits[0]
	lost := func(why string, at row.Position, change ...func(*Options)) {
		t.Helper()
		_, err := sourceOf(t, s, change...).Open(t.Context(), at)
		var e *source.PositionLostError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want a lost position", why, err)
			return
		}
		if !strings.Contains(e.Reason, why) {
			t.Errorf("%q, want %q", e.Reason, why)
		}
	}
	lost("settings of what is read", at, func(o *Options) { o.Patterns = []string{"s:1*"} })
	lost("settings of what is read", at, func(o *Options) { o.Exclude = []string{"s:1*"} })
	lost("settings of what is read", at, func(o *Options) { o.Types = []string{"hash"} })
	lost("settings of what is read", at, func(o *Options) { o.Databases = []int{1} })
	lost("settings of what is read", at, func(o *Options) { o.Table = "other" })
	lost("another version", row.Position{Generation: 1, Token: `{"v":2}`})
	lost("another version", row.Position{Generation: 1, Token: `7`})
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost("restarted", at)

	// Behind a complete snapshot there is nothing to lose.
	done := at
	done.Token = strings.Replace(at.Token, "}", `,"done":true}`, 1)
	if got := readAll(t, sourceOf(t, s), done); got.commits[0].Generation != 2 {
		t.Errorf("behind a snapshot: generation %d", got.commits[0].Generation)
	}
	// Nor where the place is not known any more.
	if got := readAll(t, sourceOf(t, s), row.Position{Generation: 7}); got.commits[0].Generation != 8 {
		t.Errorf("behind generation 7: generation %d", got.commits[0].Generation)
	}
}

// Without a run id, a cursor cannot be trusted in another connection.
func TestSource_Open_unknownProcess(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{ACL: []string{"default on nopass ~* &* +@all -info"}})
	c := clientOf(t, s)
	fillStrings(t, c, 3000)
	src := sourceOf(t, s)
	got := readAll(t, src, row.Position{})
	if len(got.rows) != 3000 {
		t.Errorf("%d keys", len(got.rows))
	}
	var e *source.PositionLostError
	if _, err := src.Open(t.Context(), got.commits[0]); !errors.As(err, &e) {
		t.Errorf("%v, want a lost position", err)
	}
}
