package rdbfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/selection"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/rdbfile"
	"github.com/keylift/keylift/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// save runs commands on a real server and returns the path of the file it saves.
func save(t *testing.T, commands ...string) string {
	t.Helper()
	s := testserver.Redis(t, testserver.Options{Args: []string{"--enable-debug-command", "yes"}})
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address()}, AlwaysRESP2: true, DisableCache: true, ConnWriteTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	do := func(words ...string) []string {
		r := c.Do(t.Context(), c.B().Arbitrary(words...).Build())
		if r.Error() != nil {
			t.Fatal(words, r.Error())
		}
		list, _ := r.AsStrSlice()
		return list
	}
	for _, command := range commands {
		do(strings.Fields(command)...)
	}
	do("SAVE")
	b, err := os.ReadFile(filepath.Join(do("CONFIG", "GET", "dir")[1], "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dump.rdb")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, o rdbfile.Options) *rdbfile.Source {
	t.Helper()
	s, err := rdbfile.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rows reads a source to its end, or its error, and returns its rows as texts:
// key, value, type, ttl, expires_at, size.
func rows(t *testing.T, s *rdbfile.Source) ([]string, error) {
	t.Helper()
	r, err := s.Open(t.Context(), row.Position{})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	var all []string
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			slices.Sort(all)
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, texts(b)...)
		b.Release()
	}
}

func texts(b *row.Batch) []string {
	var all []string
	for i := range b.Len() {
		var cells []string
		for c, column := range b.Table.Columns {
			v := &b.Vectors[c]
			switch {
			case column.Name == "last_modified", column.Name == "ttl" && v.Ints[i] != -1:
			case v.Null[i]:
				cells = append(cells, "-")
			case column.Type == row.String:
				cells = append(cells, string(b.TextAt(c, i)))
			default:
				cells = append(cells, fmt.Sprint(v.Ints[i]))
			}
		}
		all = append(all, strings.Join(cells, " "))
	}
	return all
}

var world = []string{
	"SET name ann", "SET until x PXAT 4102444800123", "DEBUG SET-ACTIVE-EXPIRE 0", "SET gone x PX 1", "DEBUG SLEEP 1.1", "HSET profile:1 b 2 a 1", "RPUSH list x y", "SADD set b a",
	"ZADD board 2 b 1.5 a", "XADD events 1-1 f v", "SELECT 3", "SET other 3", "SET profile:3 3",
}

