package rdb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/rdb"
)

// An encoded value, built by hand, and what it is.
type encoded struct {
	name    string
	version int
	body    []byte
	want    visit
	newer   bool // than Redis 7.0, which cannot restore it
}

var (
	long    = strings.Repeat("long ", 60) // 300 bytes
	longer  = strings.Repeat("x", 17_000)
	middle  = strings.Repeat("m", 100)
	future  = 4102444800000 // 2100-01-01
	readAt  = time.UnixMilli(int64(future) - 1000)
	expired = future - 1001
)

// Every form of an integer in a listpack and in a ziplist, and its value.
var (
	listpackIntegers = []any{
		[]byte{0x00},
		[]byte{0x7f},
		[]byte{0xc0, 0x80},
		[]byte{0xcf, 0xff},
		[]byte{0xd0, 0x00},
		[]byte{0xdf, 0xff},
		[]byte{0xf1, 0x00, 0x10},
		[]byte{0xf1, 0xff, 0xff},
		[]byte{0xf1, 0x00, 0x80},
		[]byte{0xf2, 0x00, 0x80, 0x00},
		[]byte{0xf2, 0x00, 0x00, 0x80},
		[]byte{0xf2, 0xff, 0xff, 0x7f},
		[]byte{0xf3, 0x00, 0x00, 0x80, 0x00},
		[]byte{0xf3, 0x00, 0x00, 0x00, 0x80},
		[]byte{0xf3, 0xff, 0xff, 0xff, 0x7f},
		[]byte{0xf4, 0, 0, 0, 0x80, 0, 0, 0, 0},
		[]byte{0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80},
		[]byte{0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	}
	listpackNumbers = []string{
		"0", "127", "128", "4095", "-4096", "-1", "4096", "-1", "-32768", "32768", "-8388608", "8388607",
		"8388608", "-2147483648", "2147483647", "2147483648", "-9223372036854775808", "9223372036854775807",
	}
	ziplistIntegers = []any{
		[]byte{0xf1},
		[]byte{0xf2},
		[]byte{0xfd},
		[]byte{0xfe, 0x0d},
		[]byte{0xfe, 0x80},
		[]byte{0xfe, 0xff},
		[]byte{0xc0, 0x80, 0x00},
		[]byte{0xc0, 0x00, 0x80},
		[]byte{0xf0, 0x00, 0x80, 0x00},
		[]byte{0xf0, 0x00, 0x00, 0x80},
		[]byte{0xd0, 0x00, 0x00, 0x80, 0x00},
		[]byte{0xd0, 0x00, 0x00, 0x00, 0x80},
		[]byte{0xe0, 0, 0, 0, 0x80, 0, 0, 0, 0},
		[]byte{0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80},
	}
	ziplistNumbers = []string{
		"0", "1", "12", "13", "-128", "-1", "128", "-32768", "32768", "-8388608", "8388608", "-2147483648", "2147483648", "-9223372036854775808",
	}
)

func quoted(texts ...string) []string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = textOf([]byte(s))
	}
	return out
}

