package redis

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/redis/rueidis"
)

// serverWithTypes starts a server that has the types of testdata/types.c.
func serverWithTypes(t *testing.T, o testserver.Options) *testserver.Server {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		testserver.Missing(t, "cc")
	}
	path := filepath.Join(t.TempDir(), "types.so")
	out, err := exec.CommandContext(t.Context(), "cc", "-O1", "-Wall", "-fPIC", "-shared", "-o", path, "testdata/types.c").CombinedOutput()
	if err != nil {
		t.Fatalf("compile the server's module: %v\n%s", err, out)
	}
	o.Args = append(o.Args, "--loadmodule", path)
	return testserver.Redis(t, o)
}

// typed are keys of modules' types, and fillTyped makes them.
func typed() map[string]aRow {
	long := `{"text":"` + strings.Repeat("x", 20_000) + `"}`
	var samples []string
	for i := range samplesOfChunk + 7 {
		samples = append(samples, "["+strconv.Itoa(1000+i)+","+strconv.Itoa(i)+".5]")
	}
	want := map[string]aRow{
		"doc:1":    {Type: "json", Value: `{"b":[1,2.0],"a":"é"}`, Size: 22, TTL: -1},
		"doc:2":    {Type: "json", Value: `null`, Size: 4, TTL: -1},
		"doc:long": {Type: "json", Value: long, Size: int64(len(long)), TTL: -1},
		"ts:1":     {Type: "timeseries", Value: `[[1,1.5],[2,-2],[3,"nan"],[4,"inf"],[5,0.1]]`, Size: 5, TTL: -1},
		"ts:empty": {Type: "timeseries", Value: `[]`, Size: 0, TTL: -1},
		"ts:long":  {Type: "timeseries", Value: "[" + strings.Join(samples, ",") + "]", Size: samplesOfChunk + 7, TTL: -1},
		"doc:exp":  {Type: "json", Value: `[]`, Size: 2, TTL: 4102444800 - time.Now().Unix(), Expires: 4102444800123},
		"s":        {Type: "string", Value: "v", Size: 1, TTL: -1},
	}
	return want
}

func fillTyped(t *testing.T, c rueidis.Client) {
	t.Helper()
	commands := [][]string{
		{"JSON.SET", "doc:exp", ".", "[]"},
		{"PEXPIREAT", "doc:exp", "4102444800123"},
		{"SET", "s", "v"},
		{"TS.ADD", "ts:empty", "1", "1"},
		{"TS.DEL", "ts:empty", "0", "9"},
	}
	for name, r := range typed() {
		if strings.HasPrefix(name, "doc:") && name != "doc:exp" {
			commands = append(commands, []string{"JSON.SET", name, ".", r.Value})
		}
	}
	for i, v := range []string{"1.5", "-2", "nan", "inf", "0.10000000000000001"} {
		commands = append(commands, []string{"TS.ADD", "ts:1", strconv.Itoa(i + 1), v})
	}
	for i := range samplesOfChunk + 7 {
		commands = append(commands, []string{"TS.ADD", "ts:long", strconv.Itoa(1000 + i), strconv.Itoa(i) + ".5"})
	}
	fill(t, c, commands...)
}

// JSON documents and time series are read by their own commands, in every way of
// reading, the first time and when the shapes of keys are known.
func TestReader_Next_modules(t *testing.T) {
	t.Parallel()
	s := serverWithTypes(t, testserver.Options{ACL: []string{"default on nopass ~* &* +@all", "reader on >pw ~* &* +@all -dump -memory -watch"}})
	fillTyped(t, clientOf(t, s))
	for name, change := range map[string]func(*Options){
		"as is":         func(*Options) {},
		"in chunks":     func(o *Options) { o.BigKeyBytes = 1 },
		"small batches": func(o *Options) { o.BatchSize = 2 },
		"without DUMP":  func(o *Options) { o.Username, o.Password = "reader", "pw" },
		"types":         func(o *Options) { o.Types = []string{"timeseries", "json"} },
		"one type":      func(o *Options) { o.Types = []string{"json"} },
	} {
		t.Run(name, func(t *testing.T) {
			want := typed()
			src := sourceOf(t, s, change)
			for key, r := range want {
				if !src.filter.dataType(r.Type) {
					delete(want, key)
				}
			}
			for range 2 {
				sameRows(t, readAll(t, src, row.Position{}).rows, want, 0)
			}
		})
	}
	got := readAll(t, sourceOf(t, s, func(o *Options) { o.MaxValueBytes, o.BigKeyBytes = 10_000, 1000 }), row.Position{}).rows
	for key, size := range map[string]int64{"doc:long": 20_011, "ts:long": samplesOfChunk + 7} {
		if r := got[key]; !r.Null || r.Size != size {
			t.Errorf("%s: %s, want NULL of size %d", key, show(r), size)
		}
	}
}

