package rdb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
)

// file completes the entries of a file with header, end mark and checksum.
func file(header string, entries ...any) []byte {
	b := join(header, join(entries...), 0xff)
	return join(b, little(8, crcOf(b)))
}

// crcOf is the checksum of b, computed bit by bit.
func crcOf(b []byte) uint64 {
	var crc uint64
	for _, c := range b {
		crc ^= uint64(c)
		for range 8 {
			crc = crc>>1 ^ -(crc&1)&0x95ac9329ac4bc9b5
		}
	}
	return crc
}

// A content is what a file holds, by database and name of the key.
type content map[string]visit

// cutting is a way to have a file cut into blocks.
type cutting struct {
	name        string
	least, most int // 0: as it is
	reader      func(io.Reader) io.Reader
}

var cuttings = []cutting{
	{name: "as it is"},
	{name: "byte by byte", reader: iotest.OneByteReader},
	{name: "error with the last bytes", reader: iotest.DataErrReader},
	{name: "small blocks", least: 16, most: 1 << 30},
	{name: "small blocks, some keys large", least: 64, most: 256, reader: iotest.HalfReader},
	{name: "all keys large", least: 16, most: 1, reader: iotest.OneByteReader},
}

// read returns the content of a file.
func (k cutting) read(file []byte) (content, error) {
	var r io.Reader = bytes.NewReader(file)
	if k.reader != nil {
		r = k.reader(r)
	}
	s := rdb.NewScanner(r)
	if k.most > 0 {
		s.SetBlocks(k.least, k.most)
	}
	return contentOf(s)
}

func contentOf(s *rdb.Scanner) (content, error) {
	all := content{}
	var d rdb.Decoder
	for {
		b, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		var last *recorder
		var name string
		keep := func() {
			if last != nil {
				all[name] = last.visit
			}
		}
		err = d.Block(b, func(k *value.Key) value.Visitor {
			keep()
			last, name = &recorder{}, fmt.Sprintf("%d %s", k.Database, k.Name)
			if !k.ExpiresAt.IsZero() {
				name += fmt.Sprint(" until ", k.ExpiresAt.UnixMilli())
			}
			return last
		})
		if err != nil {
			return all, err
		}
		keep()
		if last != nil && last.state != "ended" {
			return all, errors.New("no End, but " + last.state)
		}
		b.Release()
	}
}

func equalContent(t *testing.T, name string, got, want content) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[key]; !ok {
			t.Errorf("%s: no key %.100q", name, key)
			continue
		}
		equal(t, fmt.Sprintf("%s: %.100q", name, key), got[key], want[key])
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: a key %.100q too many", name, key)
		}
	}
}