var encodings = []encoded{
	{name: "string, 6-bit length", version: 6, body: join(0, str("hello")), want: visit{Type: "string", Elements: quoted("hello")}},
	{name: "string, 14-bit length", version: 6, body: join(0, str(long)), want: visit{Type: "string", Elements: quoted(long)}},
	{name: "string, 32-bit length", version: 6, body: join(0, str(longer)), want: visit{Type: "string", Elements: quoted(longer)}},
	{name: "string, 64-bit length", version: 8, body: join(0, 0x81, big(8, 5), "hello"), want: visit{Type: "string", Elements: quoted("hello")}},
	{name: "string, length longer than need be", version: 6, body: join(0, 0x40, 5, "hello"), want: visit{Type: "string", Elements: quoted("hello")}},
	{name: "string, 8-bit integer", version: 6, body: join(0, 0xc0, 0x80), want: visit{Type: "string", Elements: quoted("-128")}},
	{name: "string, 16-bit integer", version: 6, body: join(0, 0xc1, 0x00, 0x80), want: visit{Type: "string", Elements: quoted("-32768")}},
	{name: "string, 32-bit integer", version: 6, body: join(0, 0xc2, 0xff, 0xff, 0xff, 0x7f), want: visit{Type: "string", Elements: quoted("2147483647")}},
	{
		name: "string, compressed", version: 6,
		body: join(0, lzf(300+8+3, literal([]byte(long)), 0xc0, 4, 2, "end")), // a match of 8 bytes 5 back
		want: visit{Type: "string", Elements: quoted(long + "long lon" + "end")},
	},
	{
		name: "string, compressed from far back", version: 6,
		body: join(0, lzf(8192+264, literal([]byte(noise(9, 8192))), 0xff, 255, 0xff)),
		want: visit{Type: "string", Elements: quoted(noise(9, 8192) + noise(9, 8192)[:264])},
	},
	{
		name: "string, a run of one byte", version: 6,
		body: join(0, lzf(1+264+264+3, 0, "z", 0xe0, 255, 0, 0xe0, 255, 0, 0x20, 0)),
		want: visit{Type: "string", Elements: quoted(strings.Repeat("z", 1+264+264+3))},
	},
	{
		name: "string of a version to come", version: 60, body: join(0, str("hello")), newer: true,
		want: visit{Type: "string", Elements: quoted("hello")},
	},
	{
		name: "list", version: 6, body: join(1, 4, str("a"), str(""), 0xc0, 7, lzf(40, literal([]byte(middle[:40])))),
		want: visit{Type: "list", Elements: quoted("a", "", "7", middle[:40])},
	},
	{name: "set", version: 6, body: join(2, 2, str("b"), str("a")), want: visit{Type: "set", Elements: quoted("a", "b")}},
	{
		name: "sorted set, scores as text", version: 6,
		body: join(3, 6, str("a"), 3, "1.5", str("b"), 254, str("c"), 255, str("d"), 2, "-7", 0xc0, 9, 19, "0.10000000000000001", str("f"), 6, "1e+300"),
		want: visit{Type: "zset", Elements: []string{`"9" 0.1`, `"a" 1.5`, `"b" +Inf`, `"c" -Inf`, `"d" -7`, `"f" 1e+300`}},
	},
	{
		name: "sorted set, binary scores", version: 8, body: join(5, 2, str("a"), double(2.5), str("b"), double(-1e-7)),
		want: visit{Type: "zset", Elements: []string{`"a" 2.5`, `"b" -1e-07`}},
	},
	{
		name: "hash", version: 6, body: join(4, 2, str("f"), 0xc1, 0x39, 0x30, str(""), str("")),
		want: visit{Type: "hash", Elements: []string{`"": ""`, `"f": "12345"`}},
	},
	{
		name: "hash, zipmap", version: 2,
		body: join(9, str(join(3, 1, "a", 1, 0, "b", 254, little(4, 300), long, 2, 3, "hi", "???", 1, "e", 0, 0, 255))),
		want: visit{Type: "hash", Elements: []string{`"a": "b"`, `"e": ""`, textOf([]byte(long)) + `: "hi"`}},
	},
	{
		name: "hash, zipmap of unknown size", version: 2, body: join(9, str(join(254, 1, "a", 1, 0, "b", 255))),
		want: visit{Type: "hash", Elements: []string{`"a": "b"`}},
	},
	{
		name: "list, ziplist, integers", version: 6, body: join(10, str(ziplist(ziplistIntegers...))),
		want: visit{Type: "list", Elements: quoted(ziplistNumbers...)},
	},
	{
		name: "list, ziplist, texts", version: 6,
		body: join(10, str(ziplist("", "a", join(0x41, 44, long), join(0x80, big(4, 17_000), longer), "z"))),
		want: visit{Type: "list", Elements: quoted("", "a", long, longer, "z")},
	},
	{name: "set, intset of 2 bytes", version: 6, body: join(11, str(join(little(4, 2), little(4, 2), 0xff, 0xff, 5, 0))), want: visit{Type: "set", Elements: quoted("-1", "5")}},
	{
		name: "set, intset of 8 bytes", version: 6, body: join(11, str(join(little(4, 8), little(4, 2), little(8, 1<<63), little(8, 1<<33)))),
		want: visit{Type: "set", Elements: quoted("-9223372036854775808", "8589934592")},
	},
	{
		name: "sorted set, ziplist", version: 6, body: join(12, str(ziplist("a", []byte{0xfe, 0xff}, "b", "2.5", []byte{0xf4}, "inf"))),
		want: visit{Type: "zset", Elements: []string{`"3" +Inf`, `"a" -1`, `"b" 2.5`}},
	},
	{
		name: "hash, ziplist", version: 6, body: join(13, str(ziplist("f", "v", []byte{0xf2}, []byte{0xc0, 0x00, 0x01}))),
		want: visit{Type: "hash", Elements: []string{`"1": "256"`, `"f": "v"`}},
	},
	{
		name: "list, quicklist of ziplists", version: 7,
		body: join(14, 2, str(ziplist("a", []byte{0xf1})), lzf(len(ziplist(middle[:60])), literal(ziplist(middle[:60])))),
		want: visit{Type: "list", Elements: quoted("a", "0", middle[:60])},
	},
	{
		name: "list, quicklist of listpacks and plain nodes", version: 10,
		body: join(18, 3, 2, str(listpack(listpackIntegers...)), 1, str(longer), 2, str(listpack("z"))),
		want: visit{Type: "list", Elements: quoted(append(slices.Clone(listpackNumbers), longer, "z")...)},
	},
	{
		name: "hash, listpack", version: 10,
		body: join(16, str(listpack("", middle, long, join(0xf0, little(4, 17_000), longer), 7, 8))),
		want: visit{Type: "hash", Elements: []string{`"": ` + textOf([]byte(middle)), `"7": "8"`, textOf([]byte(long)) + ": " + textOf([]byte(longer))}},
	},
	{
		name: "sorted set, listpack", version: 10, body: join(17, str(listpack("a", "-inf", "b", -5, 1, "0.1"))),
		want: visit{Type: "zset", Elements: []string{`"1" 0.1`, `"a" -Inf`, `"b" -5`}},
	},
	{
		name: "set, listpack", version: 11, body: join(20, str(listpack("b", 7, "a"))), newer: true,
		want: visit{Type: "set", Elements: quoted("7", "a", "b")},
	},
	{
		name: "hash with expiries, release candidate", version: 12, newer: true,
		body: join(22, 3, 0, str("a"), str("1"), 0x81, big(8, uint64(future)), str("b"), str("2"), 0x81, big(8, uint64(expired)), str("c"), str("3")),
		want: visit{Type: "hash", Elements: []string{`"a": "1"`, `"b": "2" until 4102444800000`}},
	},
	{
		name: "hash with expiries, listpack, release candidate", version: 12, newer: true,
		body: join(23, str(listpack("c", 3, expired, "b", "2", future, "a", 1, 0))),
		want: visit{Type: "hash", Elements: []string{`"a": "1"`, `"b": "2" until 4102444800000`}},
	},
	{
		name: "hash with expiries", version: 12, newer: true,
		body: join(24, little(8, uint64(expired)), 3, 0, str("a"), str("1"), length(1002), str("b"), str("2"), 1, str("c"), str("3")),
		want: visit{Type: "hash", Elements: []string{`"a": "1"`, `"b": "2" until 4102444800000`}},
	},
	{
		name: "hash with expiries, listpack", version: 12, newer: true,
		body: join(25, little(8, uint64(expired)), str(listpack("c", 3, expired, "b", "2", future, "a", 1, 0))),
		want: visit{Type: "hash", Elements: []string{`"a": "1"`, `"b": "2" until 4102444800000`}},
	},
	{
		name: "hash with expiries, Valkey", version: 80, newer: true,
		body: join(22, 3, str("a"), str("1"), little(8, 1<<64-1), str("b"), 0xc0, 2, little(8, uint64(future)), str("c"), str("3"), little(8, uint64(expired))),
		want: visit{Type: "hash", Elements: []string{`"a": "1"`, `"b": "2" until 4102444800000`}},
	},
	{
		name: "hash of a template, names in a listpack", version: 15, newer: true,
		body: join(31, 0, lzf(len(listpack("a", 5, middle)), literal(listpack("a", 5, middle))), str("1"), 0xc0, 2, lzf(40, literal([]byte(middle[:40])))),
		want: visit{Type: "hash", Elements: []string{`"5": "2"`, `"a": "1"`, textOf([]byte(middle)) + ": " + textOf([]byte(middle[:40]))}},
	},
	{
		name: "hash of a template, values in a listpack", version: 15, newer: true,
		body: join(29, 1, 2, 0xc0, 5, str("name"), lzf(len(listpack(99, middle, 7)), literal(listpack(99, middle, 7)))),
		want: visit{Type: "hash", Elements: []string{`"5": ` + textOf([]byte(middle)), `"name": "7"`}},
	},
	{
		name: "module", version: 9, newer: true,
		body: join(7, 0x81, big(8, 0x0123456789abcdef), 1, 0x81, big(8, 1<<64-5), 2, 7, 3, little(4, 0), 4, double(1), 5, str("x"), 5, lzf(40, literal([]byte(middle[:40]))), 0),
		want: visit{Type: "module", Module: "ASNFZ4mrz"},
	},
	{
		name: "key with metadata", version: 13, newer: true,
		body: join(243, 2, "abcd", 2, 5, 0, "efgh", 5, str("x"), 0, 0, str("hello")),
		want: visit{Type: "string", Elements: quoted("hello")},
	},
}

