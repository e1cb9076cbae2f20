package destinationtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// A Version is a version of a row in a table with History.
type Version struct {
	// Row is the row in a batch of its own, with the columns of the table asked for.
	Row             *row.Batch
	Start, End      time.Time
	Active, Deleted bool
}

// versions returns the versions that the destination holds of the run's tables, as
// ordered does.
func (r *run) versions() []string {
	r.t.Helper()
	var all []numbered
	for _, table := range r.tables {
		if !table.History {
			continue
		}
		for _, v := range r.place.Versions(r.t, r.d, table) {
			n := numbered{row: table.Name + " " + format(v.Row, 0), start: v.Start.UnixMilli(), deleted: v.Deleted}
			if v.Start.Nanosecond()%int(time.Millisecond) != 0 {
				r.t.Errorf("a version starts at %v, want whole milliseconds", v.Start)
			}
			if v.Active != v.End.Equal(destination.LastMoment) {
				r.t.Errorf("a version that is active (%t) ends at %v", v.Active, v.End)
			}
			if !v.Active {
				n.end = v.End.UnixMilli() + 1
			}
			all = append(all, n)
		}
	}
	return ordered(all)
}

// wantVersions fails the test unless the destination holds these versions.
func (r *run) wantVersions(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if got := r.versions(); !slices.Equal(got, want) {
		r.t.Errorf("versions: got %d, want %d\ngot only:\n%s\nwant only:\n%s", len(got), len(want), except(got, want), except(want, got))
	}
}

// A numbered version starts and ends at moments, whatever their unit; an end of 0 is none.
type numbered struct {
	row        string
	start, end int64
	deleted    bool
}

// ordered returns the versions as text, sorted, with the moments that they have numbered
// from 1.
func ordered(versions []numbered) []string {
	var moments []int64
	for _, v := range versions {
		moments = append(moments, v.start)
		if v.end != 0 {
			moments = append(moments, v.end)
		}
	}
	slices.Sort(moments)
	moments = slices.Compact(moments)
	number := func(moment int64) int {
		i, _ := slices.BinarySearch(moments, moment)
		return i + 1
	}
	var lines []string
	for _, v := range versions {
		line := fmt.Sprintf("%s: %d", v.row, number(v.start))
		switch {
		case v.end == 0:
			line += " on"
		case v.deleted:
			line += fmt.Sprintf(" to %d, deleted", number(v.end))
		default:
			line += fmt.Sprintf(" to %d", number(v.end))
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// versions returns the versions of some tables, as ordered does.
func (m *model) versions(tables []*row.Table) []string {
	var all []numbered
	add := func(table *row.Table, cells []any, start, end int, deleted bool) {
		b := batch(table, row.Position{}, upsert(cells...))
		defer b.Release()
		all = append(all, numbered{table.Name + " " + format(b, 0), int64(start), int64(end), deleted})
	}
	for _, table := range tables {
		if !table.History {
			continue
		}
		for _, v := range m.ended[table] {
			add(table, v.cells, v.start, v.end, v.deleted)
		}
		for _, r := range m.rows[table] {
			if !r.deleted {
				add(table, r.cells, r.start, 0, false)
			}
		}
	}
	return ordered(all)
}

// levels is a table with versions. ttl alone makes none.
var levels = &row.Table{Name: "levels", Keys: 1, History: true, Columns: []row.Column{
	{Name: "key", Type: row.String},
	{Name: "level", Type: row.Int},
	{Name: "ttl", Type: row.Int, Compare: row.Never},
}}

func testHistory(t *testing.T, newPlace NewPlace) {
	ended := []string{
		`levels "a" 1 100: 1 to 2`,
		`levels "a" 2 90: 2 to 4`,
		`levels "a" 3 70: 4 on`,
		`levels "b" 1 100: 1 to 2, deleted`,
		`levels "b" 1 80: 3 to 4, deleted`,
		`levels "c" NULL 100: 1 to 4, deleted`,
	}
	left := []string{
		`levels "a" 1 100: 1 to 2`,
		`levels "a" 2 90: 2 to 3`,
		`levels "a" 3 70: 3 on`,
		`levels "b" 1 100: 1 on`,
		`levels "c" NULL 100: 1 on`,
	}
	for deletes, want := range map[destination.Deletes][]string{soft: ended, hard: ended, ignore: left} {
		t.Run(string(deletes), func(t *testing.T) {
			r := start(t, newPlace, deletes, levels)
			level := func(key string, level any, ttl int64) line { return upsert(key, level, ttl) }
			r.snapshot(1, level("a", int64(1), 100), level("b", int64(1), 100), level("c", nil, 100))
			r.wantVersions(`levels "a" 1 100: 1 on`, `levels "b" 1 100: 1 on`, `levels "c" NULL 100: 1 on`)
			r.changes(position(1, 2), level("a", int64(2), 90), level("c", nil, 90), remove("b"))
			r.reopen()
			r.snapshot(2, level("b", int64(1), 80), level("a", int64(2), 80), level("c", nil, 80))
			r.changes(position(2, 2))
			r.snapshot(3, level("a", int64(3), 70))
			r.snapshot(4, level("a", int64(3), 60))
			r.wantVersions(want...)
			if deletes != ignore {
				r.want(levels, level("a", int64(3), 70))
				s, _, _, _ := r.status()
				r.wantStatus(s, destination.Status{
					Position: position(4, 1), Published: true,
					Tables: []destination.TableStatus{{Name: "levels", Rows: 1, Deleted: 3}},
				})
			}
		})
	}
}

// testHistoryLater: the rows of a table become the first versions of it once it has
// history, which it then does not lose.
func testHistoryLater(t *testing.T, newPlace NewPlace) {
	plain := *levels
	plain.History = false
	r := start(t, newPlace, soft, &plain)
	r.snapshot(1, upsert("a", int64(1), int64(100)), upsert("b", int64(1), int64(100)), upsert("c", int64(1), int64(100)))
	r.changes(position(1, 2), remove("b"))
	tx := r.begin()
	r.write(tx, &plain, position(1, 3), upsert("d", int64(1), int64(100)))
	r.stage(tx, position(1, 3))

	r.tables = []*row.Table{levels}
	r.reopen()
	tx = r.begin()
	r.write(tx, levels, position(1, 4), upsert("a", int64(2), int64(90)), remove("c"))
	r.wantCounts(r.publishChanges(tx, position(1, 4)), destination.Counts{New: 1, Changed: 1, Deleted: 1})
	r.want(levels, upsert("a", int64(2), int64(90)), upsert("d", int64(1), int64(100)))
	var ended, on int
	for _, v := range r.place.Versions(t, r.d, levels) {
		if v.Active {
			on++
		} else {
			ended++
		}
	}
	if ended != 3 || on != 2 {
		t.Errorf("%d versions ended, %d did not; want the two of a and c, and b's, and those of a and d", ended, on)
	}

	err := r.d.Prepare(t.Context(), []*row.Table{&plain})
	var refused *destination.SchemaError
	if !errors.As(err, &refused) || refused.Table != "levels" || refused.Want != destination.NoHistory {
		t.Errorf("prepare a table without its history: got %v, want a *destination.SchemaError", err)
	}
	r.reopen()
	r.want(levels, upsert("a", int64(2), int64(90)), upsert("d", int64(1), int64(100)))
}
