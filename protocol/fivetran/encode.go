package fivetran

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
)

// Field numbers of connector.proto that records are encoded with.
const (
	responseRecords = 6 // UpdateResponse.records
	recordsRecord   = 1 // Records.records
	recordTable     = 2 // Record.table_name
	recordType      = 3 // Record.type
	recordData      = 4 // Record.data, a map
	entryKey        = 1 // of a map's entry
	entryValue      = 2

	valueNull     = 1 // fields of ValueType
	valueBool     = 2
	valueLong     = 5
	valueDouble   = 7
	valueDateTime = 10
	valueDecimal  = 11
	valueString   = 13
	valueJSON     = 14

	timeSeconds = 1 // fields of Timestamp
	timeNanos   = 2
)

// A tableEncoder writes rows of one table as the wire form of Records.records.
// What does not depend on a row is encoded beforehand.
type tableEncoder struct {
	table   *row.Table
	head    []byte // the record's field table_name
	columns []columnEncoder
	sizes   []int // of the values of one row, by column; -1: NULL
}

type columnEncoder struct {
	column int    // of the table
	name   []byte // the field key of the map's entry
	null   []byte // the whole field data of a NULL
}

// newTableEncoder returns an encoder of the columns of t that selected chooses.
// Key columns are always among them.
func newTableEncoder(t *row.Table, selected func(column string) bool) *tableEncoder {
	e := &tableEncoder{table: t}
	e.head = protowire.AppendTag(e.head, recordTable, protowire.BytesType)
	e.head = protowire.AppendString(e.head, t.Name)
	for c, col := range t.Columns {
		if c >= t.Keys && !selected(col.Name) {
			continue
		}
		ce := columnEncoder{column: c}
		ce.name = protowire.AppendTag(ce.name, entryKey, protowire.BytesType)
		ce.name = protowire.AppendString(ce.name, col.Name)
		var value []byte
		value = protowire.AppendTag(value, valueNull, protowire.VarintType)
		value = protowire.AppendVarint(value, 1)
		ce.null = ce.appendHead(nil, len(value))
		ce.null = append(ce.null, value...)
		e.columns = append(e.columns, ce)
	}
	e.sizes = make([]int, len(e.columns))
	return e
}

// appendHead appends a field data up to the content of its ValueType, which is
// size bytes long.
func (c *columnEncoder) appendHead(dst []byte, size int) []byte {
	dst = protowire.AppendTag(dst, recordData, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(c.name)+1+protowire.SizeBytes(size)))
	dst = append(dst, c.name...)
	dst = protowire.AppendTag(dst, entryValue, protowire.BytesType)
	return protowire.AppendVarint(dst, uint64(size))
}

// measure returns the size of row i of b as a record, without the field that
// holds it, and remembers the sizes of its values. A Delete has its key columns alone.
func (e *tableEncoder) measure(b *row.Batch, i int, typ sdk.RecordType) int {
	size := len(e.head)
	if typ != sdk.RecordType_UPSERT {
		size += 1 + protowire.SizeVarint(uint64(typ))
	}
	for k := range e.columnsOf(typ) {
		c := &e.columns[k]
		n := valueSize(b, c.column, i)
		e.sizes[k] = n
		if n < 0 {
			size += len(c.null)
		} else {
			size += 1 + protowire.SizeBytes(len(c.name)+1+protowire.SizeBytes(n))
		}
	}
	return size
}

// columnsOf returns how many columns a record of a type has.
func (e *tableEncoder) columnsOf(typ sdk.RecordType) int {
	switch typ {
	case sdk.RecordType_TRUNCATE:
		return 0
	case sdk.RecordType_DELETE:
		return e.table.Keys
	}
	return len(e.columns)
}