// Where their commands are not permitted, values of modules' types are NULL, and
// the findings say so.
func TestReader_Next_modulesRefused(t *testing.T) {
	s := serverWithTypes(t, testserver.Options{ACL: []string{"default on nopass ~* &* +@all", "reader on >pw ~* &* +@all -json.get -ts.range -ts.info"}})
	fill(t, clientOf(t, s), []string{"JSON.SET", "d", ".", "1"}, []string{"TS.ADD", "t", "1", "1"})
	var log strings.Builder
	src := sourceOf(t, s, logTo(&log), func(o *Options) { o.Username, o.Password = "reader", "pw" })
	sameRows(t, readAll(t, src, row.Position{}).rows, map[string]aRow{
		"d": {Type: "json", Null: true, TTL: -1},
		"t": {Type: "timeseries", Null: true, TTL: -1},
	}, 0)
	if n := strings.Count(log.String(), "module's type are not read"); n != 2 {
		t.Errorf("%d lines about modules: %s", n, &log)
	}
	report, err := src.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	for _, f := range report.Findings {
		if f.Level == source.Warn && (strings.Contains(f.Name, "JSON") || strings.Contains(f.Name, "TS.")) {
			warnings = append(warnings, f.Name)
		}
	}
	if got := strings.Join(warnings, ", "); got != "permission JSON.GET, permission TS.RANGE, permission TS.INFO" {
		t.Errorf("warnings: %s", got)
	}
	if got := strings.Join(report.Missing, " "); got != "+json.get +ts.info +ts.range" {
		t.Errorf("missing: %s", got)
	}
}

// A replica's snapshot, which holds values of modules' types in their own form,
// and the changes behind it.
func TestReplica_modules(t *testing.T) {
	s := serverWithTypes(t, testserver.Options{})
	c := clientOf(t, s)
	fillTyped(t, c)
	src := sourceOf(t, s, replica)
	m := &mirror{}
	want := typed()
	for range 2 {
		if err := m.run(t.Context(), t, src); err != nil {
			t.Fatal(err)
		}
		m.equals(t, want)
		fill(t, c,
			[]string{"JSON.SET", "doc:1", ".", "[true]"},
			[]string{"SET", "doc:2", "a string"},
			[]string{"DEL", "ts:1"},
			[]string{"JSON.SET", "s", ".", "{}"},
			[]string{"TS.ADD", "ts:empty", "7", "0.5"},
		)
		want["doc:1"] = aRow{Type: "json", Value: "[true]", Size: 6, TTL: -1}
		want["doc:2"] = aRow{Type: "string", Value: "a string", Size: 8, TTL: -1}
		want["s"] = aRow{Type: "json", Value: "{}", Size: 2, TTL: -1}
		want["ts:empty"] = aRow{Type: "timeseries", Value: "[[7,0.5]]", Size: 1, TTL: -1}
		delete(want, "ts:1")
	}
	if len(m.lost) > 0 {
		t.Error("snapshots started over:", m.lost)
	}
}

// Keys of modules' types that the server notifies of.
func TestNotified_modules(t *testing.T) {
	s := serverWithTypes(t, testserver.Options{Args: []string{"--notify-keyspace-events", "KEA"}})
	c := clientOf(t, s)
	fillTyped(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	r := openReader(t, sourceOf(t, s, notified), row.Position{})
	m := &mirror{}
	if _, err := m.until(ctx, t, r, "s"); err != nil {
		t.Fatal(err)
	}
	m.equals(t, typed())
	fill(t, c,
		[]string{"JSON.SET", "doc:1", ".", "[true]"},
		[]string{"TS.ADD", "ts:1", "6", "6"},
		[]string{"DEL", "doc:2"},
		[]string{"SET", "end", "v"},
	)
	if _, err := m.until(ctx, t, r, "end"); err != nil {
		t.Fatal(err)
	}
	want := typed()
	want["doc:1"] = aRow{Type: "json", Value: "[true]", Size: 6, TTL: -1}
	want["ts:1"] = aRow{Type: "timeseries", Value: `[[1,1.5],[2,-2],[3,"nan"],[4,"inf"],[5,0.1],[6,6]]`, Size: 6, TTL: -1}
	want["end"] = aRow{Type: "string", Value: "v", Size: 1, TTL: -1}
	delete(want, "doc:2")
	m.equals(t, want)
}