func TestDecoder_Dump_encodings(t *testing.T) {
	var d rdb.Decoder
	for _, e := range append(encodings, streams...) {
		got, err := decode(&d, seal(e.version, e.body), readAt)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		equal(t, e.name, got, e.want)
	}
}

// The old encodings, restored into a server that still reads them, are what the
// literals say.
func TestEncodings_restored(t *testing.T) {
	c := connect(t, "--sanitize-dump-payload", "yes")
	for _, e := range append(encodings, streams...) {
		if !e.newer {
			c.do("RESTORE", e.name, 0, string(seal(e.version, e.body)))
			equal(t, e.name, c.typed(e.name), e.want)
		}
	}
}

func TestDecoder_Dump_unsupported(t *testing.T) {
	for _, test := range []struct {
		opcode  byte
		version int
	}{
		{6, 9},
		{8, 9},
		{28, 14},
		{30, 15},
		{32, 15},
		{33, 15},
		{34, 16},
		{128, 12},
		{200, 12},
		{255, 12},
		{23, 81},
		{24, 80},
		{25, 80},
		{29, 80},
		{243, 80},
	} {
		payload := seal(test.version, join(int(test.opcode), str("hello")))
		r := &recorder{}
		err := new(rdb.Decoder).Dump(payload, keyOf(time.Time{}), r)
		var unsupported *rdb.UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Opcode != test.opcode || unsupported.Version != test.version {
			t.Errorf("opcode %d, version %d: %v", test.opcode, test.version, err)
		}
		if r.state != "" {
			t.Errorf("opcode %d, version %d: the visitor was begun", test.opcode, test.version)
		}
		if _, err := rdb.DumpType(payload); !errors.As(err, &unsupported) {
			t.Errorf("opcode %d, version %d: DumpType: %v", test.opcode, test.version, err)
		}
	}
}