// nullLongest makes the longest value of the row just measured NULL, and returns
// by how much the record shrinks; 0 if nothing but its key is left.
func (e *tableEncoder) nullLongest() int {
	longest := -1
	for k := e.table.Keys; k < len(e.columns); k++ {
		if e.sizes[k] >= 0 && (longest < 0 || e.sizes[k] > e.sizes[longest]) {
			longest = k
		}
	}
	if longest < 0 {
		return 0
	}
	c := &e.columns[longest]
	was := 1 + protowire.SizeBytes(len(c.name)+1+protowire.SizeBytes(e.sizes[longest]))
	e.sizes[longest] = -1
	return was - len(c.null)
}

// append appends the row just measured, whose record is size bytes long, as a
// field of Records.
func (e *tableEncoder) append(dst []byte, b *row.Batch, i int, typ sdk.RecordType, size int) []byte {
	dst = protowire.AppendTag(dst, recordsRecord, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = append(dst, e.head...)
	if typ != sdk.RecordType_UPSERT {
		dst = protowire.AppendTag(dst, recordType, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(typ))
	}
	for k := range e.columnsOf(typ) {
		c := &e.columns[k]
		if e.sizes[k] < 0 {
			dst = append(dst, c.null...)
			continue
		}
		dst = c.appendHead(dst, e.sizes[k])
		dst = appendValue(dst, b, c.column, i)
	}
	return dst
}

// valueSize returns the size of a value's ValueType, or -1 for NULL.
func valueSize(b *row.Batch, c, i int) int {
	v := &b.Vectors[c]
	if v.Null[i] {
		return -1
	}
	switch b.Table.Columns[c].Type {
	case row.Boolean:
		return 2
	case row.Int:
		return 1 + protowire.SizeVarint(uint64(v.Ints[i]))
	case row.Double:
		return 1 + 8
	case row.UTCDateTime:
		return 1 + protowire.SizeBytes(timeSize(v.Ints[i]))
	}
	return 1 + protowire.SizeBytes(v.Spans[i].End-v.Spans[i].Start)
}

// appendValue appends the content of a value's ValueType.
func appendValue(dst []byte, b *row.Batch, c, i int) []byte {
	v := &b.Vectors[c]
	switch typ := b.Table.Columns[c].Type; typ {
	case row.Boolean:
		dst = protowire.AppendTag(dst, valueBool, protowire.VarintType)
		return protowire.AppendVarint(dst, uint64(v.Ints[i]))
	case row.Int:
		dst = protowire.AppendTag(dst, valueLong, protowire.VarintType)
		return protowire.AppendVarint(dst, uint64(v.Ints[i]))
	case row.Double:
		dst = protowire.AppendTag(dst, valueDouble, protowire.Fixed64Type)
		return protowire.AppendFixed64(dst, math.Float64bits(v.Floats[i]))
	case row.UTCDateTime:
		dst = protowire.AppendTag(dst, valueDateTime, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(timeSize(v.Ints[i])))
		return appendTime(dst, v.Ints[i])
	default:
		number := protowire.Number(valueString)
		switch typ {
		case row.Decimal:
			number = valueDecimal
		case row.JSON:
			number = valueJSON
		}
		dst = protowire.AppendTag(dst, number, protowire.BytesType)
		return protowire.AppendBytes(dst, b.Text[v.Spans[i].Start:v.Spans[i].End])
	}
}

// splitTime splits microseconds since 1970 as a Timestamp does.
func splitTime(micros int64) (seconds, nanos int64) {
	seconds = micros / 1e6
	nanos = micros % 1e6 * 1e3
	if nanos < 0 {
		seconds, nanos = seconds-1, nanos+1e9
	}
	return seconds, nanos
}

func timeSize(micros int64) int {
	size := 0
	seconds, nanos := splitTime(micros)
	if seconds != 0 {
		size += 1 + protowire.SizeVarint(uint64(seconds))
	}
	if nanos != 0 {
		size += 1 + protowire.SizeVarint(uint64(nanos))
	}
	return size
}

func appendTime(dst []byte, micros int64) []byte {
	seconds, nanos := splitTime(micros)
	if seconds != 0 {
		dst = protowire.AppendTag(dst, timeSeconds, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(seconds))
	}
	if nanos != 0 {
		dst = protowire.AppendTag(dst, timeNanos, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(nanos))
	}
	return dst
}