// saved returns the file that the server saves.
func (c client) saved(t *testing.T) []byte {
	t.Helper()
	c.do("SAVE")
	dir := c.texts("CONFIG", "GET", "dir")[1]
	b, err := os.ReadFile(filepath.Join(dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestScanner_asTheServerAnswers(t *testing.T) {
	c := connect(t)
	for settings, options := range map[string][]string{"wide": wide, "narrow": narrow} {
		for _, compression := range []string{"yes", "no"} {
			t.Run(settings+"/compression "+compression, func(t *testing.T) {
				c := client{t, c.c}
				c.do("FLUSHALL")
				c.config(options...)
				c.config("rdbcompression", compression)
				for i, fill := range []func(client){fillStrings, fillLists, fillSets, fillHashes, fillSortedSets, fillStreams, fillRandom} {
					c.do("SELECT", i)
					fill(c)
				}
				c.do("SELECT", 9)
				c.do("SET", "expiring", "soon", "PXAT", "4102444800123")
				c.do("SET", "42", "a key that is a number")
				c.do("SET", strings.Repeat("a long name ", 100), "x")
				want := content{}
				for db := range 10 {
					c.do("SELECT", db)
					for _, key := range c.texts("KEYS", "*") {
						name := fmt.Sprintf("%d %s", db, key)
						if key == "expiring" {
							name += " until 4102444800123"
						}
						want[name] = c.typed(key)
					}
				}
				file := c.saved(t)
				for _, k := range cuttings {
					got, err := k.read(file)
					if err != nil {
						t.Errorf("%s: %v", k.name, err)
					}
					equalContent(t, k.name, got, want)
				}
			})
		}
	}
}

// small is a file with one of everything that may stand in a file.
func small() []byte {
	return file("REDIS0011",
		0xfa, str("redis-ver"), str("7.2.4"), 0xfa, str("ctime"), 0xc2, little(4, 1_700_000_000),
		0xf5, str("#!lua name=mylib"),
		0xf7, 0x81, big(8, 0x1234567890abcdef), 2, 1, 2, 5, 5, str("aux"), 4, little(8, 0), 0,
		0xfe, 0, 0xfb, 3, 1,
		0, str("plain"), str("text"),
		0xfc, little(8, 1_800_000_000_123), 0xf8, 0x40, 100, 0, 0xc0, 42, 0xc0, 7,
		0xfd, little(4, 1_800_000_000), 0xf9, 200, 16, str("hash"), str(listpack("f", "v", "n", 5)),
		0xf4, 0x40, 100, 1, 0,
		0xfe, 3,
		7, str("module"), 0x81, big(8, moduleID("TSDB-TYPE", 3)), 2, 5, 5, str("x"), 1, 9, 3, little(4, 0), 4, little(8, 0), 0,
		5, str("zset"), 2, str("a"), double(1.5), str("b"), double(-2),
		24, str("expiring fields"), little(8, 4_102_444_800_000), 2, 0, str("f"), str("v"), 1, str("g"), str("w"))
}

func moduleID(name string, version uint64) uint64 {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var id uint64
	for _, c := range name {
		id = id<<6 | uint64(strings.IndexRune(characters, c))
	}
	return id<<10 | version
}

var smallContent = content{
	"0 plain":                    {Type: "string", Elements: []string{`"text"`}},
	"0 42 until 1800000000123":   {Type: "string", Elements: []string{`"7"`}},
	"0 hash until 1800000000000": {Type: "hash", Elements: []string{`"f": "v"`, `"n": "5"`}},
	"3 module":                   {Type: "module", Module: "timeseries"},
	"3 zset":                     {Type: "zset", Elements: []string{`"a" 1.5`, `"b" -2`}},
	"3 expiring fields":          {Type: "hash", Elements: []string{`"f": "v"`, `"g": "w" until 4102444800000`}},
}

func TestScanner_everyOpcode(t *testing.T) {
	for _, k := range cuttings {
		got, err := k.read(small())
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
		equalContent(t, k.name, got, smallContent)
	}
	s := rdb.NewScanner(bytes.NewReader(small()))
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if got := s.Created(); !got.Equal(time.Unix(1_700_000_000, 0)) || s.Aux("redis-ver") != "7.2.4" || s.Aux("other") != "" || s.Version() != 11 {
		t.Errorf("created %v, by %q, version %d", got, s.Aux("redis-ver"), s.Version())
	}
}

// TestScanner_valkey reads what stands in files of Valkey 9 alone.
func TestScanner_valkey(t *testing.T) {
	f := file("VALKEY080", 0xf3, str("import"), 2, 0, 0x40, 100, 0x41, 0, 0x42, 0,
		22, str("k"), 2, str("f"), str("v"), little(8, 1<<64-1), str("g"), str("w"), little(8, 4_102_444_800_000))
	for _, k := range cuttings {
		got, err := k.read(f)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
		equalContent(t, k.name, got, content{"0 k": {Type: "hash", Elements: []string{`"f": "v"`, `"g": "w" until 4102444800000`}}})
	}
}

// TestScanner_golden makes a file of the payloads that other servers wrote.
func TestScanner_golden(t *testing.T) {
	for folder, header := range map[string]string{"redis-8.0": "REDIS0012", "valkey-9.1": "VALKEY080"} {
		payloads, err := filepath.Glob(filepath.Join("testdata", folder, "*.dump"))
		if err != nil || len(payloads) == 0 {
			t.Fatal("no payloads: ", err)
		}
		var entries []byte
		want := content{}
		for _, path := range payloads {
			p, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var g golden
			text, err := os.ReadFile(strings.TrimSuffix(path, ".dump") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &g); err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(path)
			entries = join(entries, int(p[0]), str(name), p[1:len(p)-10])
			want["0 "+name] = g.Visit
		}
		for _, k := range cuttings {
			got, err := k.read(file(header, entries))
			if err != nil {
				t.Errorf("%s, %s: %v", folder, k.name, err)
			}
			equalContent(t, folder+", "+k.name, got, want)
		}
	}
}

func TestScanner_versions(t *testing.T) {
	entries := join(0xfe, 2, 0, str("k"), str("v"))
	want := content{"2 k": {Type: "string", Elements: []string{`"v"`}}}
	for _, f := range [][]byte{
		join("REDIS0001", entries, 0xff), // no checksum before version 5
		join("REDIS0004", entries, 0xff),
		file("REDIS0005", entries),
		file("REDIS0012", entries),
		join("REDIS0009", entries, 0xff, little(8, 0)), // rdbchecksum no
		file("REDIS0011", entries, 0xfe, 1, 0xfa, str("behind"), str("all keys")),
	} {
		for _, k := range cuttings {
			got, err := k.read(f)
			if err != nil {
				t.Errorf("%.9s, %s: %v", f, k.name, err)
			}
			equalContent(t, string(f[:9])+", "+k.name, got, want)
		}
	}
}

// TestScanner_cutOff cuts a file everywhere, and changes each of its bytes.
func TestScanner_cutOff(t *testing.T) {
	for _, k := range cuttings {
		for n := range small() {
			_, err := k.read(small()[:n])
			var corrupt *rdb.CorruptError
			if !errors.As(err, &corrupt) || corrupt.At > n {
				t.Errorf("%s: the first %d bytes: %v", k.name, n, err)
			}
		}
		if _, err := k.read(join(small(), "x")); err == nil || !strings.Contains(err.Error(), "bytes follow the end") {
			t.Errorf("%s: a byte too many: %v", k.name, err)
		}
	}
	for _, k := range []cutting{cuttings[0], cuttings[3], cuttings[5]} {
		for i := range small() {
			f := small()
			f[i] ^= 0x04
			if _, err := k.read(f); err == nil {
				t.Errorf("%s: byte %d changed, and no error", k.name, i)
			}
		}
	}
}

// TestScanner_readerFails breaks the reader off everywhere.
func TestScanner_readerFails(t *testing.T) {
	broken := errors.New("the line is dead")
	for n := range small() {
		for _, k := range cuttings {
			k.reader = func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, int64(n)), iotest.ErrReader(broken))
			}
			if _, err := k.read(small()); !errors.Is(err, broken) {
				t.Errorf("%s: after %d bytes: %v", k.name, n, err)
			}
		}
	}
}

