package row_test

import (
	"math"
	"slices"
	"testing"

	"github.com/keylift/keylift/row"
)

var everyType = &row.Table{
	Name: "everything",
	Keys: 2,
	Columns: []row.Column{
		{Name: "database", Type: row.Int},
		{Name: "key", Type: row.String},
		{Name: "yes", Type: row.Boolean},
		{Name: "real", Type: row.Double},
		{Name: "exact", Type: row.Decimal},
		{Name: "moment", Type: row.UTCDateTime},
		{Name: "document", Type: row.JSON},
		{Name: "ttl", Type: row.Int, Compare: row.Never},
		{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue},
	},
}

// appendFull adds the row of player:1, whose columns are all set.
func appendFull(b *row.Batch) {
	b.AppendInt(0, 7)
	b.AppendText(1, "player:1")
	b.AppendInt(2, 1)
	b.AppendFloat(3, 1.5)
	b.AppendText(4, "12.50")
	b.AppendInt(5, 1_700_000_000_000_000)
	b.AppendText(6, `{"a":1}`)
	b.AppendInt(7, 60)
	b.AppendInt(8, 1_700_000_060_000_000)
	b.EndRow(row.Upsert)
}

func TestBatch(t *testing.T) {
	b := row.NewBatch(everyType)
	appendFull(b)
	b.AppendInt(0, 7)
	b.AppendText(1, "")
	b.EndRow(row.Delete)
	b.AppendInt(0, 8)
	b.AppendText(1, "player:2")
	b.AppendNull(2)
	b.EndRow(row.Keep)
	start := len(b.Text)
	b.Text = append(b.Text, "player:"...)
	b.Text = append(b.Text, '3')
	b.AppendSpan(1, start)
	b.AppendFloat(3, math.Inf(1))
	b.AppendText(6, "null")
	b.AppendInt(0, 9)
	b.EndRow(row.Upsert)

	if b.Len() != 4 || !slices.Equal(b.Ops, []row.Op{row.Upsert, row.Delete, row.Keep, row.Upsert}) {
		t.Fatalf("%d rows, ops %v", b.Len(), b.Ops)
	}
	for c := range everyType.Columns {
		if n := len(b.Vectors[c].Null); n != 4 {
			t.Errorf("column %d has %d values", c, n)
		}
	}
	nulls := []bool{false, true, true, true}
	for c, want := range map[int][]bool{0: {false, false, false, false}, 1: {false, false, false, false}, 2: nulls, 4: nulls, 5: nulls, 7: nulls} {
		if got := b.Vectors[c].Null; !slices.Equal(got, want) {
			t.Errorf("column %d: NULL in %v, want %v", c, got, want)
		}
	}
	if got := b.Vectors[0].Ints; !slices.Equal(got, []int64{7, 7, 8, 9}) {
		t.Errorf("ints: %v", got)
	}
	if got := b.Vectors[3].Floats; !slices.Equal(got, []float64{1.5, 0, 0, math.Inf(1)}) {
		t.Errorf("floats: %v", got)
	}
	for i, want := range []string{"player:1", "", "player:2", "player:3"} {
		if got := b.TextAt(1, i); string(got) != want || got == nil {
			t.Errorf("key of row %d: %q (nil: %t), want %q", i, got, got == nil, want)
		}
	}
	if got := b.TextAt(6, 1); got != nil {
		t.Errorf("text of a NULL: %q", got)
	}
	if b.Hash[0] == 0 || b.Hash[1] != 0 || b.Hash[2] != 0 || b.Hash[3] == 0 {
		t.Errorf("hashes: %x", b.Hash)
	}
	// What is appended to a text does not run into the next one.
	_ = append(b.TextAt(1, 0), "overwritten"...)
	if got := b.TextAt(4, 0); string(got) != "12.50" {
		t.Errorf("the next text became %q", got)
	}
}

func TestBatch_TextAt_empty(t *testing.T) {
	for range 100 { // whatever the pool gives
		b := row.NewBatch(&row.Table{Name: "keys", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}, {Name: "value", Type: row.String}}})
		b.AppendText(0, "")
		b.AppendNull(1)
		b.EndRow(row.Upsert)
		if b.TextAt(0, 0) == nil || b.TextAt(1, 0) != nil {
			t.Fatalf("empty text is nil: %t; NULL is nil: %t", b.TextAt(0, 0) == nil, b.TextAt(1, 0) == nil)
		}
	}
}

