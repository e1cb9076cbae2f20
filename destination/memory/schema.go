package memory

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// Prepare creates tables, adds columns and widens them. It starts a run: rows
// written from here on were synced at this time.
func (d *Destination) Prepare(ctx context.Context, tables []*row.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, t := range tables {
		if err := d.tables[t.Name].fits(t); err != nil {
			return err
		}
	}
	clear(d.prepared)
	for _, t := range tables {
		if d.tables[t.Name] == nil {
			d.forgetPlaces()
		}
		d.widen(t)
		d.prepared[t.Name] = true
	}
	d.started = time.Now()
	return nil
}

// forgetPlaces has the next snapshots begin anew.
func (d *Destination) forgetPlaces() {
	for name, s := range d.syncs {
		s.Position.Token = ""
		d.syncs[name] = s
	}
}

// fits reports, by a *SchemaError, why rows of t cannot be kept in h, which may be
// nil.
func (h *table) fits(t *row.Table) error {
	if h == nil {
		return nil
	}
	if h.history && !t.History {
		return &destination.SchemaError{Table: t.Name, Have: "history", Want: destination.NoHistory}
	}
	for i, c := range t.Columns {
		at := h.column(c.Name)
		want := describe(c, i < t.Keys)
		if at < 0 && i < t.Keys {
			return &destination.SchemaError{Table: t.Name, Column: c.Name, Want: want}
		}
		if at < 0 {
			continue
		}
		isKey := at < h.keys || i < t.Keys
		if have := describe(h.columns[at], at < h.keys); have != want && (isKey || !widens(h.columns[at].Type, c.Type)) {
			return &destination.SchemaError{Table: t.Name, Column: c.Name, Have: have, Want: want}
		}
	}
	for _, c := range h.columns[:h.keys] {
		if t.Column(c.Name) < 0 {
			return &destination.SchemaError{Table: t.Name, Column: c.Name, Have: describe(c, true)}
		}
	}
	return nil
}

func (h *table) column(name string) int {
	return slices.IndexFunc(h.columns, func(c row.Column) bool { return c.Name == name })
}

func describe(c row.Column, key bool) string {
	if key {
		return c.Type.String() + " in the key"
	}
	return c.Type.String()
}

// widen makes the table of t, or makes it one that t fits.
func (d *Destination) widen(t *row.Table) {
	h := d.tables[t.Name]
	if h == nil {
		h = &table{keys: t.Keys, rows: map[string]*record{}}
		d.tables[t.Name] = h
	}
	h.owner = t.Owner()
	for _, c := range t.Columns {
		at := h.column(c.Name)
		switch {
		case at < 0:
			h.columns = append(h.columns, c)
		case h.columns[at].Type != c.Type:
			d.convert(t.Name, c.Name, h.columns[at].Type, c.Type)
			h.columns[at].Type = c.Type
		}
	}
	if t.History && !h.history {
		h.begin()
	}
	h.history = t.History
}

// begin makes the rows of h the first versions that it knows.
func (h *table) begin() {
	for key, r := range h.rows {
		r.start = r.synced.Truncate(time.Millisecond)
		if r.deleted {
			h.ended = append(h.ended, version{r.cells, r.start, r.start, true})
			delete(h.rows, key)
		}
	}
}

// widens reports whether every value of a type has its like in another.
func widens(from, to row.Type) bool {
	switch to {
	case row.Double, row.Decimal:
		return from == row.Int
	case row.String:
		return true
	}
	return false
}

// convert widens a column, that of staged rows too.
func (d *Destination) convert(table, column string, from, to row.Type) {
	in := func(cells map[string]any) {
		if v, ok := cells[column]; ok {
			cells[column] = converted(v, from, to)
		}
	}
	for _, r := range d.tables[table].rows {
		in(r.cells)
	}
	for _, v := range d.tables[table].ended {
		in(v.cells)
	}
	for _, c := range d.staged {
		if c.table.Name == table {
			in(c.cells)
		}
	}
}

func converted(v any, from, to row.Type) any {
	switch v := v.(type) {
	case int64:
		switch {
		case to == row.Double:
			return float64(v)
		case from == row.Boolean:
			return strconv.FormatBool(v != 0)
		case from == row.UTCDateTime:
			return time.UnixMicro(v).UTC().Format(time.RFC3339Nano)
		}
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return strings.Clone(v)
	}
	return v
}