func TestScanner_faults(t *testing.T) {
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "does not begin as an RDB file"},
		{"other file", []byte("PK\x03\x04 and so on"), "does not begin as an RDB file"},
		{"no version", file("REDIS00x1"), "does not begin as an RDB file"},
		{"version zero", file("REDIS0000"), "does not begin as an RDB file"},
		{"unknown type", file("REDIS0011", 99, str("k")), "type 99"},
		{"template of the file", file("REDIS0015", 31, str("k"), 0), "type 31"},
		{"template number", file("REDIS0015", 30, str("k"), 1), "type 30"},
		{"old functions", file("REDIS0010", 0xf6, str("x")), "type 246"},
		{"huge string", file("REDIS0011", 0, str("k"), 0x81, big(8, 1<<62)), "corrupt"},
		{"huge hash", file("REDIS0011", 4, str("k"), 0x81, big(8, 1<<40)), "corrupt"},
		{"bad database", file("REDIS0011", 0xfe, 0x81, big(8, 1<<40)), "impossible number"},
		{"bad listpack", file("REDIS0011", 16, str("k"), str("xxxxxxx")), "packed string"},
		{"checksum", join("REDIS0011", 0xff, little(8, 1)), "checksum"},
	}
	for _, tt := range tests {
		for _, k := range cuttings {
			if _, err := k.read(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v, want %q", tt.name, k.name, err, tt.want)
			}
		}
	}
}

