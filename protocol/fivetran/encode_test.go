package fivetran

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
)

var everyType = &row.Table{
	Name: "every type",
	Keys: 2,
	Columns: []row.Column{
		{Name: "database", Type: row.Int},
		{Name: "key", Type: row.String},
		{Name: "yes", Type: row.Boolean},
		{Name: "real", Type: row.Double},
		{Name: "exact", Type: row.Decimal},
		{Name: "moment", Type: row.UTCDateTime},
		{Name: "document", Type: row.JSON},
		{Name: "schlüssel", Type: row.String},
	},
}

// fill appends rows of every type, their extremes and NULL.
func fill(b *row.Batch) {
	for i, n := range []int64{0, 1, -1, 127, 128, math.MaxInt64, math.MinInt64} {
		b.AppendInt(0, n)
		b.AppendText(1, strings.Repeat("k", i*40))
		b.AppendInt(2, int64(i%2))
		b.AppendFloat(3, []float64{0, -0.5, math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, math.MaxFloat64, 1}[i])
		b.AppendText(4, "-12.50")
		// The year 9999, moments before 1970, and the second itself.
		b.AppendInt(5, []int64{0, 1, -1, 1_700_000_000_000_000, 1_700_000_000_123_456, 253402300799_999_000, -62135596800_000_000}[i])
		b.AppendText(6, `{"a":[1,"ü"]}`)
		b.AppendText(7, strings.Repeat("ä\n\"", i*5000))
		b.EndRow(row.Upsert)
	}
	b.AppendInt(0, 5)
	b.AppendText(1, "nothing else")
	b.EndRow(row.Upsert) // the rest is NULL
	b.AppendInt(0, 5)
	b.AppendText(1, "gone")
	b.EndRow(row.Delete)
}

// expected builds the record of row i from the generated types.
func expected(b *row.Batch, i int, typ sdk.RecordType, without string) *sdk.Record {
	r := &sdk.Record{TableName: b.Table.Name, Type: typ, Data: map[string]*sdk.ValueType{}}
	for c, col := range b.Table.Columns {
		if col.Name == without || typ == sdk.RecordType_DELETE && c >= b.Table.Keys {
			continue
		}
		v, value := &b.Vectors[c], &sdk.ValueType{}
		switch {
		case v.Null[i]:
			value.Inner = &sdk.ValueType_Null{Null: true}
		case col.Type == row.Boolean:
			value.Inner = &sdk.ValueType_Bool{Bool: v.Ints[i] != 0}
		case col.Type == row.Int:
			value.Inner = &sdk.ValueType_Long{Long: v.Ints[i]}
		case col.Type == row.Double:
			value.Inner = &sdk.ValueType_Double{Double: v.Floats[i]}
		case col.Type == row.Decimal:
			value.Inner = &sdk.ValueType_Decimal{Decimal: string(b.TextAt(c, i))}
		case col.Type == row.UTCDateTime:
			seconds := int64(math.Floor(float64(v.Ints[i]) / 1e6))
			value.Inner = &sdk.ValueType_UtcDatetime{UtcDatetime: &timestamppb.Timestamp{
				Seconds: seconds, Nanos: int32((v.Ints[i] - seconds*1e6) * 1000),
			}}
		case col.Type == row.String:
			value.Inner = &sdk.ValueType_String_{String_: string(b.TextAt(c, i))}
		case col.Type == row.JSON:
			value.Inner = &sdk.ValueType_Json{Json: string(b.TextAt(c, i))}
		}
		r.Data[col.Name] = value
	}
	return r
}

// received decodes what a batcher sends.
type received struct {
	t         *testing.T
	responses []*sdk.UpdateResponse
	sizes     []int
}

func (r *received) send(v any) error {
	r.t.Helper()
	data, err := newCodec().Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	defer data.Free()
	response := &sdk.UpdateResponse{}
	if err := proto.Unmarshal(data.Materialize(), response); err != nil {
		r.t.Fatal(err)
	}
	r.responses, r.sizes = append(r.responses, response), append(r.sizes, data.Len())
	return nil
}

func (r *received) records() (all []*sdk.Record) {
	for _, response := range r.responses {
		all = append(all, response.GetRecords().GetRecords()...)
	}
	return all
}

