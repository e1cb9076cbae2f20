package main

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// documented finds a query and, where there is one, the result behind it.
var documented = regexp.MustCompile("(?s)```sql\n(.*?)```\n(?:```\n(.*?)```\n)?")

// TestQueries runs the queries of the documentation against what the demo leaves.
func TestQueries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "warehouse.db")
	demo := exec.CommandContext(t.Context(), "keylift", "demo", "--destination", path)
	if out, err := demo.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	db, err := sql.Open("duckdb", path+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "USE demo"); err != nil {
		t.Fatal(err)
	}
	for file, count := range map[string]int{"README.md": 1, "docs/queries.md": 14} {
		doc, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		queries := documented.FindAllSubmatch(doc, -1)
		if len(queries) != count {
			t.Errorf("%d queries are documented in %s, want %d", len(queries), file, count)
		}
		for _, q := range queries {
			got := findings(t, db, string(q[1]))
			if q[2] != nil && someTime(got) != someTime(string(q[2])) {
				t.Errorf("%s\nfinds\n%s\nwant\n%s", q[1], got, q[2])
			}
		}
	}
}

// someTime makes all times in a text the same.
func someTime(text string) string {
	return regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`).ReplaceAllString(text, "0000-00-00 00:00:00.000")
}

// findings writes what a query finds, which must be something.
func findings(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var out bytes.Buffer
	w := (&cli{stdout: &out}).newTable()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var header table.Row
	for _, name := range names {
		header = append(header, name)
	}
	w.AppendHeader(header)
	for rows.Next() {
		cells, into := make(table.Row, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, cell := range cells {
			switch v := cell.(type) {
			case time.Time:
				cells[i] = v.UTC().Format("2006-01-02 15:04:05.000")
			case nil:
				cells[i] = "NULL"
			}
		}
		w.AppendRow(cells)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if w.Length() == 0 {
		t.Errorf("%s\nfinds nothing", query)
	}
	w.Render()
	return out.String()
}
