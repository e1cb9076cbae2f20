package table

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// A Layout says what the rows of a table are.
type Layout uint8

// The layouts.
const (
	Values   Layout = iota // one row per key, its whole value in one column
	Columns                // one row per hash or JSON object, a column per field
	Elements               // one row per element of a collection
)

var layoutNames = [...]string{"value", "columns", "elements"}

// String returns the layout's name.
func (l Layout) String() string { return layoutNames[l] }

// A Spec describes a table that is fed by the keys which match a template.
type Spec struct {
	Name     string
	Template *Template
	Layout   Layout
	// Type is the type of the keys: those of another go on to the next template.
	// Unknown: of any type (layout Values); layout Columns takes it for Hash.
	Type    value.Type
	Fields  []Field // layout Columns, and Elements of streams
	Add     bool    // fields that are not among Fields become columns, and do not go into _extra
	History bool
	Mirror  bool // entries and samples that were trimmed are deleted, too
}

// A Field is a field that has a column of its own.
type Field struct {
	Name    string // of the field
	Column  string // empty: Name in lower snake_case
	Format  Format
	Default *string // for rows without the field; nil: NULL
}

// extraColumn holds what has no column of its own.
const extraColumn = "_extra"

// A SpecError says what is wrong with the description of a table.
type SpecError struct {
	Table string
	Err   error
}

func (e *SpecError) Error() string { return fmt.Sprintf("table %q: %v", e.Table, e.Err) }
func (e *SpecError) Unwrap() error { return e.Err }

// normal returns the spec with its defaults, or what is wrong with it.
func (s Spec) normal() (Spec, error) {
	if s.Layout == Columns && s.Type == value.Unknown {
		s.Type = value.Hash
	}
	stream := s.Layout == Elements && s.Type == value.Stream
	switch {
	case s.Layout == Columns && s.Type != value.Hash && s.Type != value.JSON:
		return s, fmt.Errorf("layout columns takes keys of type hash or json, not %s: use layout elements or value", s.Type)
	case s.Layout == Elements && !collection(s.Type):
		return s, errors.New("layout elements needs the type of its keys: hash, list, set, zset, stream or timeseries")
	case len(s.Fields) > 0 && s.Layout != Columns && !stream:
		return s, errors.New("columns are for layout columns, and for elements of streams: leave them out")
	case s.Add && s.Layout != Columns:
		return s, errors.New("new_fields is for layout columns: leave it out")
	case s.Mirror && (s.Layout != Elements || s.Type != value.Stream && s.Type != value.TimeSeries):
		return s, errors.New("trim is for elements of streams and time series: leave it out")
	}
	fields := make([]Field, len(s.Fields))
	for i, f := range s.Fields {
		if f.Column == "" {
			f.Column = snakeCase(f.Name)
		}
		if f.Default != nil {
			var v cell
			if !v.parse(f.Format, []byte(*f.Default)) {
				return s, fmt.Errorf("the default %q of column %q is no %s: write one that is, or another type", *f.Default, f.Column, f.Format)
			}
		}
		fields[i] = f
	}
	s.Fields = fields
	return s, nil
}

// takes reports whether keys of type t belong to the table.
func (s *Spec) takes(t value.Type) bool { return s.Type == value.Unknown || s.Type == t }

// table returns the table that the spec describes, with more columns for fields
// that it does not name.
func (s *Spec) table(o Options, more []Field) (*row.Table, error) {
	t := &row.Table{Name: s.Name, ByName: true, History: s.History}
	owners := map[string]string{} // what each column is for, by its name in lower case: warehouses ignore case
	var wrong error
	column := func(c row.Column, what string) {
		id := strings.ToLower(c.Name)
		if other, ok := owners[id]; ok && wrong == nil {
			wrong = fmt.Errorf("%s and %s would both be column %q: name one of them otherwise", other, what, c.Name)
		}
		if strings.HasPrefix(id, "_keylift") && wrong == nil {
			wrong = fmt.Errorf("column %q: names that begin with _keylift are keylift's own", c.Name)
		}
		owners[id] = what
		t.Columns = append(t.Columns, c)
	}
	if o.Databases {
		column(row.Column{Name: "database", Type: row.Int}, "the database")
	}
	column(row.Column{Name: "key", Type: row.String}, "the key")
	if s.Layout == Elements {
		t.Group = len(t.Columns)
		c := elementColumn(s.Type)
		column(c, "the element's "+c.Name)
	}
	t.Keys = len(t.Columns)
	for i := range s.Template.captures {
		c := &s.Template.captures[i]
		column(row.Column{Name: c.name, Type: c.format.Type()}, fmt.Sprintf("capture {%s}", c.name))
	}
	switch s.Layout {
	case Values:
		for _, c := range valueColumns(o) {
			column(c, "the key's "+c.Name)
		}
		return t, wrong
	case Elements:
		for _, c := range s.restOfElement() {
			column(c, "the element's "+c.Name)
		}
		t.Ranked, t.Appends = s.Type == value.SortedSet, s.appends()
	}
	for _, fields := range [][]Field{s.Fields, more} {
		for _, f := range fields {
			column(row.Column{Name: f.Column, Type: f.Format.Type()}, fmt.Sprintf("field %q", f.Name))
		}
	}
	if s.Layout == Columns || s.entryFields() {
		column(row.Column{Name: extraColumn, Type: row.JSON}, "what has no column")
	}
	return t, wrong
}

// appends reports whether entries or samples stay that were trimmed.
func (s *Spec) appends() bool {
	return s.Layout == Elements && (s.Type == value.Stream || s.Type == value.TimeSeries) && !s.Mirror
}

// entryFields reports whether the fields of a stream's entries have columns.
func (s *Spec) entryFields() bool { return s.Layout == Elements && len(s.Fields) > 0 }

// elementColumn returns the column that tells the elements of a key apart.
func elementColumn(t value.Type) row.Column {
	switch t {
	case value.Hash:
		return row.Column{Name: "field", Type: row.String}
	case value.List:
		return row.Column{Name: "position", Type: row.Int}
	case value.Stream:
		return row.Column{Name: "id", Type: row.String}
	case value.TimeSeries:
		return row.Column{Name: "ts", Type: row.UTCDateTime}
	}
	return row.Column{Name: "member", Type: row.String}
}

// restOfElement returns the columns of an element beside the one that names it.
func (s *Spec) restOfElement() []row.Column {
	switch s.Type {
	case value.Hash:
		return []row.Column{{Name: "value", Type: row.String}, {Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue, Expiry: true}}
	case value.List:
		return []row.Column{{Name: "value", Type: row.String}}
	case value.SortedSet, value.TimeSeries:
		name := "score"
		if s.Type == value.TimeSeries {
			name = "value"
		}
		return []row.Column{{Name: name, Type: row.Double}}
	case value.Stream:
		ts := row.Column{Name: "ts", Type: row.UTCDateTime}
		if s.entryFields() {
			return []row.Column{ts}
		}
		return []row.Column{ts, {Name: "fields", Type: row.JSON}}
	}
	return nil
}

// snakeCase returns the column name of a field: lastLogin and "last login" are
// last_login.
func snakeCase(field string) string {
	var b strings.Builder
	var before rune
	for i, r := range field {
		switch {
		case unicode.IsUpper(r):
			if i > 0 && (unicode.IsLower(before) || unicode.IsDigit(before)) {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_':
			if i == 0 && unicode.IsDigit(r) {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
		before = r
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}
