package destinationtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

const syncName = "game"

// players is the table that most cases write to.
var players = &row.Table{
	Name: "players",
	Keys: 1,
	Columns: []row.Column{
		{Name: "key", Type: row.String},
		{Name: "value", Type: row.String, InScope: true},
		{Name: "ttl", Type: row.Int, Compare: row.Never},
		{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue, Tolerance: time.Second, Expiry: true},
		{Name: "last_modified", Type: row.UTCDateTime, Compare: row.Never},
	},
}

// A line is one row to write: its cells in the order of the table's columns,
// nil for NULL. A Delete or Keep has the key columns alone.
type line struct {
	op    row.Op
	cells []any
}

func upsert(cells ...any) line { return line{row.Upsert, cells} }
func remove(key ...any) line   { return line{row.Delete, key} }
func keep(key ...any) line     { return line{row.Keep, key} }
func stay(key ...any) line     { return line{row.Stay, key} }

// player is a row of players without expiry.
func player(key, value string, modified int64) line {
	return upsert(key, value, int64(-1), nil, at(modified))
}

// expiring is a row of players with an expiry.
func expiring(key, value string, ttl int64, expires, modified time.Duration) line {
	return upsert(key, value, ttl, expires.Microseconds(), modified.Microseconds())
}

// at is a UTC_DATETIME, so many seconds after the epoch.
func at(seconds int64) int64 { return seconds * 1e6 }

// position is a place of the generation; n tells places of one generation apart.
func position(generation int64, n int) row.Position {
	return row.Position{Generation: generation, Token: fmt.Sprintf(`{"v":1,"at":[%d],"note":"it's \\ 100%%"}`, n)}
}

// batch returns a batch with the lines. Their keys and values are lost when the
// caller releases it.
func batch(table *row.Table, after row.Position, lines ...line) *row.Batch {
	b := row.NewBatch(table)
	for _, l := range lines {
		for c, cell := range l.cells {
			switch v := cell.(type) {
			case int64:
				b.AppendInt(c, v)
			case float64:
				b.AppendFloat(c, v)
			case string:
				b.AppendText(c, v)
			default:
				b.AppendNull(c)
			}
		}
		b.EndRow(l.op)
	}
	b.After = after
	return b
}

// everything is the scope of a snapshot that looked for every key.
func everything(*row.Batch, int) bool { return true }

// A run is a destination in use by one case.
type run struct {
	t      *testing.T
	place  Place
	d      destination.Store
	tables []*row.Table
}

