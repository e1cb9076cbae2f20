package table

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// A record collects the fields of one row that have columns, and those that have
// none.
type record struct {
	*sheet
	table *rowTable // with the columns of fields met since
	add   bool      // fields without a column get one
	slots []slot    // by field
	extra []extra
	whole bool   // the only extra is not a member of _extra but all of it
	text  []byte // that slots and extra point into
}

// A slot is what a row has of one field.
type slot struct {
	met  bool // the field was there
	fits bool
	cell cell
	text row.Span // of the cell
}

// An extra is a member of the object in _extra.
type extra struct{ name, json row.Span }

func newRecord(h *sheet) *record {
	return &record{sheet: h, table: h.table, add: h.plan.specs[h.index].Add}
}

// begin forgets the last row.
func (r *record) begin() {
	if cap(r.text) > maxRaw {
		r.text = nil
	}
	r.text, r.extra, r.whole = r.text[:0], r.extra[:0], false
	if len(r.slots) != len(r.table.fields) {
		r.slots = make([]slot, len(r.table.fields))
	}
	clear(r.slots)
}

// entry takes the fields of a stream's entry. Of a name that repeats the last
// counts, and all of them are in _extra.
func (r *record) entry(fields [][]byte) error {
	r.begin()
	if value.Repeats(fields) {
		for i := 0; i+1 < len(fields); i += 2 {
			if n, ok := r.table.numbers[string(fields[i])]; ok {
				r.fill(n, fields[i+1])
			}
		}
		start := len(r.text)
		r.text = value.AppendFields(r.text, fields)
		r.extra, r.whole = append(r.extra, extra{json: row.Span{Start: start, End: len(r.text)}}), true
		return nil
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if err := r.field(fields[i], fields[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// field takes one field.
func (r *record) field(name, val []byte) error {
	n, ok, err := r.number(name)
	if err != nil {
		return err
	}
	if ok && r.fill(n, val) {
		return nil
	}
	at := r.named(name)
	start := len(r.text)
	r.text = row.AppendString(r.text, val)
	r.extra = append(r.extra, extra{at, row.Span{Start: start, End: len(r.text)}})
	return nil
}

// json takes a member of a JSON object.
func (r *record) json(name []byte, v any) error {
	n, ok, err := r.number(name)
	if err != nil {
		return err
	}
	start := len(r.text)
	r.text = appendJSON(r.text, v)
	encoded := row.Span{Start: start, End: len(r.text)}
	if ok {
		text := r.text[start:]
		switch v := v.(type) {
		case nil:
			r.slots[n].met = true // NULL
			return nil
		case string:
			if r.table.fields[n].Format != JSONText {
				text = []byte(v)
			}
		case json.Number, bool, []any, map[string]any:
		}
		if r.fill(n, text) {
			return nil
		}
	}
	r.extra = append(r.extra, extra{r.named(name), encoded})
	return nil
}

// all takes a JSON document that has no members.
func (r *record) all(v any) {
	if r.plan.o.Misfit != nil {
		r.plan.o.Misfit(r.table.Name, extraColumn)
	}
	start := len(r.text)
	r.text = appendJSON(r.text, v)
	r.extra, r.whole = append(r.extra, extra{json: row.Span{Start: start, End: len(r.text)}}), true
}

// number returns the number of a field that has a column, or gets one.
func (r *record) number(name []byte) (n int, ok bool, err error) {
	if n, ok = r.table.numbers[string(name)]; ok || !r.add {
		return n, ok, nil
	}
	to, err := r.plan.add(r.index, string(name))
	if err != nil {
		return 0, false, err
	}
	r.table = to
	r.slots = append(r.slots, make([]slot, len(to.fields)-len(r.slots))...)
	n, ok = to.numbers[string(name)]
	return n, ok, nil
}

// fill puts a value into its column, and reports whether it fits.
func (r *record) fill(n int, val []byte) bool {
	s := &r.slots[n]
	s.met = true
	f := &r.table.fields[n]
	if s.fits = s.cell.parse(f.Format, val); !s.fits {
		if r.plan.o.Misfit != nil {
			r.plan.o.Misfit(r.table.Name, f.Column)
		}
		return false
	}
	start := len(r.text)
	r.text = append(r.text, s.cell.text...)
	s.text = row.Span{Start: start, End: len(r.text)}
	return true
}

func (r *record) named(name []byte) row.Span {
	start := len(r.text)
	r.text = append(r.text, name...)
	return row.Span{Start: start, End: len(r.text)}
}

// write appends the columns of the fields, and _extra, to the batch.
func (r *record) write() {
	b := r.batch
	for n := range r.slots {
		s, c := &r.slots[n], r.table.columns[n]
		switch {
		case s.met && s.fits:
			s.cell.text = r.text[s.text.Start:s.text.End]
			s.cell.append(b, c)
		case s.met || !r.table.defaulted[n]:
			b.AppendNull(c)
		default:
			r.table.defaults[n].append(b, c)
		}
	}
	if len(r.extra) > 0 {
		r.writeExtra(b, len(b.Vectors)-1)
	}
}

func (r *record) writeExtra(b *row.Batch, c int) {
	text := func(s row.Span) []byte { return r.text[s.Start:s.End] }
	start := len(b.Text)
	if r.whole {
		b.Text = append(b.Text, text(r.extra[0].json)...)
		b.AppendSpan(c, start)
		return
	}
	slices.SortFunc(r.extra, func(x, y extra) int { return bytes.Compare(text(x.name), text(y.name)) })
	b.Text = append(b.Text, '{')
	for i, x := range r.extra {
		if i > 0 {
			b.Text = append(b.Text, ',')
		}
		b.Text = append(row.AppendString(b.Text, text(x.name)), ':')
		b.Text = append(b.Text, text(x.json)...)
	}
	b.Text = append(b.Text, '}')
	b.AppendSpan(c, start)
}
