package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// fields writes one row per hash or JSON object, a column per field.
type fields struct {
	ignoring // the methods of other types are not called: the table takes one type
	*sheet
	record   *record
	k        value.Key // without its name
	name     []byte
	document []byte // of type JSON
	bytes    int64
}

func newFields(h *sheet) *fields { return &fields{sheet: h, record: newRecord(h)} }

// Begin notes the key, whose row End writes.
func (f *fields) Begin(k value.Key) error {
	f.name = append(f.name[:0], k.Name...)
	f.k, f.bytes, f.document = k, 0, f.document[:0]
	f.k.Name = nil
	f.record.begin()
	return nil
}

// Field takes a field of a hash.
func (f *fields) Field(field, val []byte, _ time.Time) error {
	if f.fits(len(field) + len(val)) {
		return f.record.field(field, val)
	}
	return nil
}

// String takes a piece of a JSON document.
func (f *fields) String(b []byte) error {
	if f.fits(len(b)) {
		f.document = append(f.document, b...)
	}
	return nil
}

// fits reports whether the row may have n bytes more.
func (f *fields) fits(n int) bool {
	f.bytes += int64(n)
	if f.bytes > f.plan.o.MaxValueBytes {
		f.exceed()
	}
	return !f.over
}

func (f *fields) exceed() {
	f.over = true
	f.document = nil
	f.record.begin()
}

// End writes the row. What is too long for one leaves the row as it was.
func (f *fields) End() error {
	if f.over {
		f.mark(f.k.Database, f.name, row.Keep)
		return nil
	}
	if f.k.Type == value.JSON {
		if err := f.parse(); err != nil {
			return err
		}
	}
	f.widen(f.record.table)
	f.sheet.name(f.k.Database, f.name)
	f.capture(f.owner, f.name)
	f.record.write()
	f.batch.EndRow(row.Upsert)
	return nil
}

// parse takes the fields of the document. One that is no object has none: all of
// it goes into _extra.
func (f *fields) parse() error {
	d := json.NewDecoder(bytes.NewReader(f.document))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		v = string(f.document)
	}
	object, ok := v.(map[string]any)
	if !ok {
		f.record.all(v)
		return nil
	}
	for name, val := range object {
		if err := f.record.json([]byte(name), val); err != nil {
			return err
		}
	}
	return nil
}