func TestBatch_DropRow(t *testing.T) {
	b := row.NewBatch(everyType)
	appendFull(b)
	hash, text := b.Hash[0], len(b.Text)
	for columns := range everyType.Columns {
		start := len(b.Text)
		for c := range columns + 1 {
			switch everyType.Columns[c].Type {
			case row.Boolean, row.Int, row.UTCDateTime:
				b.AppendInt(c, 99)
			case row.Double:
				b.AppendFloat(c, 99)
			default:
				b.AppendText(c, "dropped")
			}
		}
		b.DropRow(start)
		if b.Len() != 1 || len(b.Text) != text {
			t.Fatalf("%d columns dropped: %d rows, %d bytes of text", columns+1, b.Len(), len(b.Text))
		}
		b.DropRow(len(b.Text)) // nothing to drop
	}
	appendFull(b)
	if b.Hash[1] != hash || b.HashRow(0) != hash || string(b.TextAt(1, 1)) != "player:1" || string(b.TextAt(6, 1)) != `{"a":1}` {
		t.Errorf("the row after dropped ones: hash %x, want %x, key %q", b.Hash[1], hash, b.TextAt(1, 1))
	}
}

// TestBatch_Release reuses batches for tables of fewer, more and other columns.
func TestBatch_Release(t *testing.T) {
	narrow := &row.Table{Name: "narrow", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.Double}}}
	other := &row.Table{Name: "other", Keys: 1, Columns: []row.Column{{Name: "key", Type: row.String}, {Name: "value", Type: row.Int}, {Name: "text", Type: row.JSON}}}
	fresh := row.NewBatch(everyType)
	appendFull(fresh)
	for range 50 {
		for _, table := range []*row.Table{everyType, narrow, other, everyType, other, narrow} {
			b := row.NewBatch(table)
			if b.Table != table || b.Len() != 0 || len(b.Text) != 0 || len(b.Hash) != 0 || len(b.Vectors) != len(table.Columns) ||
				b.Closes != row.None || b.Scope != nil || !b.After.IsZero() {
				t.Fatalf("a new batch is not empty: %+v", b)
			}
			for c, v := range b.Vectors {
				if len(v.Null)+len(v.Ints)+len(v.Floats)+len(v.Spans) != 0 {
					t.Fatalf("column %d of a new batch is not empty: %+v", c, v)
				}
			}
			switch table {
			case everyType:
				appendFull(b)
				if b.Hash[0] != fresh.Hash[0] || b.HashKey(0) != fresh.HashKey(0) {
					t.Fatalf("hash %x in a reused batch, %x in a fresh one", b.Hash[0], fresh.Hash[0])
				}
			case narrow:
				b.AppendFloat(0, 1)
				b.EndRow(row.Upsert)
			case other:
				b.AppendText(0, "a")
				b.AppendInt(1, 5)
				b.EndRow(row.Upsert)
			}
			b.After, b.Closes, b.Scope = row.Position{Generation: 1, Token: "x"}, row.Snapshot, func(*row.Batch, int) bool { return true }
			b.Release()
		}
	}
}

func TestBatch_Bytes(t *testing.T) {
	b := row.NewBatch(everyType)
	empty := b.Bytes()
	appendFull(b)
	one := b.Bytes()
	if empty != 0 || one < 100 || one > 500 {
		t.Errorf("Bytes: %d when empty, %d with one row", empty, one)
	}
}

func TestType_String(t *testing.T) {
	for typ, want := range map[row.Type]string{
		row.Boolean: "BOOLEAN", row.Int: "INT", row.Double: "DOUBLE", row.Decimal: "DECIMAL", row.UTCDateTime: "UTC_DATETIME",
		row.String: "STRING", row.JSON: "JSON", 0: "Type(0)", 8: "Type(8)", 255: "Type(255)",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type %d is %q, want %q", uint8(typ), got, want)
		}
	}
}

func TestTable_Column(t *testing.T) {
	if got := everyType.Column("moment"); got != 5 {
		t.Errorf(`Column("moment") = %d`, got)
	}
	if got := everyType.Column("Moment"); got != -1 {
		t.Errorf(`Column("Moment") = %d`, got)
	}
}

func TestPosition_IsZero(t *testing.T) {
	if !(row.Position{}).IsZero() || (row.Position{Generation: 1}).IsZero() || (row.Position{Token: "x"}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
