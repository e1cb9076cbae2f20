package table

import (
	"github.com/keylift/keylift/row"
)

// A sheet is the batch of one table as it is filled, key after key.
type sheet struct {
	plan  *Plan
	index int // of the table in the plan
	table *rowTable
	owner int // columns that name a key: its database, where there are several, and its name

	batch *row.Batch // nil after take
	// Where the rows of the present key begin.
	rows, text int
	pieces     []row.Span // of the present key's name, that are captured
	fresh      bool       // the batch has nothing of the present key yet
	over       bool       // the present key has what no cell may hold
}

// of returns h, from whatever holds one.
func (h *sheet) of() *sheet { return h }

// repeats reports that an element that comes twice would be there twice.
func (h *sheet) repeats() bool { return false }

// ready makes sure that there is a batch.
func (h *sheet) ready() {
	if h.batch == nil {
		h.batch, h.fresh = row.NewBatch(h.table.Table), true
	}
}

// widen goes on with a table that has more columns.
func (h *sheet) widen(to *rowTable) {
	if to == h.table {
		return
	}
	h.table = to
	h.batch.Widen(to.Table)
}

// begin notes where the rows of the present key begin.
func (h *sheet) begin() { h.rows, h.text, h.over = h.batch.Len(), len(h.batch.Text), false }

// drop gives up the rows of the present key.
func (h *sheet) drop() {
	if h.batch != nil {
		h.batch.Truncate(h.rows, h.text)
	}
}

// take returns the batch, if it has rows, and begins anew; otherwise nil.
func (h *sheet) take() *row.Batch {
	b := h.batch
	if b == nil || b.Len() == 0 {
		return nil
	}
	h.batch = nil
	return b
}

// mark writes a row that only names its key.
func (h *sheet) mark(database int, name []byte, op row.Op) {
	h.ready()
	h.name(database, name)
	h.batch.EndRow(op)
}

// name appends the columns that name a key.
func (h *sheet) name(database int, name []byte) {
	b := h.batch
	if h.owner > 1 {
		b.AppendInt(h.owner-2, int64(database))
	}
	start := len(b.Text)
	b.Text = row.AppendText(b.Text, name)
	b.AppendSpan(h.owner-1, start)
}

// captures returns the template's captures.
func (h *sheet) captures() []capture {
	if h.index == len(h.plan.specs) {
		return nil
	}
	return h.plan.specs[h.index].Template.captures
}

// capture appends what was captured of a name, to the columns from c on.
func (h *sheet) capture(c int, name []byte) {
	for i := range h.captures() {
		s := h.pieces[i]
		var v cell
		if v.parse(h.captures()[i].format, name[s.Start:s.End]) {
			v.append(h.batch, c+i)
		} else {
			h.batch.AppendNull(c + i)
		}
	}
}
