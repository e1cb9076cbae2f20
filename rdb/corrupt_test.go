package rdb_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
)

// corruptError returns what the decoder says of a payload, or nil if it is not a
// *CorruptError or the visitor saw an End.
func corruptError(d *rdb.Decoder, payload []byte) *rdb.CorruptError {
	r := &recorder{}
	var corrupt *rdb.CorruptError
	if err := d.Dump(payload, keyOf(readAt), r); !errors.As(err, &corrupt) || r.state == "ended" {
		return nil
	}
	return corrupt
}

// A value that ends anywhere but at its end is corrupt, and so is one that goes on.
func TestDecoder_Dump_cutOff(t *testing.T) {
	var d rdb.Decoder
	for _, e := range append(encodings, streams...) {
		step := 1 + len(e.body)/2000
		for n := 0; n < len(e.body); n += step {
			if corruptError(&d, seal(e.version, e.body[:n])) == nil {
				t.Errorf("%s, the first %d of %d bytes: no *CorruptError", e.name, n, len(e.body))
			}
		}
		err := corruptError(&d, seal(e.version, join(e.body, 0)))
		if err == nil || err.At != len(e.body) || err.What != "bytes follow the value" {
			t.Errorf("%s and another byte: %v", e.name, err)
		}
	}
}

func TestDecoder_Dump_footer(t *testing.T) {
	var d rdb.Decoder
	payload := seal(10, join(0, str("hello")))
	for i := range payload {
		broken := slices.Clone(payload)
		broken[i] ^= 0x10
		if err := corruptError(&d, broken); err == nil || err.What != "the checksum does not match" {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for n := range footerBytes + 1 {
		if err := corruptError(&d, payload[len(payload)-n:]); err == nil || err.What != "the payload is too short" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	clear(payload[len(payload)-8:])
	got, err := decode(&d, payload, time.Time{})
	if err != nil {
		t.Fatal("without a checksum: ", err)
	}
	equal(t, "without a checksum", got, visit{Type: "string", Elements: quoted("hello")})
}

const footerBytes = 10

func TestDecoder_Dump_corrupt(t *testing.T) {
	cutListpack := listpack("a", "b")
	cutListpack[0]--
	noEnd := listpack("a", "b")
	noEnd[len(noEnd)-1] = 0xfe
	miscounted := listpack("a", "b")
	miscounted[4] = 4
	miscountedNode := listpack(2, 0, 0, 0, 2, 0, 0, 3)
	hashOf := func(blob []byte) []byte { return join(16, str(blob)) }
	streamOf := func(entries ...any) []byte {
		return join(19, 1, str(idBytes(1, 1)), str(listpack(entries...)), state2, 0)
	}
	for name, test := range map[string]struct {
		body []byte
		want string
	}{
		"length of an unknown form":        {join(0, 0x82, "hello"), "a length has an unknown form"},
		"length of 2^63":                   {join(0, 0x81, big(8, 1<<63), "hello"), "the value ends too early"},
		"string of an unknown encoding":    {join(0, 0xc4, "hello"), "a string has an unknown encoding"},
		"count of 2^63":                    {join(1, 0x81, big(8, 1<<63), str("a")), "a count exceeds what follows"},
		"count that is a string":           {join(1, 0xc0, 1, str("a")), "a string's encoding stands where a length belongs"},
		"count that cannot fit":            {join(5, 3, str("a"), double(1), str("b"), double(1)), "the value ends too early"},
		"compressed, too long a claim":     {join(0, lzf(89*3, 0xe0, 255, 0)), "a compressed string claims to be longer than it can be"},
		"compressed, a claim of 2^63":      {join(0, 0xc3, 3, 0x81, big(8, 1<<63), 0, "a", 0), "a compressed string claims to be longer than it can be"},
		"compressed, a match before":       {join(0, lzf(4, 0, "a", 0x20, 1)), "a compressed string does not decompress"},
		"compressed, a match cut off":      {join(0, lzf(4, 0, "a", 0x20)), "a compressed string does not decompress"},
		"compressed, a long match cut off": {join(0, lzf(9, 0, "a", 0xe0)), "a compressed string does not decompress"},
		"compressed, a literal cut off":    {join(0, lzf(4, 3, "abc")), "a compressed string does not decompress"},
		"compressed, too short":            {join(0, lzf(5, 3, "abcd")), "a compressed string does not decompress"},
		"compressed, too long a literal":   {join(0, lzf(3, 3, "abcd")), "a compressed string does not decompress"},
		"compressed, too long a match":     {join(0, lzf(3, 0, "a", 0x20, 0)), "a compressed string does not decompress"},
		"listpack of another size":         {hashOf(cutListpack), "a packed string is cut off or has no valid header"},
		"listpack without end":             {hashOf(noEnd), "a packed string is cut off or has no valid header"},
		"listpack without entries":         {hashOf([]byte{6, 0, 0, 0, 0, 0}), "a packed string is cut off or has no valid header"},
		"listpack, another count":          {hashOf(miscounted), "a packed string does not hold as many entries as it claims"},
		"listpack, field without value":    {hashOf(listpack("a")), entryMessage},
		"listpack, unknown form":           {hashOf(listpack("a", []byte{0xf5})), entryMessage},
		"listpack, end before the end":     {hashOf(listpack("a", []byte{0xff})), entryMessage},
		"listpack, text too long":          {hashOf(listpack("a", []byte{0xbf, 'x'})), entryMessage},
		"listpack, 12-bit text too long":   {hashOf(listpack("a", []byte{0xef, 0xff, 'x'})), entryMessage},
		"listpack, 32-bit text too long":   {hashOf(listpack("a", []byte{0xf0, 0xff, 0xff, 0xff, 0xff, 'x'})), entryMessage},
		"listpack, integer cut off":        {hashOf(listpack("a", []byte{0xf4, 1, 2, 3})), entryMessage},
		"ziplist of another size":          {join(13, str(ziplist("a", "b")[:12])), "a packed string is cut off or has no valid header"},
		"ziplist, field without value":     {join(13, str(ziplist("a"))), entryMessage},
		"ziplist, unknown form":            {join(13, str(ziplist("a", []byte{0xc1}))), entryMessage},
		"ziplist, end before the end":      {join(13, str(ziplist("a", []byte{0xff}))), entryMessage},
		"ziplist, text too long":           {join(10, str(ziplist([]byte{0x3f, 'x'}))), entryMessage},
		"ziplist, 32-bit text too long":    {join(10, str(ziplist([]byte{0x80, 0xff, 0xff, 0xff, 0xff, 'x'}))), entryMessage},
		"ziplist, 32-bit length cut off":   {join(10, str(ziplist([]byte{0x80, 0}))), entryMessage},
		"ziplist, integer cut off":         {join(10, str(ziplist([]byte{0xe0, 1, 2, 3}))), entryMessage},
		"intset without header":            {join(11, str("1234567")), "an intset has no header"},
		"intset of 3 bytes":                {join(11, str(join(little(4, 3), little(4, 1), 1, 2, 3))), "an intset has integers of an unknown size"},
		"intset, too many claimed":         {join(11, str(join(little(4, 2), little(4, 1<<31), 1, 2))), "an intset does not hold as many integers as it claims"},
		"zipmap, another count":            {join(9, str(join(2, 1, "a", 1, 0, "b", 255))), zipmapMessage},
		"zipmap without end":               {join(9, str(join(1, 1, "a", 1, 0, "b"))), zipmapMessage},
		"zipmap, end before the end":       {join(9, str(join(1, 1, "a", 1, 0, "b", 255, 255))), zipmapMessage},
		"zipmap, value too long":           {join(9, str(join(1, 1, "a", 254, little(4, 1<<32-1), 0, "b", 255))), zipmapMessage},
		"zipmap, end as a length":          {join(9, str(join(1, 1, "a", 255, 0, "b", 255))), zipmapMessage},
		"score that is no number":          {join(3, 1, str("a"), 3, "abc"), "a score is no number"},
		"score without digits":             {join(3, 1, str("a"), 0, "abc"), "a score is no number"},
		"score NaN as text":                {join(3, 1, str("a"), 253), "a score is not a number"},
		"score NaN":                        {join(5, 1, str("a"), double(math.NaN())), "a score is not a number"},
		"score NaN in a listpack":          {join(17, str(listpack("a", "nan"))), "a score is not a number"},
		"score in a listpack":              {join(17, str(listpack("a", "1,5"))), "a score is no number"},
		"member without score":             {join(17, str(listpack("a"))), entryMessage},
		"expiry before 1970":               {join(25, little(8, 0), str(listpack("a", "b", -1))), "the expiry of a field is no time"},
		"expiry that is text":              {join(25, little(8, 0), str(listpack("a", "b", "c"))), entryMessage},
		"node of an unknown container":     {join(18, 1, 3, str(listpack("a"))), "a node of a list has an unknown container"},
		"template of an unknown form":      {join(31, 2, 1, str("a"), str("b")), "the field names of a hash are of an unknown form"},
		"template, a value too many":       {join(29, 1, 1, str("a"), str(listpack(1, "b", "c"))), "a hash has more values than fields"},
		"template, a value too few":        {join(29, 1, 2, str("a"), str("b"), str(listpack(1, "b"))), entryMessage},
		"template without number":          {join(29, 1, 1, str("a"), str(listpack("x", "b"))), entryMessage},
		"module part of an unknown form":   {join(7, 1, 6, 0), "a module's value has a part of an unknown form"},
		"stream, ID of 15 bytes":           {join(19, 1, str(idBytes(1, 1)[1:]), str(listpack(1, 0, 0, 0, 2, 0, 0, 3)), state2, 0), "the ID of a stream's node is not 16 bytes"},
		"stream, too few entries":          {join(19, 1, str(idBytes(1, 1)), str(miscountedNode), state2, 0), "a stream's node does not hold as many entries as it claims"},
		"stream, count that is text":       {streamOf("x", 0, 0, 0), entryMessage},
		"stream, too many names":           {streamOf(1, 0, math.MaxInt64, "a", 0), entryMessage},
		"stream, no end of names":          {streamOf(1, 0, 1, "a", "b"), entryMessage},
		"stream, fewer values than names":  {streamOf(1, 0, 1, "a", 0, 2, 0, 0), entryMessage},
		"stream, another number of pieces": {streamOf(1, 0, 1, "a", 0, 2, 0, 0, "x", 5), entryMessage},
		"stream, fields below zero":        {streamOf(1, 0, 0, 0, 0, 0, 0, -1, 4), entryMessage},
		"stream, too many fields":          {streamOf(1, 0, 0, 0, 0, 0, 0, math.MaxInt64, "a", "b"), entryMessage},
		"stream, groups too many":          {join(19, 0, state2, 0x81, big(8, 1<<63)), "a count exceeds what follows"},
	} {
		if err := corruptError(new(rdb.Decoder), seal(12, test.body)); err == nil || err.What != test.want {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

const (
	entryMessage  = "an entry of a packed string is missing, cut off or of an unknown form"
	zipmapMessage = "a zipmap is cut off or does not hold as many pairs as it claims"
)

// A failing visitor's error ends the decoding, whichever of its methods fails.
func TestDecoder_Dump_visitorFails(t *testing.T) {
	var d rdb.Decoder
	for _, e := range append(encodings, streams...) {
		calls := 0
		for ; ; calls++ {
			f := &failing{left: calls}
			err := d.Dump(seal(e.version, e.body), keyOf(readAt), f)
			if err == nil {
				break
			}
			if !errors.Is(err, errVisitor) || f.left != -1 {
				t.Fatalf("%s, failing at call %d: %v after %d more calls", e.name, calls, err, -1-f.left)
			}
		}
		if want := len(e.want.Elements) + 2; calls != want {
			t.Errorf("%s: %d calls of the visitor, want %d", e.name, calls, want)
		}
	}
}

// A decoder serves on after any failure.
func TestDecoder_Dump_afterFailure(t *testing.T) {
	var d rdb.Decoder
	for _, e := range append(encodings, streams...) {
		if corruptError(&d, seal(e.version, e.body[:len(e.body)-1])) == nil {
			t.Errorf("%s, cut off: no *CorruptError", e.name)
		}
		got, err := decode(&d, seal(e.version, e.body), readAt)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
		equal(t, e.name, got, e.want)
	}
}

// Without a time of reading no field has expired.
func TestDecoder_Dump_expiredFields(t *testing.T) {
	payload := seal(12, join(25, little(8, 1), str(listpack("a", 1, 1000, "b", 2, 0))))
	for _, test := range []struct {
		at   time.Time
		want []string
	}{
		{time.Time{}, []string{`"a": "1" until 1000`, `"b": "2"`}},
		{time.UnixMilli(1000), []string{`"a": "1" until 1000`, `"b": "2"`}},
		{time.UnixMilli(1001), []string{`"b": "2"`}},
	} {
		got, err := decode(new(rdb.Decoder), payload, test.at)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, test.at.String(), got, visit{Type: "hash", Elements: test.want})
	}
}

func TestErrors_text(t *testing.T) {
	_, err := rdb.DumpType(seal(99, []byte{77, 0}))
	if got, want := err.Error(), "serialised value of type 77, RDB version 99, is unknown to this decoder"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err = rdb.DumpType(nil)
	if got, want := err.Error(), "corrupt serialised value at byte 0: the payload is too short"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDecoder_Dump_moduleNames(t *testing.T) {
	for name, want := range map[string]string{
		"ReJSON-RL": "json", "TSDB-TYPE": "timeseries", "vectorset": "vectorset", "MBbloom--": "MBbloom--", "graphdata": "graphdata",
	} {
		id := uint64(0)
		for _, c := range name {
			id = id<<6 | uint64(strings.IndexRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c))
		}
		got, err := decode(new(rdb.Decoder), seal(11, join(7, 0x81, big(8, id<<10|3), 0)), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, got, visit{Type: value.Module.String(), Module: want})
	}
}