func TestReader_Next(t *testing.T) {
	path := save(t, world...)
	tests := []struct {
		name    string
		options rdbfile.Options
		want    []string
	}{
		{"database 0", rdbfile.Options{}, []string{
			`board [["a",1.5],["b",2]] zset -1 - 2`, `events [["1-1",{"f":"v"}]] stream -1 - 1`, `list ["x","y"] list -1 - 2`, "name ann string -1 - 3",
			`profile:1 {"a":"1","b":"2"} hash -1 - 2`, `set ["a","b"] set -1 - 2`, "until x string 4102444800123000 1",
		}},
		{"database 3", rdbfile.Options{Databases: []int{3}}, []string{"other 3 string -1 - 1", "profile:3 3 string -1 - 1"}},
		{"all, by pattern", rdbfile.Options{AllDatabases: true, Filter: selection.Filter{Patterns: []string{"profile:*", "na*"}}}, []string{
			"0 name ann string -1 - 3", `0 profile:1 {"a":"1","b":"2"} hash -1 - 2`, "3 profile:3 3 string -1 - 1",
		}},
		{"types", rdbfile.Options{Filter: selection.Filter{Types: []string{"zset", "list"}, Exclude: []string{"l*"}}}, []string{`board [["a",1.5],["b",2]] zset -1 - 2`}},
		{"small values", rdbfile.Options{MaxValueBytes: 3, Filter: selection.Filter{Patterns: []string{"name", "list"}}}, []string{"list - list -1 - 2", "name ann string -1 - 3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Path = path
			got, err := rows(t, open(t, tt.options))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, rdbfile.Options{Path: "-", Input: bytes.NewReader(b)})
	if got, err := rows(t, s); err != nil || !slices.Equal(got, tests[0].want) {
		t.Errorf("from the input: %q, %v", got, err)
	}
	if _, err := rows(t, s); err == nil || !strings.Contains(err.Error(), "standard input: it can be read only once") {
		t.Errorf("the input again: %v", err)
	}
}

// TestReader_Next_cutOff: a file without its end, or with a changed byte, is an
// error however much of it could be read.
func TestReader_Next_cutOff(t *testing.T) {
	path := save(t, world...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := rows(t, open(t, rdbfile.Options{Path: "-", Input: bytes.NewReader(whole[:n])})); err == nil || !strings.Contains(err.Error(), "rdb_file") {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	whole[len(whole)-20] ^= 1
	if _, err := rows(t, open(t, rdbfile.Options{Path: "-", Input: bytes.NewReader(whole)})); err == nil {
		t.Error("a byte changed, and no error")
	}
}

func TestSource_Open_missing(t *testing.T) {
	s := open(t, rdbfile.Options{Path: filepath.Join(t.TempDir(), "none.rdb")})
	for _, try := range []func() error{
		func() error { _, err := s.Open(t.Context(), row.Position{}); return err },
		func() error { _, err := s.Inspect(t.Context()); return err },
	} {
		access, ok := errors.AsType[*source.AccessError](try())
		if !ok || !errors.Is(access, os.ErrNotExist) || !strings.HasSuffix(access.Error(), "none.rdb: no such file or directory; check rdb_file") {
			t.Errorf("got %v", access)
		}
	}
}

func TestSource_Inspect(t *testing.T) {
	report, err := open(t, rdbfile.Options{Path: save(t, "SET k v")}).Inspect(t.Context())
	if err != nil || report.Mode != "rdb" || !strings.HasPrefix(report.Findings[0].Detail, "RDB version ") || !strings.Contains(report.Findings[0].Detail, "UTC by ") {
		t.Errorf("%+v, %v", report, err)
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte("not a file of Redis"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err = open(t, rdbfile.Options{Path: path}).Inspect(t.Context())
	if err != nil || report.Findings[0].Level != source.Fail || !strings.Contains(report.Findings[0].Detail, "it is no RDB file; name one in rdb_file") {
		t.Errorf("%+v, %v", report, err)
	}
	report, err = open(t, rdbfile.Options{Path: "-", Input: strings.NewReader("")}).Inspect(t.Context())
	if err != nil || report.Nodes[0].Address != "standard input" || report.Findings[0].Level != source.OK {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestReader_notices: a value that is too long is told of, once and without its
// key's name.
func TestReader_notices(t *testing.T) {
	var log bytes.Buffer
	_, err := rows(t, open(t, rdbfile.Options{
		Path: save(t, "SET secret:1 12345", "SET secret:2 12345"), MaxValueBytes: 3, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}))
	if err != nil || strings.Count(log.String(), "longer than max_value_bytes") != 1 || strings.Contains(log.String(), "secret") {
		t.Errorf("%v: %s", err, log.String())
	}
}

func TestConformance(t *testing.T) {
	var commands []string
	for i := range 2000 {
		commands = append(commands, fmt.Sprintf("SET key:%d %s", i, strings.Repeat("x", 600)))
	}
	path := save(t, commands...)
	sourcetest.Run(t, sourcetest.Fixture{
		Open: func(t *testing.T) source.Source { return open(t, rdbfile.Options{Path: path}) },
		Rows: 2000,
	})
}

// TestReader_cancel: closing interrupts a reader that waits for its input.
func TestReader_cancel(t *testing.T) {
	in, out := io.Pipe()
	s := open(t, rdbfile.Options{Path: "-", Input: in})
	r, err := s.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("next: %v", err)
	}
	_ = out.Close()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
