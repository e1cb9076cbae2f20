package destinationtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// oddities has a column of each type.
var oddities = &row.Table{
	Name: "oddities",
	Keys: 1,
	Columns: []row.Column{
		{Name: "key", Type: row.Int},
		{Name: "yes", Type: row.Boolean},
		{Name: "whole", Type: row.Int},
		{Name: "real", Type: row.Double},
		{Name: "exact", Type: row.Decimal},
		{Name: "moment", Type: row.UTCDateTime},
		{Name: "text", Type: row.String},
		{Name: "document", Type: row.JSON},
	},
}

func micro(year int, month time.Month, day, hour, minute, second, microsecond int) int64 {
	return time.Date(year, month, day, hour, minute, second, microsecond*1000, time.UTC).UnixMicro()
}

func testTypes(t *testing.T, newPlace NewPlace) {
	const yes, no = int64(1), int64(0)
	lines := []line{
		upsert(int64(1), yes, int64(math.MaxInt64), math.MaxFloat64, "99999999999999999999.123456789", micro(9999, 12, 31, 23, 59, 59, 999_999), "text", `{"a":[1,2.5,"x"],"b":null}`),
		upsert(int64(2), no, int64(math.MinInt64), -math.MaxFloat64, "-99999999999999999999.123456789", micro(1, 1, 1, 0, 0, 0, 0), "", `{}`),
		upsert(int64(3), yes, int64(0), math.SmallestNonzeroFloat64, "0", int64(0), " ", `[]`),
		upsert(int64(4), no, int64(-1), math.Inf(1), "0.000000001", int64(-1), "NULL", `null`),
		upsert(int64(5), no, int64(1), math.Inf(-1), "-1.5", micro(1969, 12, 31, 23, 59, 59, 1), `\N`, `"\"\\\u0001é"`),
		upsert(int64(6), no, int64(1<<53+1), math.NaN(), "12", micro(2026, 3, 29, 2, 30, 0, 123_456), "0", `-1e-7`),
		upsert(int64(7), no, int64(42), 0.30000000000000004, "42.5", micro(2000, 2, 29, 12, 0, 0, 1000), "false", `{"b":1,"a":2}`),
		upsert(int64(math.MaxInt64), yes, int64(1), 0.0, "1", int64(1), "x", `true`),
		upsert(int64(math.MinInt64), yes, int64(1), 0.0, "1", int64(1), "x", `1234567890123456789012345`),
		upsert(int64(0), nil, nil, nil, nil, nil, nil, nil),
	}
	for c := 1; c < len(oddities.Columns); c++ { // NULL in each column
		cells := slices.Clone(lines[0].cells)
		cells[0], cells[c] = int64(10+c), nil
		lines = append(lines, line{row.Upsert, cells})
	}
	r := start(t, newPlace, hard, oddities)
	r.wantCounts(r.snapshot(1, lines...), destination.Counts{New: int64(len(lines))})
	r.want(oddities, lines...)
	r.reopen()
	r.wantCounts(r.snapshot(2, lines...), destination.Counts{Unchanged: int64(len(lines))})
	r.want(oddities, lines...)

	// To NULL and back is a change, in each column alone.
	for c := 1; c < len(oddities.Columns); c++ {
		cells := slices.Clone(lines[0].cells)
		cells[c] = nil
		r.wantCounts(r.changes(position(2, 2*c), line{row.Upsert, cells}), destination.Counts{Changed: 1})
		r.wantCounts(r.changes(position(2, 2*c+1), lines[0]), destination.Counts{Changed: 1})
	}
	r.want(oddities, lines...)
}