// The wire form of every row is what the generated types decode to the same message.
func TestBatcher_row(t *testing.T) {
	for name, without := range map[string]string{"all columns": "", "one deselected": "document"} {
		t.Run(name, func(t *testing.T) {
			r := &received{t: t}
			w := newBatcher(r.send)
			e := newTableEncoder(everyType, func(column string) bool { return column != without })
			b := row.NewBatch(everyType)
			fill(b)
			want := []*sdk.Record{{TableName: "every type", Type: sdk.RecordType_TRUNCATE}}
			if err := w.truncate(e); err != nil {
				t.Fatal(err)
			}
			for range 30 {
				for i, op := range b.Ops {
					typ := sdk.RecordType_UPSERT
					if op == row.Delete {
						typ = sdk.RecordType_DELETE
					}
					if err := w.row(e, b, i, typ); err != nil {
						t.Fatal(err)
					}
					want = append(want, expected(b, i, typ, without))
				}
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			got := r.records()
			if len(got) != len(want) {
				t.Fatalf("%d records, want %d", len(got), len(want))
			}
			for i := range want {
				if !proto.Equal(got[i], want[i]) {
					t.Fatalf("record %d:\n got %.300v\nwant %.300v", i, got[i], want[i])
				}
			}
			for i, response := range r.responses {
				if n := len(response.GetRecords().GetRecords()); n == 0 || n > maxRecords || r.sizes[i] > fullBytes+100 {
					t.Errorf("message %d has %d records and %d bytes", i, n, r.sizes[i])
				}
			}
			if w.messages != int64(len(r.responses)) || w.sent != int64(len(want)) {
				t.Errorf("counted %d messages, %d records; sent %d, %d", w.messages, w.sent, len(r.responses), len(want))
			}
		})
	}
}

// A row longer than a message may be loses its longest value; one whose key alone
// is, is not sent.
func TestBatcher_row_tooLong(t *testing.T) {
	table := &row.Table{Name: "t", Keys: 1, Columns: []row.Column{
		{Name: "key", Type: row.String},
		{Name: "small", Type: row.String},
		{Name: "value", Type: row.String},
		{Name: "size", Type: row.Int},
	}}
	b := row.NewBatch(table)
	huge := strings.Repeat("x", 4970)
	for _, r := range []struct{ key, value string }{{"a", "1"}, {"b", huge}, {huge, "2"}, {huge + strings.Repeat("x", 30), "3"}, {"c", "4"}} {
		b.AppendText(0, r.key)
		b.AppendText(1, "small")
		b.AppendText(2, r.value)
		b.AppendInt(3, int64(len(r.value)))
		b.EndRow(row.Upsert)
	}
	r := &received{t: t}
	w := newBatcher(r.send)
	w.limit = 5000
	e := newTableEncoder(table, func(string) bool { return true })
	for i := range b.Ops {
		if err := w.row(e, b, i, sdk.RecordType_UPSERT); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	got := r.records()
	if len(got) != 3 || w.shortened != 1 || w.dropped != 2 {
		t.Fatalf("%d records, %d shortened, %d dropped", len(got), w.shortened, w.dropped)
	}
	if d := got[1].Data; d["key"].GetString_() != "b" || !d["value"].GetNull() || d["small"].GetString_() != "small" || d["size"].GetLong() != int64(len(huge)) {
		t.Errorf("got %.200v", got[1])
	}
}

func BenchmarkBatcher(b *testing.B) {
	table := &row.Table{Name: "redis_data", Keys: 1, Columns: []row.Column{
		{Name: "key", Type: row.String},
		{Name: "value", Type: row.String},
		{Name: "data_type", Type: row.String},
		{Name: "ttl", Type: row.Int},
		{Name: "expires_at", Type: row.UTCDateTime},
		{Name: "last_modified", Type: row.UTCDateTime},
		{Name: "size", Type: row.Int},
	}}
	batch := row.NewBatch(table)
	for range 1000 {
		batch.AppendText(0, "player:12345:profile")
		batch.AppendText(1, strings.Repeat(`"field":"value",`, 25))
		batch.AppendText(2, "hash")
		batch.AppendInt(3, -1)
		batch.AppendNull(4)
		batch.AppendInt(5, 1_700_000_000_123_456)
		batch.AppendInt(6, 10)
		batch.EndRow(row.Upsert)
	}
	c := newCodec()
	w := newBatcher(func(v any) error {
		data, err := c.Marshal(v)
		data.Free()
		return err
	})
	e := newTableEncoder(table, func(string) bool { return true })
	b.SetBytes(batch.Bytes())
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch.Ops {
			if err := w.row(e, batch, i, sdk.RecordType_UPSERT); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
}