// TestScanner_passOver reads a file of whose keys some are not wanted.
func TestScanner_passOver(t *testing.T) {
	for _, k := range cuttings {
		s := rdb.NewScanner(bytes.NewReader(small()))
		if k.most > 0 {
			s.SetBlocks(k.least, k.most)
		}
		var names []string
		var r recorder
		var d rdb.Decoder
		for {
			b, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(k.name, ": ", err)
			}
			err = d.Block(b, func(key *value.Key) value.Visitor {
				names = append(names, string(key.Name)+" "+key.Type.String())
				if string(key.Name) == "zset" {
					return &r
				}
				return nil
			})
			if err != nil {
				t.Fatal(k.name, ": ", err)
			}
		}
		want := []string{"plain string", "42 string", "hash " + "hash", "module " + "module", "zset " + "zset", "expiring fields hash"}
		if !slices.Equal(names, want) {
			t.Errorf("%s: keys %q, want %q", k.name, names, want)
		}
		equal(t, k.name, r.visit, smallContent["3 zset"])
	}
}

// TestScanner_memory reads a set of 64 MiB without holding it.
func TestScanner_memory(t *testing.T) {
	const members = 1 << 20
	member := str(strings.Repeat("m", 61))
	s := rdb.NewScanner(io.MultiReader(
		bytes.NewReader(join("REDIS0011", 2, str("set"), 0x80, big(4, members))),
		&repeat{b: bytes.Repeat(member, 1024), left: members / 1024},
		bytes.NewReader(join(0xff, little(8, 0)))))
	b, err := s.Next()
	if err != nil || !b.Large() {
		t.Fatalf("a large block is wanted: %v", err)
	}
	var c counter
	before := allocated()
	if err := new(rdb.Decoder).Block(b, func(*value.Key) value.Visitor { return &c }); err != nil {
		t.Fatal(err)
	}
	if c.elements != members {
		t.Errorf("%d members", c.elements)
	}
	// What was read is garbage soon; none of it is kept.
	if got := allocated() - before; got > 2*members*62 {
		t.Errorf("%d bytes allocated", got)
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// A repeat reads the same bytes again and again.
type repeat struct {
	b    []byte
	at   int
	left int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b[r.at:])
	if r.at += n; r.at == len(r.b) {
		r.at, r.left = 0, r.left-1
	}
	return n, nil
}

// FuzzScanner reads what anyone may have written, in one piece and in many: the
// outcome must be the same.
func FuzzScanner(f *testing.F) {
	f.Add(uint16(11), small()[9:len(small())-9])
	f.Add(uint16(80), join(0xf3, str("import"), 1, 0, 5, 22, str("k"), 1, str("f"), str("v"), little(8, 1<<64-1)))
	for _, e := range append(encodings, streams...) {
		if len(e.body) < 300 {
			f.Add(uint16(e.version), join(int(e.body[0]), str("k"), e.body[1:]))
		}
	}
	f.Fuzz(func(t *testing.T, version uint16, entries []byte) {
		header := fmt.Sprintf("REDIS%04d", version%80)
		if version >= 80 {
			header = fmt.Sprintf("VALKEY%03d", version%1000)
		}
		b := file(header, entries)
		before := allocated()
		got, err := cuttings[0].read(b)
		if got, limit := allocated()-before, uint64(100*maxExpansion*len(b)+64<<20); got > limit {
			t.Errorf("%d bytes allocated for a file of %d", got, len(b))
		}
		for _, k := range cuttings[3:] {
			again, errAgain := k.read(b)
			if (err == nil) != (errAgain == nil) {
				t.Fatalf("%v, but %s %v", err, k.name, errAgain)
			}
			if err == nil {
				equalContent(t, k.name, again, got)
			}
		}
	})
}