// texts are what breaks text that is quoted, escaped, trimmed, folded or
// measured carelessly. Each differs from all others.
var texts = []string{
	"",
	" ", "a ", " a", "a", "A", "ab",
	"twelve bytes", "thirteen byte", "fourteen bytes", // values of up to 12 bytes may be kept apart
	"twelve byteS", "thirteen bytE", "thirteen bytF",
	"player:000000001", "player:000000002", // equal in their first bytes
	`'`, `''`, `"`, `""`, `\`, `\\`, `\n`, "\n", "\r\n", "\t", "\b\f\v", "\x01\x02\x1f\x7f",
	"NULL", "null", `\N`, "nan", "inf", "true", "0", "00", "-0", "1e3", "1.0",
	"a,b", "a;b", "a|b", "{}", "[]", `{"a":1}`, "$1", "?", ":name", "%s", "--", "; DROP TABLE players; --", "/*",
	"é", "e\u0301", "\u00e9t\u00e9", "ß", "ss", "İ", "i", "ı", "日本語", "한국어", "עברית", "😀", "👩‍👩‍👧", "\u200b", "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "\ud7ff", "\ue000",
	"base64:AAECAw==", "base64:", "\\x00", "PK\x03\x04\x14", "\x1b[31m", "\u0080\u009f", "a\u2028b\u2029c",
}

func testText(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	var lines []line
	for i, text := range texts {
		lines = append(lines, player(fmt.Sprint(i), text, 10))
	}
	r.snapshot(1, lines...)
	r.want(players, lines...)
	r.wantCounts(r.snapshot(2, lines...), destination.Counts{Unchanged: int64(len(texts))})

	// Each text becomes the next one.
	next := append(slices.Clone(texts[1:]), texts[0])
	for i, text := range next {
		lines[i] = player(fmt.Sprint(i), text, 20)
	}
	r.wantCounts(r.snapshot(3, lines...), destination.Counts{Changed: int64(len(texts))})
	r.want(players, lines...)
}

func testTextKeys(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	var lines []line
	for i, text := range texts {
		lines = append(lines, player(text, fmt.Sprint(i), 10))
	}
	r.wantCounts(r.snapshot(1, lines...), destination.Counts{New: int64(len(texts))})
	r.want(players, lines...)
	r.wantCounts(r.snapshot(2, lines...), destination.Counts{Unchanged: int64(len(texts))})
	for _, odd := range []int{0, 1} {
		var removed, left []line
		for i, text := range texts {
			if i%2 == odd {
				removed = append(removed, remove(text))
			} else {
				left = append(left, lines[i])
			}
		}
		r.wantCounts(r.changes(position(2, 2), removed...), destination.Counts{Deleted: int64(len(removed))})
		r.want(players, left...)
		r.wantCounts(r.snapshot(3, lines...), destination.Counts{New: int64(len(removed)), Unchanged: int64(len(left))})
	}
}

func testLongText(t *testing.T, newPlace NewPlace) {
	const length = 5 << 20
	long := strings.Repeat("0123456789abcdef", length/16)
	other := long[:length-1] + "x"
	wide := strings.Repeat("日本語😀", length/13)
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", long, 10), player("b", wide, 10), player("c", "short", 10), player(long[:100_000], "key", 10))
	want := []line{player("a", long, 10), player("b", wide, 10), player("c", "short", 10), player(long[:100_000], "key", 10)}
	r.want(players, want...)
	r.reopen()
	want[0], want[2] = player("a", other, 20), player("c", long, 20)
	r.wantCounts(r.snapshot(2, want...), destination.Counts{Changed: 2, Unchanged: 2})
	r.want(players, want...)
}

func testCompositeKey(t *testing.T, newPlace NewPlace) {
	keys := &row.Table{Name: "keys", Keys: 2, Columns: []row.Column{
		{Name: "database", Type: row.Int},
		{Name: "key", Type: row.String},
		{Name: "value", Type: row.String},
	}}
	r := start(t, newPlace, hard, keys)
	first := []line{
		upsert(int64(0), "a", "1"),
		upsert(int64(1), "a", "2"),
		upsert(int64(1), "b", "3"),
		upsert(int64(11), "", "4"),
		upsert(int64(1), "1", "5"),
	}
	r.wantCounts(r.snapshot(1, first...), destination.Counts{New: 5})
	r.want(keys, first...)
	n := r.changes(position(1, 2), remove(int64(0), "a"), upsert(int64(1), "b", "three"), keep(int64(11), ""), remove(int64(0), "b"))
	r.wantCounts(n, destination.Counts{Deleted: 1, Changed: 1, Kept: 1})
	r.want(keys, first[1], upsert(int64(1), "b", "three"), first[3], first[4])

	tx := r.begin()
	r.write(tx, keys, position(2, 0), upsert(int64(0), "a", "1"))
	n = r.publishSnapshot(tx, position(2, 1), func(b *row.Batch, i int) bool {
		return b.Vectors[b.Table.Column("database")].Ints[i] == 1
	})
	r.wantCounts(n, destination.Counts{New: 1, Deleted: 3})
	r.want(keys, first[0], first[3])
}
