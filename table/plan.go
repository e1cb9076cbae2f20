package table

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// Options are what all tables of a plan depend on.
type Options struct {
	Default   string // name of the table of keys that match no template
	Skip      bool   // there is none: such keys are no rows
	Databases bool   // more than one database is read: the database joins the key
	// ExpiryTolerance is how far expiries may differ and still count as unmoved:
	// zero where the server tells them exactly.
	ExpiryTolerance time.Duration
	// MaxValueBytes is how long a text may be: a longer value is NULL.
	MaxValueBytes int64
	// Misfit is told of each value that does not fit its column's type, which is NULL
	// and goes into _extra. Several goroutines may call it at a time. nil: nobody is.
	Misfit func(table, column string)
}

// A Plan says which keys feed which tables. It is safe for concurrent use.
type Plan struct {
	o     Options
	specs []Spec
	roots node                       // of the templates' prefixes
	now   []atomic.Pointer[rowTable] // by spec, then the default table's
	mu    sync.Mutex                 // held to change now

	appends bool // a table does
}

// A rowTable is a table as it is now, and its fields. It is not changed.
type rowTable struct {
	*row.Table
	fields    []Field        // those of the spec, then those added since
	numbers   map[string]int // of fields
	columns   []int          // by field, as the following are
	defaulted []bool         // there is a default
	defaults  []cell
}

// NewPlan makes the plan of tables whose specs are tried in order. The error is a
// *SpecError.
func NewPlan(specs []Spec, o Options) (*Plan, error) {
	p := &Plan{o: o, now: make([]atomic.Pointer[rowTable], len(specs)+1)}
	names := map[string]bool{}
	if !o.Skip {
		names[strings.ToLower(o.Default)] = true
		p.now[len(specs)].Store(&rowTable{Table: Value(o.Default, o)})
	}
	for i, s := range specs {
		s, err := s.normal()
		if err == nil && names[strings.ToLower(s.Name)] {
			err = fmt.Errorf("another table has the same name: give each its own")
		}
		if err == nil {
			err = p.fit(i, &s, nil)
		}
		if err != nil {
			return nil, &SpecError{s.Name, err}
		}
		names[strings.ToLower(s.Name)] = true
		p.specs = append(p.specs, s)
		p.roots.add(s.Template.prefix, i)
		p.appends = p.appends || s.appends()
	}
	if o.Skip && len(specs) == 0 {
		return nil, &SpecError{o.Default, fmt.Errorf("no table is left: without templates, unmatched keys need one")}
	}
	return p, nil
}

// fit makes the table of a spec as it is now.
func (p *Plan) fit(i int, s *Spec, more []Field) error {
	t, err := s.table(p.o, more)
	if err != nil {
		return err
	}
	now := &rowTable{Table: t, fields: slices.Concat(s.Fields, more), numbers: map[string]int{}}
	for n, f := range now.fields {
		if _, ok := now.numbers[f.Name]; ok {
			return fmt.Errorf("field %q has two columns: keep one", f.Name)
		}
		now.numbers[f.Name] = n
		var v cell
		if f.Default != nil {
			v.parse(f.Format, []byte(*f.Default))
		}
		now.columns = append(now.columns, t.Column(f.Column))
		now.defaulted = append(now.defaulted, f.Default != nil)
		now.defaults = append(now.defaults, v)
	}
	p.now[i].Store(now)
	return nil
}

// Tables returns the tables as they are now, that of unmatched keys first.
func (p *Plan) Tables() []*row.Table {
	var tables []*row.Table
	if t := p.now[len(p.specs)].Load(); t != nil {
		tables = append(tables, t.Table)
	}
	for i := range p.specs {
		tables = append(tables, p.now[i].Load().Table)
	}
	return tables
}

// Types returns, by table, the names of the types of keys whose tables do not tell
// them row by row.
func (p *Plan) Types() map[string]string {
	types := map[string]string{}
	for i := range p.specs {
		if s := &p.specs[i]; s.Layout != Values {
			types[s.Name] = s.Type.String()
		}
	}
	return types
}

