package redis

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/selection"
)

func matches(pattern, key string) bool {
	f := selection.Filter{Patterns: []string{pattern}}
	return f.Key(key)
}

// Random patterns match the same keys here as in the server.
func TestFilter_patterns(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(alphabet string, most int) string {
		b := make([]byte, rnd.IntN(most+1))
		for i := range b {
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		return string(b)
	}
	keys := map[string]bool{"": true, "*": true, "a]": true, "[": true, "\\": true, "-": true, "^": true, "\xff": true, "\x80b": true}
	for range 400 {
		keys[random("abc]-^\\*?[\xff\x01", 6)] = true
	}
	for k := range keys {
		send(t, c, "SET", k, "v")
	}
	patterns := []string{"*", "**", "", "?", "[]", "[^]", "[a", "[^a", "[a-", "[a-]", "[c-a]", "\\", "a\\", "[\\]]", "[\\a-c]", "[a\\-c]", "[\xff-a]", "[\x01-\xff]", "*a*b*c*", "[^a-c]*"}
	for range 600 {
		patterns = append(patterns, random("abc*?[]^-\\\xff", 8))
	}
	for _, p := range patterns {
		want, err := send(t, c, "KEYS", p).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(slices.Collect(maps.Keys(keys)), func(k string) bool { return !matches(p, k) })
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("pattern %q matches %q, the server's %q", p, got, want)
		}
	}
	// Many stars take no exponential time.
	if matches(strings.Repeat("a*", 40)+"b", strings.Repeat("a", 200)) {
		t.Error("a pattern that ends in b matches only a")
	}
}

func TestSource_filters(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fill(t, c,
		[]string{"SET", "a:1", "v"}, []string{"SET", "a:2", "v"}, []string{"SET", "b:1", "v"},
		[]string{"HSET", "a:h", "f", "v"}, []string{"RPUSH", "b:l", "v"}, []string{"ZADD", "c:z", "1", "m"}, []string{"SADD", "c:s", "m"},
		[]string{"XADD", "c:x", "1-1", "f", "v"}, []string{"SET", "\xff:1", "v"},
	)
	cases := map[string]struct {
		change func(*Options)
		want   string
	}{
		"one pattern":         {func(o *Options) { o.Patterns = []string{"a:*"} }, "a:1 a:2 a:h"},
		"patterns":            {func(o *Options) { o.Patterns = []string{"a:?", "c:*"} }, "a:1 a:2 a:h c:s c:x c:z"},
		"star among patterns": {func(o *Options) { o.Patterns, o.Exclude = []string{"a:?", "*"}, []string{"[^a]*"} }, "a:1 a:2 a:h"},
		"pattern and exclude": {func(o *Options) { o.Patterns, o.Exclude = []string{"?:1"}, []string{"b*"} }, "a:1 base64:/zox"},
		"exclude":             {func(o *Options) { o.Exclude = []string{"?:[0-9]", "c:*"} }, "a:h b:l"},
		"one type":            {func(o *Options) { o.Types = []string{"hash"} }, "a:h"},
		"types":               {func(o *Options) { o.Types = []string{"zset", "list", "stream"} }, "b:l c:x c:z"},
		"type and pattern":    {func(o *Options) { o.Types, o.Patterns = []string{"string"}, []string{"a*"} }, "a:1 a:2"},
		"type and patterns":   {func(o *Options) { o.Types, o.Patterns = []string{"string"}, []string{"a*", "b*"} }, "a:1 a:2 b:1"},
		"strings and hashes":  {func(o *Options) { o.Types = []string{"string", "hash"} }, "a:1 a:2 a:h b:1 base64:/zox"},
		"nothing":             {func(o *Options) { o.Patterns = []string{"nothing"} }, ""},
	}
	everything := readAll(t, sourceOf(t, s), row.Position{}).last
	all := keysOf(readAll(t, sourceOf(t, s), row.Position{}).rows)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			src := sourceOf(t, s, tc.change)
			for range 2 { // the second time, shapes are known
				got := readAll(t, src, row.Position{})
				if keys := strings.Join(keysOf(got.rows), " "); keys != tc.want {
					t.Errorf("read %q, want %q", keys, tc.want)
				}
				// The scope is just what is read.
				var scope []string
				for i := range everything.Len() {
					if got.last.Scope(everything, i) {
						scope = append(scope, string(everything.TextAt(0, i)))
					}
				}
				slices.Sort(scope)
				if keys := strings.Join(scope, " "); keys != tc.want {
					t.Errorf("scope %q, want %q", keys, tc.want)
				}
			}
		})
	}
	if len(all) != 9 {
		t.Errorf("%d keys without filters", len(all))
	}
}

