package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/table"
)

// A store is a destination of several tables that keeps what it is told: rows as
// text, by table, Redis key and primary key.
type store struct {
	rows    map[string]map[string]map[string]string
	staged  []change
	at      row.Position
	written int // rows of the run, unchanged ones too
}

// A change is a row of a batch.
type change struct {
	table, owner, key, text string
	op                      row.Op
	group                   bool
}

// changesOf returns the rows of b.
func changesOf(b *row.Batch) (all []change) {
	t := b.Table
	for i := range b.Len() {
		c := change{table: t.Name, op: b.Ops[i], group: t.Group > 0}
		var cells []string
		for n := range t.Columns {
			switch column := &t.Columns[n]; {
			case column.Compare == row.Never: // times of reading
			case b.Vectors[n].Null[i]:
				cells = append(cells, "-")
			default:
				cells = append(cells, cellOf(b, n, i))
			}
		}
		c.owner = strings.Join(cells[:t.Owner()], " ")
		c.key = strings.Join(cells[:t.Keys], " ")
		c.text = strings.Join(cells, " ")
		all = append(all, c)
	}
	return all
}

func cellOf(b *row.Batch, n, i int) string {
	v := &b.Vectors[n]
	switch b.Table.Columns[n].Type {
	case row.Boolean, row.Int:
		return strconv.FormatInt(v.Ints[i], 10)
	case row.UTCDateTime:
		return time.UnixMicro(v.Ints[i]).UTC().Format("2006-01-02T15:04:05.999")
	case row.Double:
		return strconv.FormatFloat(v.Floats[i], 'g', -1, 64)
	case row.Decimal, row.String, row.JSON:
	}
	return string(b.TextAt(n, i))
}

// publish makes the staged changes visible, as destinations are told to.
func (s *store) publish(snapshot bool) {
	type owner struct{ table, name string }
	marks := map[owner]int{} // where the last is
	for i, c := range s.staged {
		if c.op != row.Upsert || !c.group {
			marks[owner{c.table, c.owner}] = i
		}
	}
	old := s.rows
	if snapshot {
		s.rows = nil
	}
	for of, i := range marks {
		switch s.staged[i].op {
		case row.Keep, row.Stay:
			for key, text := range old[of.table][of.name] {
				s.set(change{table: of.table, owner: of.name, key: key, text: text})
			}
		case row.Upsert: // of a table of one row a key
		case row.Delete:
			delete(s.rows[of.table], of.name)
		}
	}
	for i, c := range s.staged {
		last, marked := marks[owner{c.table, c.owner}]
		if c.op == row.Upsert && (!marked || i >= last || s.staged[last].op.Keeps()) {
			s.set(c)
		}
	}
	s.staged = nil
}

func (s *store) set(c change) {
	if s.rows == nil {
		s.rows = map[string]map[string]map[string]string{}
	}
	if s.rows[c.table] == nil {
		s.rows[c.table] = map[string]map[string]string{}
	}
	if s.rows[c.table][c.owner] == nil {
		s.rows[c.table][c.owner] = map[string]string{}
	}
	s.rows[c.table][c.owner][c.key] = c.text
}

// take takes a batch.
func (s *store) take(b *row.Batch) {
	s.written += b.Len()
	s.staged = append(s.staged, changesOf(b)...)
	if b.Closes == row.Snapshot || b.Closes == row.Changes {
		s.publish(b.Closes == row.Snapshot)
	}
	if b.Closes != row.None {
		s.at = b.After
	}
}

// run reads from where the store is to the end of the source.
func (s *store) run(t *testing.T, src source.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	s.written = 0
	r, err := src.Open(ctx, s.at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		s.take(b)
	}
}

// until reads on until a key of the default table has a row.
func (s *store) until(t *testing.T, r source.Reader, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	s.written = 0
	for len(s.rows[DefaultTable][name]) == 0 {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		s.take(b)
	}
}

// of returns the rows of a table, sorted.
func (s *store) of(name string) []string {
	var all []string
	for _, rows := range s.rows[name] {
		all = slices.AppendSeq(all, maps.Values(rows))
	}
	slices.Sort(all)
	return all
}

// want compares the rows of a table.
func (s *store) want(t *testing.T, name string, want ...string) {
	t.Helper()
	slices.Sort(want)
	got := s.of(name)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("table %s, row %d: %q, want %q", name, i, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("table %s has %d rows, want %d", name, len(got), len(want))
	}
}

// tableOf makes a table of a template.
func tableOf(t *testing.T, template string, s table.Spec) table.Spec {
	t.Helper()
	var err error
	if s.Template, err = table.ParseTemplate(template); err != nil {
		t.Fatal(err)
	}
	return s
}

func withTables(skip bool, specs ...table.Spec) func(*Options) {
	return func(o *Options) { o.Tables, o.SkipUnmatched = specs, skip }
}

// entries returns commands that add longTail entries to a stream, the first at 10 s,
// and their rows.
func entries(key string) (commands [][]string, rows []string) {
	for i := 10_000; i < 10_000+longTail; i++ {
		commands = append(commands, []string{"XADD", key, strconv.Itoa(i) + "-1", "n", strconv.Itoa(i)})
		rows = append(rows, entryRow(key, i, strconv.Itoa(i)))
	}
	return commands, rows
}

func entryRow(key string, ms int, n string) string {
	_, name, _ := strings.Cut(key, ":")
	return fmt.Sprintf(`%s %d-1 %s %s {"n":"%s"}`, key, ms, name, time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.999"), n)
}