// start opens a new place for tables.
func start(t *testing.T, newPlace NewPlace, deletes destination.Deletes, tables ...*row.Table) *run {
	t.Helper()
	r := &run{t: t, place: newPlace(t, deletes), tables: tables}
	r.open()
	t.Cleanup(func() {
		if err := r.d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func (r *run) open() {
	r.t.Helper()
	r.d = r.place.Open(r.t)
	if err := r.d.Prepare(r.t.Context(), r.tables); err != nil {
		r.t.Fatalf("prepare: %v", err)
	}
}

// reopen closes the destination and opens it again, as the next run does.
func (r *run) reopen() {
	r.t.Helper()
	if err := r.d.Close(); err != nil {
		r.t.Fatalf("close: %v", err)
	}
	r.open()
}

func (r *run) begin() destination.Tx {
	r.t.Helper()
	tx, err := r.d.Begin(r.t.Context(), syncName)
	if err != nil {
		r.t.Fatalf("begin: %v", err)
	}
	return tx
}

// write writes the lines as one batch. The batch is released, as the engine
// does, so that a destination that kept it is found out.
func (r *run) write(tx destination.Tx, table *row.Table, after row.Position, lines ...line) {
	r.t.Helper()
	b := batch(table, after, lines...)
	defer b.Release()
	if err := tx.Write(r.t.Context(), b); err != nil {
		r.t.Fatalf("write: %v", err)
	}
	for i := range b.Text {
		b.Text[i] = '!'
	}
}

func (r *run) stage(tx destination.Tx, p row.Position) {
	r.t.Helper()
	if err := tx.Stage(r.t.Context(), p); err != nil {
		r.t.Fatalf("stage: %v", err)
	}
}

func (r *run) publishSnapshot(tx destination.Tx, p row.Position, scope row.Scope) destination.Counts {
	r.t.Helper()
	n, err := tx.PublishSnapshot(r.t.Context(), p, scope, destination.AnyShare)
	if err != nil {
		r.t.Fatalf("publish snapshot: %v", err)
	}
	return n
}

func (r *run) publishChanges(tx destination.Tx, p row.Position) destination.Counts {
	r.t.Helper()
	n, err := tx.PublishChanges(r.t.Context(), p)
	if err != nil {
		r.t.Fatalf("publish changes: %v", err)
	}
	return n
}

// snapshot publishes a snapshot of the first table that has the lines.
func (r *run) snapshot(generation int64, lines ...line) destination.Counts {
	r.t.Helper()
	tx := r.begin()
	r.write(tx, r.tables[0], position(generation, 0), lines...)
	return r.publishSnapshot(tx, position(generation, 1), everything)
}

// changes publishes changes of the first table.
func (r *run) changes(p row.Position, lines ...line) destination.Counts {
	r.t.Helper()
	tx := r.begin()
	r.write(tx, r.tables[0], p, lines...)
	return r.publishChanges(tx, p)
}

func (r *run) checkpoint() row.Position {
	r.t.Helper()
	p, err := r.d.Checkpoint(r.t.Context(), syncName)
	if err != nil {
		r.t.Fatalf("checkpoint: %v", err)
	}
	return p
}

// wantCheckpoint fails the test unless the checkpoint is want.
func (r *run) wantCheckpoint(want row.Position) {
	r.t.Helper()
	if p := r.checkpoint(); p != want {
		r.t.Errorf("checkpoint: got %+v, want %+v", p, want)
	}
}

// want fails the test unless table holds exactly these rows.
func (r *run) want(table *row.Table, lines ...line) {
	r.t.Helper()
	b := batch(table, row.Position{}, lines...)
	defer b.Release()
	var want []string
	for i := range b.Len() {
		want = append(want, format(b, i))
	}
	slices.Sort(want)
	r.same(table, want)
}

// same fails the test unless table holds the rows want, as read returns them.
func (r *run) same(table *row.Table, want []string) {
	r.t.Helper()
	if got := r.read(table); !slices.Equal(got, want) {
		r.t.Errorf("rows of %s: got %d, want %d\ngot only:\n%s\nwant only:\n%s",
			table.Name, len(got), len(want), except(got, want), except(want, got))
	}
}

// read returns the published rows of table as text, sorted.
func (r *run) read(table *row.Table) []string {
	r.t.Helper()
	var rows []string
	for b, err := range r.d.Rows(r.t.Context(), table) {
		if err != nil {
			r.t.Fatalf("read rows of %s: %v", table.Name, err)
		}
		for i := range b.Len() {
			if b.Ops[i] != row.Upsert {
				r.t.Errorf("row %d read from %s has op %d, want Upsert", i, table.Name, b.Ops[i])
			}
			rows = append(rows, format(b, i))
		}
		b.Release()
	}
	slices.Sort(rows)
	return rows
}

// format returns row i of b as text, equal for equal rows.
func format(b *row.Batch, i int) string {
	var cells []string
	for c, column := range b.Table.Columns {
		v := &b.Vectors[c]
		switch {
		case v.Null[i]:
			cells = append(cells, "NULL")
		case column.Type == row.Double:
			cells = append(cells, fmt.Sprint(v.Floats[i]))
		case column.Type == row.Decimal:
			cells = append(cells, decimal(b.TextAt(c, i)))
		case column.Type == row.String, column.Type == row.JSON:
			cells = append(cells, fmt.Sprintf("%q", b.TextAt(c, i)))
		default:
			cells = append(cells, fmt.Sprint(v.Ints[i]))
		}
	}
	return strings.Join(cells, " ")
}

// decimal drops zeros at the end: a destination may keep decimals with a fixed
// number of places.
func decimal(text []byte) string {
	s := string(text)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// except lists the rows that are not among those of others, shortened.
func except(rows, others []string) string {
	const most, longest = 20, 300
	left := map[string]int{}
	for _, r := range others {
		left[r]++
	}
	var out []string
	for _, r := range rows {
		if left[r]--; left[r] < 0 && len(out) < most {
			out = append(out, r[:min(len(r), longest)])
		}
	}
	return strings.Join(out, "\n")
}

// wantCounts fails the test unless got is want.
func (r *run) wantCounts(got, want destination.Counts) {
	r.t.Helper()
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("counts: got %+v, want %+v", got, want)
	}
}

func (r *run) system(key string) System {
	r.t.Helper()
	return r.place.System(r.t, r.d, r.tables[0].Name, key)
}

// nextRun opens the destination again at a later microsecond than the last run.
func (r *run) nextRun() {
	r.t.Helper()
	time.Sleep(2 * time.Millisecond)
	r.reopen()
}