// Few keys match: there are places to resume from all the same.
func TestReader_Next_sparse(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 60_000)
	send(t, c, "SET", "needle", "v")
	for _, patterns := range [][]string{{"needle"}, {"needle", "pin"}} {
		src := sourceOf(t, s, func(o *Options) { o.Patterns = patterns })
		got := readAll(t, src, row.Position{})
		if got.total != 1 || got.rows["needle"].Value != "v" {
			t.Errorf("read %v", got.rows)
		}
		if len(got.commits) < 2 { // from a server that is far the pages are large
			t.Errorf("%d places to resume from", len(got.commits))
		}
		rest := readAll(t, src, got.commits[len(got.commits)/2])
		if got.total+rest.total > 2 {
			t.Errorf("%d rows, and %d after resuming", got.total, rest.total)
		}
	}
}

func TestSource_databases(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{Databases: 32})
	for _, db := range []int{0, 1, 7, 31} {
		c := clientOf(t, s, inDatabase(db))
		fillStrings(t, c, 1500+db)
		send(t, c, "SET", "same", strings.Repeat("x", db))
		fill(t, c, []string{"HSET", "big", "a", "b"})
	}
	count := func(change func(*Options)) (map[int64]int, reading) {
		got := readAll(t, sourceOf(t, s, change), row.Position{})
		n := map[int64]int{}
		for _, r := range got.rows {
			n[r.Database]++
		}
		return n, got
	}
	if n, _ := count(func(o *Options) { o.Databases = []int{7} }); !maps.Equal(n, map[int64]int{0: 1509}) {
		t.Errorf("database 7 alone: %v", n) // without a column for the database
	}
	if n, got := count(func(o *Options) { o.Databases = []int{31, 1, 2} }); !maps.Equal(n, map[int64]int{1: 1503, 31: 1533}) {
		t.Errorf("databases 1, 2 and 31: %v", n)
	} else if got.rows["31/same"].Size != 31 || got.rows["1/same"].Value != "x" {
		t.Errorf("%v, %v", got.rows["31/same"], got.rows["1/same"])
	}
	n, got := count(func(o *Options) { o.AllDatabases, o.BigKeyBytes = true, 1 })
	if !maps.Equal(n, map[int64]int{0: 1502, 1: 1503, 7: 1509, 31: 1533}) {
		t.Errorf("all databases: %v", n)
	}
	// A database that has lost all its keys is still within the scope.
	before := got.last
	send(t, clientOf(t, s, inDatabase(31)), "FLUSHDB")
	_, got = count(func(o *Options) { o.AllDatabases = true })
	for i := range before.Len() {
		if !got.last.Scope(before, i) {
			t.Fatalf("a row of database %d is out of scope", before.Vectors[0].Ints[i])
		}
	}
	if before.Len() == 0 || before.Vectors[0].Ints[0] != 31 {
		t.Error("the last batch is not of database 31")
	}
	_, got = count(func(o *Options) { o.Databases = []int{0, 1} })
	if got.last.Scope(before, 0) {
		t.Error("a row of database 31 is in the scope of 0 and 1")
	}
	if got.last.Table.Keys != 2 || got.last.Table.Columns[0].Name != "database" {
		t.Errorf("table %+v", got.last.Table)
	}
}

func TestReader_Next_empty(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	for _, change := range []func(*Options){
		func(*Options) {},
		func(o *Options) { o.AllDatabases = true },
		func(o *Options) { o.Databases = []int{3, 4} },
	} {
		src := sourceOf(t, s, change)
		got := readAll(t, src, row.Position{})
		if got.total != 0 || got.last.Closes != row.Snapshot || got.last.Scope == nil {
			t.Errorf("%d rows, closes %v", got.total, got.last.Closes)
		}
		again := readAll(t, src, got.last.After)
		if again.last.After.Generation != 2 {
			t.Errorf("the next is generation %d", again.last.After.Generation)
		}
		r, err := src.Open(context.Background(), row.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil { // unread
			t.Error(err)
		}
	}
}
