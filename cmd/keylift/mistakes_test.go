package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A blunder is a command line that cannot work. In each of its texts $NAME is one of
// the places.
type blunder struct {
	args string // words, empty ones as ''; commands that make the same mistake are "sync,check"
	doc  string // of keylift.yaml; empty: there is none
	code int
	want string // the sentence
	or   string // another, where it depends on who is faster
}

// each returns the mistake as each of its commands makes it.
func (b blunder) each() (all []blunder) {
	commands, rest, _ := strings.Cut(b.args, " ")
	for command := range strings.SplitSeq(commands, ",") {
		b.args = strings.TrimSpace(command + " " + rest)
		all = append(all, b)
	}
	return all
}

// TestMistakes makes every mistake that users are likely to make: each is told in one
// sentence that says what to do, and nothing that is there is touched.
func TestMistakes(t *testing.T) {
	places := mistakenPlaces(t)
	t.Chdir(places["FOLDER"])
	names := slices.SortedFunc(maps.Keys(places), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs, shown []string
	for _, name := range names { // the longest first: one may begin another
		pairs, shown = append(pairs, "$"+name, places[name]), append(shown, places[name], "$"+name)
	}
	filled, back := strings.NewReplacer(pairs...), strings.NewReplacer(shown...)
	before := filesIn(t, nil)
	rows := map[string]string{} // of files that a sync may touch beside them
	for _, name := range []string{"warehouse.db", "taken.db", "viewed.db"} {
		rows[name] = rowsIn(t, name)
	}
	var all []blunder
	for _, b := range slices.Concat(wrongCommands, wrongSettings, wrongTables, wrongServers, wrongUsers, wrongTLS, wrongFiles) {
		all = append(all, b.each()...)
	}
	made := map[string]bool{}
	for _, b := range all {
		t.Run(b.args, func(t *testing.T) {
			if made[b.args+b.doc] {
				t.Fatal("the mistake is made twice")
			}
			made[b.args+b.doc] = true
			if b.doc != "" {
				if err := os.WriteFile("keylift.yaml", []byte(filled.Replace(b.doc)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			args := strings.Fields(filled.Replace(b.args))
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "''", "")
			}
			var stdout, stderr bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code := run(ctx, args, &stdout, &stderr)
			if err := os.RemoveAll("keylift.yaml"); err != nil {
				t.Fatal(err)
			}
			sentence, logs := sentenceOf(stderr.String())
			if code != b.code {
				t.Errorf("exit code %d, want %d", code, b.code)
			}
			got, told := strings.CutPrefix(moment.ReplaceAllString(sentence, "$$TIME"), "keylift: ")
			if got = back.Replace(got); !told || got != b.want && got != cmp.Or(b.or, b.want) {
				t.Errorf("got  %s\nwant %s", got, b.want)
			}
			for line := range strings.Lines(logs) {
				if !strings.HasPrefix(line, "time=") {
					t.Errorf("beside the sentence: %s", line)
				}
			}
			for _, never := range []string{"panic", "goroutine", ".go:", "open-sesame"} {
				if strings.Contains(stderr.String(), never) {
					t.Errorf("%q in %s", never, &stderr)
				}
			}
			now := filesIn(t, before)
			for name, f := range now {
				if was := before[name]; was.text != f.text && (rows[name] == "" || rowsIn(t, name) != rows[name]) {
					t.Errorf("%s was touched", name)
				}
			}
			before = now
		})
	}
	if len(made) < 100 {
		t.Errorf("%d mistakes", len(made))
	}
}

// moment is a time in a sentence.
var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// rowsIn returns the rows of redis_data in a DuckDB file.
func rowsIn(t *testing.T, name string) string {
	t.Helper()
	db, err := sql.Open("duckdb", name+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all string
	err = db.QueryRowContext(t.Context(), "SELECT string_agg(r::VARCHAR, chr(10) ORDER BY r::VARCHAR) FROM redis_data r").Scan(&all)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return all
}

// sentenceOf splits what a command printed into its last line and those before.
func sentenceOf(text string) (sentence, logs string) {
	text = strings.TrimSuffix(text, "\n")
	at := strings.LastIndex(text, "\n") + 1
	return text[at:], text[:at]
}

// A file is what was found in the folder.
type file struct {
	size int64
	at   time.Time
	text string
}

// filesIn returns the files in the folder, by name. Of those that have not been
// touched since, was is believed.
func filesIn(t *testing.T, was map[string]file) map[string]file {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]file{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		f := was[e.Name()]
		if f.size != info.Size() || !f.at.Equal(info.ModTime()) {
			text, err := os.ReadFile(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			f = file{info.Size(), info.ModTime(), string(text)}
		}
		files[e.Name()] = f
	}
	return files
}