// Fingerprint identifies the specs: which keys feed which tables, and how.
func (p *Plan) Fingerprint() string {
	if len(p.specs) == 0 {
		return ""
	}
	var b strings.Builder
	for i := range p.specs {
		s := &p.specs[i]
		fmt.Fprintf(&b, "%q %q %d %d %t %t\n", s.Name, s.Template, s.Layout, s.Type, s.Add, s.Mirror)
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "\t%q %q %d", f.Name, f.Column, f.Format)
			if f.Default != nil {
				fmt.Fprintf(&b, " %q", *f.Default)
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "%t", p.o.Skip)
	return b.String()
}

// add gives a field of spec i, which has none, a column.
func (p *Plan) add(i int, field string) (*rowTable, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, now := &p.specs[i], p.now[i].Load()
	if _, ok := now.numbers[field]; ok {
		return now, nil
	}
	text := string(row.AppendText(nil, []byte(field)))
	more := append(slices.Clone(now.fields[len(s.Fields):]), Field{Name: field, Column: snakeCase(text), Format: Text})
	if err := p.fit(i, s, more); err != nil {
		return nil, &SpecError{s.Name, err}
	}
	return p.now[i].Load(), nil
}

// A route is the way of one key. Its memory is used again for the next.
type route struct {
	table  int        // index of the key's table; that of unmatched keys is the last; -1: none
	pieces []row.Span // of the name, that the template captures
	found  []int      // specs whose prefixes fit
}

// find finds the table of a key of type t.
func (r *route) find(p *Plan, name []byte, t value.Type) {
	r.pieces = r.pieces[:0]
	if len(p.specs) == 0 {
		r.table = p.unmatched()
		return
	}
	r.found = p.roots.find(name, r.found[:0])
	for _, i := range r.found {
		s := &p.specs[i]
		if !s.takes(t) {
			continue
		}
		var ok bool
		if r.pieces, ok = s.Template.Match(name, r.pieces[:0]); ok {
			r.table = i
			return
		}
	}
	r.table, r.pieces = p.unmatched(), r.pieces[:0]
}

// unmatched returns the index of the table of unmatched keys, -1: there is none.
func (p *Plan) unmatched() int {
	if p.o.Skip {
		return -1
	}
	return len(p.specs)
}

// every returns the tables that a key may have rows in, whatever its type.
func (p *Plan) every(name []byte) []int {
	var all []int
	for _, i := range p.roots.find(name, nil) {
		if _, ok := p.specs[i].Template.Match(name, nil); !ok {
			continue
		}
		if all = append(all, i); p.specs[i].Type == value.Unknown {
			return all
		}
	}
	if i := p.unmatched(); i >= 0 {
		all = append(all, i)
	}
	return all
}

// Appends reports whether a key of the name may be in a table whose rows are only
// added to: so that of a stream or time series no more need be read than what came
// behind its Tail.
func (p *Plan) Appends(name []byte) bool {
	if !p.appends {
		return false
	}
	for _, i := range p.roots.find(name, nil) {
		if s := &p.specs[i]; s.appends() {
			if _, ok := s.Template.Match(name, nil); ok {
				return true
			}
		}
	}
	return false
}

// Reads reports whether a key of the name may be a row of any table.
func (p *Plan) Reads(name []byte) bool { return !p.o.Skip || len(p.every(name)) > 0 }

// Unreachable returns a sentence for each table that no key can reach because an
// earlier template takes all that match its own.
func (p *Plan) Unreachable() []string {
	var found []string
	for i := range p.specs {
		for j := range i {
			a, b := &p.specs[j], &p.specs[i]
			if a.Template.matchesAll(b.Template) && (a.Type == value.Unknown || a.Type == b.Type) {
				found = append(found, fmt.Sprintf("no key reaches table %q: table %q, which comes first, takes all that match %s; put the narrower template first", b.Name, a.Name, b.Template))
				break
			}
		}
	}
	return found
}
