package row

import (
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// An Op is what a row of a batch does to its table.
type Op uint8

const (
	// Upsert writes the whole row.
	Upsert Op = iota
	// Delete says that the Redis key is gone from the source. Only the columns that
	// name it are filled. In a table with a Group all rows of the key are gone but
	// for those that follow: a Delete and then the elements there are make a key new.
	Delete
	// Keep says that the Redis key is there but could not be read, or not whole: its
	// rows stay as they are but for those that are written, and a snapshot does not
	// delete them. Only the columns that name the key are filled.
	Keep
	// Stay is a Keep of a key that is not set aside: it was read, and the rows that
	// are not written again are right, or it is counted by a Keep in another table.
	Stay
)

// Keeps reports whether op leaves rows as they are: Keep or Stay.
func (op Op) Keeps() bool { return op == Keep || op == Stay }

// A Span is a piece of text in a batch's arena.
type Span struct{ Start, End int }

// A Vector holds one column of a batch. Exactly one of Ints, Floats and Spans is
// used, as the column's Type says; it and Null have one entry a row.
type Vector struct {
	Null   []bool
	Ints   []int64
	Floats []float64
	Spans  []Span
}

// A Batch is a run of changes to one table, in source order, column by column.
// It is built and read by one goroutine at a time.
type Batch struct {
	Table   *Table
	Ops     []Op     // one a row
	Vectors []Vector // one a column of Table
	Hash    []uint64 // content hash a row, see Batch.HashRow; 1 for Stay, 0 for Delete and Keep
	Text    []byte   // the arena that Spans point into
	After   Position // where to resume once this batch and all before it are durable; Generation is always set
	Closes  Boundary
	// Scope is set when Closes is Snapshot.
	Scope Scope

	names []uint64 // hashes of the columns' names, where Table goes ByName
	memos []memo   // one a column of text
}

// A Scope reports whether a complete snapshot has looked for the key of row i of
// b, a batch of rows that the destination holds and the snapshot did not
// deliver. Where it says no, the row's absence means nothing and the row stays.
// Only the key columns and those marked InScope need be filled.
type Scope func(b *Batch, i int) bool

var batches sync.Pool

// NewBatch returns an empty batch for t, reusing memory of released ones.
func NewBatch(t *Table) *Batch {
	b, _ := batches.Get().(*Batch)
	if b == nil {
		b = &Batch{}
	}
	b.Table = t
	for len(b.Vectors) < len(t.Columns) {
		b.Vectors = append(b.Vectors, Vector{})
	}
	b.Vectors = b.Vectors[:len(t.Columns)]
	b.prepare()
	return b
}

// prepare makes ready what hashes of rows take beside the vectors.
func (b *Batch) prepare() {
	n := len(b.Table.Columns)
	b.memos = slices.Grow(b.memos[:0], n)[:n]
	b.forget()
	b.names = b.names[:0]
	if b.Table.ByName {
		for i := range n {
			b.names = append(b.names, xxhash.Sum64String(b.Table.Columns[i].Name))
		}
	}
}

// Widen makes the rows those of t, which has the columns of the batch's table in
// their order, and more, anywhere among them, which become NULL. Both tables go
// ByName, so that hashes stay as they are; no row has been begun.
func (b *Batch) Widen(t *Table) {
	had, narrow := b.Vectors, b.Table.Columns
	b.Table, b.Vectors = t, make([]Vector, len(t.Columns))
	at := 0
	for c := range t.Columns {
		if at < len(narrow) && narrow[at].Name == t.Columns[c].Name {
			b.Vectors[c] = had[at]
			at++
			continue
		}
		for range b.Ops {
			b.AppendNull(c)
		}
	}
	b.prepare()
}

// maxPooledBytes is the largest arena kept for reuse; one huge value must not
// hold its memory for the rest of a run.
const maxPooledBytes = 8 << 20

// Release gives the batch's memory back. The batch must not be used afterwards.
func (b *Batch) Release() {
	if cap(b.Text) > maxPooledBytes {
		return
	}
	vectors := b.Vectors[:cap(b.Vectors)]
	for i := range vectors {
		v := &vectors[i]
		v.Null, v.Ints, v.Floats, v.Spans = v.Null[:0], v.Ints[:0], v.Floats[:0], v.Spans[:0]
	}
	*b = Batch{Ops: b.Ops[:0], Vectors: vectors, Hash: b.Hash[:0], Text: b.Text[:0], names: b.names, memos: b.memos}
	batches.Put(b)
}

// Len returns the number of finished rows.
func (b *Batch) Len() int { return len(b.Ops) }

// Bytes returns about how much memory the batch's rows take.
func (b *Batch) Bytes() int64 {
	return int64(len(b.Text)) + int64(len(b.Ops))*int64(9+18*len(b.Vectors))
}

// AppendInt adds a value to column c, which is Boolean, Int or UTCDateTime.
func (b *Batch) AppendInt(c int, v int64) {
	vec := &b.Vectors[c]
	vec.Ints, vec.Null = append(vec.Ints, v), append(vec.Null, false)
}

// AppendFloat adds a value to column c, which is Double.
func (b *Batch) AppendFloat(c int, v float64) {
	vec := &b.Vectors[c]
	vec.Floats, vec.Null = append(vec.Floats, v), append(vec.Null, false)
}

// AppendSpan adds to text column c what was appended to Text from start on.
func (b *Batch) AppendSpan(c, start int) {
	vec := &b.Vectors[c]
	vec.Spans, vec.Null = append(vec.Spans, Span{start, len(b.Text)}), append(vec.Null, false)
}

// Share adds to text column c a piece of Text that another row has, too.
func (b *Batch) Share(c int, s Span) {
	vec := &b.Vectors[c]
	vec.Spans, vec.Null = append(vec.Spans, s), append(vec.Null, false)
}

// AppendText copies text into the arena and adds it to text column c.
func (b *Batch) AppendText(c int, text string) {
	start := len(b.Text)
	b.Text = append(b.Text, text...)
	b.AppendSpan(c, start)
}

// AppendNull adds NULL to column c.
func (b *Batch) AppendNull(c int) {
	vec := &b.Vectors[c]
	switch b.Table.Columns[c].Type {
	case Boolean, Int, UTCDateTime:
		vec.Ints = append(vec.Ints, 0)
	case Double:
		vec.Floats = append(vec.Floats, 0)
	default:
		vec.Spans = append(vec.Spans, Span{})
	}
	vec.Null = append(vec.Null, true)
}

// EndRow finishes the row whose columns have been appended and computes its hash.
// Columns left out become NULL.
func (b *Batch) EndRow(op Op) {
	n := len(b.Ops) + 1
	for c := range b.Vectors {
		if len(b.Vectors[c].Null) < n {
			b.AppendNull(c)
		}
	}
	b.Ops = append(b.Ops, op)
	var h uint64
	switch op {
	case Upsert:
		h = b.HashRow(n - 1)
	case Stay:
		h = 1
	}
	b.Hash = append(b.Hash, h)
}

// Truncate drops all rows but the first rows, and of Text all but the first text
// bytes.
func (b *Batch) Truncate(rows, text int) {
	b.Ops, b.Hash = b.Ops[:rows], b.Hash[:rows]
	b.DropRow(text)
}

// DropRow discards columns appended since the last EndRow, and the text that
// was appended from start on.
func (b *Batch) DropRow(start int) {
	n := len(b.Ops)
	for c := range b.Vectors {
		v := &b.Vectors[c]
		v.Null = v.Null[:n]
		v.Ints = v.Ints[:min(n, len(v.Ints))]
		v.Floats = v.Floats[:min(n, len(v.Floats))]
		v.Spans = v.Spans[:min(n, len(v.Spans))]
	}
	b.Text = b.Text[:start]
	b.forget()
}

// TextAt returns the text of column c in row i, valid until the batch changes;
// nil for NULL.
func (b *Batch) TextAt(c, i int) []byte {
	v := &b.Vectors[c]
	if v.Null[i] {
		return nil
	}
	s := v.Spans[i]
	if s.Start == s.End {
		return []byte{} // the arena may be nil
	}
	return b.Text[s.Start:s.End:s.End]
}
