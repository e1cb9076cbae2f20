package table_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

const maxBytes = 100

var (
	readAt = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	_      = value.Visitor((*table.Shaper)(nil))
)

func TestValue(t *testing.T) {
	name := row.Column{Name: "key", Type: row.String}
	rest := []row.Column{
		{Name: "value", Type: row.String},
		{Name: "data_type", Type: row.String, InScope: true},
		{Name: "ttl", Type: row.Int, Compare: row.Never},
		{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue, Tolerance: time.Second, Expiry: true},
		{Name: "last_modified", Type: row.UTCDateTime, Compare: row.Never},
		{Name: "size", Type: row.Int},
	}
	tolerance := table.Options{ExpiryTolerance: time.Second}
	want := &row.Table{Name: "redis_data", Keys: 1, Columns: append([]row.Column{name}, rest...)}
	if got := table.Value("redis_data", tolerance); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	tolerance.Databases = true
	want = &row.Table{Name: "games", Keys: 2, Columns: append([]row.Column{{Name: "database", Type: row.Int}, name}, rest...)}
	if got := table.Value("games", tolerance); !reflect.DeepEqual(got, want) {
		t.Errorf("with databases: got %+v, want %+v", got, want)
	}
}

// A shaping is a shaper and the last batch that want has seen.
type shaping struct {
	*table.Shaper
	t *testing.T
	b *row.Batch
}

func newShaping(t *testing.T, o table.Options, specs ...table.Spec) *shaping {
	return &shaping{Shaper: newPlan(t, o, specs...).NewShaper(), t: t}
}

func newPlan(tb testing.TB, o table.Options, specs ...table.Spec) *table.Plan {
	tb.Helper()
	o.Default, o.MaxValueBytes = "redis_data", cmp.Or(o.MaxValueBytes, maxBytes)
	p, err := table.NewPlan(specs, o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// key is a key without expiry.
func key(name string, kind value.Type) value.Key {
	return value.Key{Name: []byte(name), Type: kind, TTL: -1, ReadAt: readAt, Elements: -1}
}

// put shapes one key. The slices that feed passes are overwritten, as a reader's
// are.
func (s *shaping) put(k value.Key, feed func(v value.Visitor) error) {
	s.t.Helper()
	if err := s.Begin(k); err != nil {
		s.t.Fatal(err)
	}
	clear(k.Name)
	if err := feed(s.Shaper); err != nil {
		s.t.Fatal(err)
	}
	if err := s.End(); err != nil {
		s.t.Fatal(err)
	}
}

// want fails the test unless what the shaper holds are these rows: the table's
// name where there are several, the op, then the columns, "-" for NULL.
func (s *shaping) want(rows ...string) {
	s.t.Helper()
	var got []string
	for _, s.b = range s.Take() {
		for i := range s.b.Len() {
			cells := []string{[]string{"upsert", "delete", "keep", "stay"}[s.b.Ops[i]]}
			if s.b.Table.ByName {
				cells = append([]string{s.b.Table.Name}, cells...)
			}
			for c := range s.b.Table.Columns {
				cells = append(cells, cellText(s.b, c, i))
			}
			got = append(got, strings.Join(cells, " "))
		}
	}
	if !slices.Equal(got, rows) {
		s.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(rows, "\n"))
	}
}

func cellText(b *row.Batch, c, i int) string {
	v := &b.Vectors[c]
	if v.Null[i] {
		return "-"
	}
	switch b.Table.Columns[c].Type {
	case row.String, row.JSON, row.Decimal:
		return string(b.TextAt(c, i))
	case row.UTCDateTime:
		return time.UnixMicro(v.Ints[i]).UTC().Format(time.RFC3339Nano)
	case row.Double:
		return fmt.Sprint(v.Floats[i])
	default:
		return fmt.Sprint(v.Ints[i])
	}
}

func text(pieces ...string) func(v value.Visitor) error {
	return func(v value.Visitor) error {
		for _, p := range pieces {
			b := []byte(p)
			if err := v.String(b); err != nil {
				return err
			}
			clear(b)
		}
		return nil
	}
}

func none(value.Visitor) error { return nil }

func members(n int, member string) func(v value.Visitor) error {
	return func(v value.Visitor) error {
		for range n {
			if err := v.Member([]byte(member)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestShaper(t *testing.T) {
	const at = " 2026-01-02T03:04:05.678Z "
	module := key("m", value.Module)
	module.Module = "ReJSON-RL"
	for _, c := range []struct {
		name string
		key  value.Key
		feed func(v value.Visitor) error
		want string
	}{
		{"string", key("greeting", value.String), text("hello"), "upsert greeting hello string -1 -" + at + "5"},
		{"empty string", key("s", value.String), none, "upsert s  string -1 -" + at + "0"},
		{"string in pieces", key("s", value.String), text("he", "", "l", "lo"), "upsert s hello string -1 -" + at + "5"},
		{"UTF-8 cut by a piece", key("s", value.String), text("\xe6\x97", "\xa5"), "upsert s 日 string -1 -" + at + "3"},
		{"text as it is", key("s", value.String), text("\"\\\n<é>"), "upsert s \"\\\n<é> string -1 -" + at + "7"},
		{"binary string", key("s", value.String), text("\x00", "\xff"), "upsert s base64:AP8= string -1 -" + at + "2"},
		{"string that looks like base64", key("s", value.String), text("base", "64:"), "upsert s base64:YmFzZTY0Og== string -1 -" + at + "7"},
		{"binary key", key("\xff", value.String), text("x"), "upsert base64:/w== x string -1 -" + at + "1"},
		{"empty key", key("", value.String), text("x"), "upsert  x string -1 -" + at + "1"},
		{"JSON", key("j", value.JSON), text(`{"a":[1,2]}`), `upsert j {"a":[1,2]} json -1 -` + at + "11"},
		{"module", module, none, "upsert m - ReJSON-RL -1 -" + at + "-"},
		{"vector set", key("v", value.VectorSet), none, "upsert v - vectorset -1 -" + at + "-"},
		{"hash", key("h", value.Hash), func(v value.Visitor) error {
			for _, f := range []string{"b", "a", "\x00"} {
				if err := v.Field([]byte(f), []byte(f+f), readAt); err != nil {
					return err
				}
			}
			return nil
		}, `upsert h {"base64:AA==":"base64:AAA=","a":"aa","b":"bb"} hash -1 -` + at + "3"},
		{"list", key("l", value.List), func(v value.Visitor) error {
			for _, e := range []string{"b", "a", "b"} {
				if err := v.Element([]byte(e)); err != nil {
					return err
				}
			}
			return nil
		}, `upsert l ["b","a","b"] list -1 -` + at + "3"},
		{"set", key("s", value.Set), func(v value.Visitor) error {
			for _, e := range []string{"b", "", "a"} {
				if err := v.Member([]byte(e)); err != nil {
					return err
				}
			}
			return nil
		}, `upsert s ["","a","b"] set -1 -` + at + "3"},
		{"zset", key("z", value.SortedSet), func(v value.Visitor) error {
			for i, e := range []string{"b", "c", "a"} {
				if err := v.Scored([]byte(e), []float64{1.5, -1, 1.5}[i]); err != nil {
					return err
				}
			}
			return nil
		}, `upsert z [["c",-1],["a",1.5],["b",1.5]] zset -1 -` + at + "3"},
		{"stream", key("x", value.Stream), func(v value.Visitor) error {
			return v.Entry(value.StreamID{Ms: 5, Seq: 1}, [][]byte{[]byte("a"), []byte("1")})
		}, `upsert x [["5-1",{"a":"1"}]] stream -1 -` + at + "1"},
		{"empty stream", key("x", value.Stream), none, `upsert x [] stream -1 -` + at + "0"},
		{"time series", key("t", value.TimeSeries), func(v value.Visitor) error {
			return v.Sample(time.UnixMilli(1000), 2.5)
		}, `upsert t [[1000,2.5]] timeseries -1 -` + at + "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShaping(t, table.Options{})
			name := string(c.key.Name)
			for range 2 { // the second time with what the first one left
				c.key.Name = []byte(name)
				s.put(c.key, c.feed)
				if s.Oversized() {
					t.Error("it says that the value is oversized")
				}
			}
			s.want(c.want, c.want)
			if s.b.Hash[0] != s.b.Hash[1] || s.b.Hash[0] == 0 {
				t.Errorf("hashes of equal rows: %x", s.b.Hash)
			}
		})
	}
}

func TestShaper_expiry(t *testing.T) {
	s := newShaping(t, table.Options{Databases: true})
	k := key("a", value.String)
	k.Database, k.TTL, k.ExpiresAt = 3, 60, time.UnixMilli(1_800_000_000_123)
	s.put(k, text("1"))
	k = key("a", value.String)
	k.TTL, k.ExpiresAt = 1<<40, time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)
	s.put(k, text("1"))
	k = key("a", value.String)
	k.TTL, k.ExpiresAt = 0, time.Unix(0, 0)
	s.put(k, text("1"))
	s.want(
		"upsert 3 a 1 string 60 2027-01-15T08:00:00.123Z 2026-01-02T03:04:05.678Z 1",
		"upsert 0 a 1 string 1099511627776 9999-12-31T23:59:59.999Z 2026-01-02T03:04:05.678Z 1",
		"upsert 0 a 1 string 0 1970-01-01T00:00:00Z 2026-01-02T03:04:05.678Z 1",
	)
	if s.b.Hash[0] == s.b.Hash[1] || s.b.Hash[1] != s.b.Hash[2] {
		t.Errorf("hashes %x: the database counts, the expiry does not", s.b.Hash)
	}
}

// TestShaper_oversized goes to the limit of 100 bytes and one beyond it.
func TestShaper_oversized(t *testing.T) {
	const at = " -1 - 2026-01-02T03:04:05.678Z "
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name string
		kind value.Type
		feed func(v value.Visitor) error
		want string // value, type; then size
		size string
		over bool
	}{
		{"string at the limit", value.String, text(x(100)), x(100) + " string", "100", false},
		{"string beyond it", value.String, text(x(101)), "- string", "101", true},
		{"string beyond it by a piece", value.String, text(x(60), x(41), x(30)), "- string", "131", true},
		// 69 bytes are 7 + 92 of base64, 70 are 7 + 96.
		{"binary at the limit", value.String, text(strings.Repeat("\x00", 69)), "base64:" + strings.Repeat("A", 92) + " string", "69", false},
		{"binary beyond it", value.String, text(strings.Repeat("\x00", 70)), "- string", "70", true},
		{"JSON beyond it", value.JSON, text(`"`, x(99), `"`), "- json", "101", true},
		{"set at the limit", value.Set, func(v value.Visitor) error {
			return v.Member([]byte(x(96)))
		}, `["` + x(96) + `"] set`, "1", false},
		{"set beyond it", value.Set, func(v value.Visitor) error {
			return v.Member([]byte(x(97)))
		}, "- set", "1", true},
		// 9 members of 8 bytes: 11 each with quotes and comma, and a bracket more than commas.
		{"set of several at the limit", value.Set, members(9, "12345678"), `[` + strings.Repeat(`"12345678",`, 8) + `"12345678"] set`, "9", false},
		{"set of several beyond it", value.Set, func(v value.Visitor) error {
			if err := v.Member([]byte("123456789")); err != nil {
				return err
			}
			return members(8, "12345678")(v)
		}, "- set", "9", true},
		{"set of many", value.Set, members(5000, "12345678"), "- set", "5000", true},
		{"list at the limit", value.List, func(v value.Visitor) error {
			return v.Element([]byte(x(96)))
		}, `["` + x(96) + `"] list`, "1", false},
		{"list beyond it", value.List, func(v value.Visitor) error {
			for range 50 {
				if err := v.Element([]byte(x(3))); err != nil {
					return err
				}
			}
			return nil
		}, "- list", "50", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShaping(t, table.Options{})
			s.put(key("before", value.String), text("1"))
			s.put(key("a", c.kind), c.feed)
			if s.Oversized() != c.over {
				t.Errorf("oversized: %t, want %t", s.Oversized(), c.over)
			}
			s.put(key("after", value.Set), members(1, "m"))
			if s.Oversized() {
				t.Error("the next key is oversized, too")
			}
			s.want(
				"upsert before 1 string"+at+"1",
				"upsert a "+c.want+at+c.size,
				`upsert after ["m"] set`+at+"1",
			)
		})
	}
}

// TestShaper_stopped: a reader that stops because the value is oversized
// leaves the size to what the key was announced with.
func TestShaper_stopped(t *testing.T) {
	s := newShaping(t, table.Options{})
	k := key("a", value.List)
	k.Elements = 1_000_000
	s.put(k, func(v value.Visitor) error {
		for !s.Oversized() {
			if err := v.Element([]byte("element")); err != nil {
				return err
			}
		}
		return nil
	})
	k = key("b", value.List)
	k.Elements = 5
	s.put(k, func(v value.Visitor) error { return v.Element([]byte("shrunk")) })
	s.want(
		"upsert a - list -1 - 2026-01-02T03:04:05.678Z 1000000",
		`upsert b ["shrunk"] list -1 - 2026-01-02T03:04:05.678Z 1`,
	)
}

func TestShaper_Abort(t *testing.T) {
	for _, kind := range []value.Type{value.String, value.Hash, value.List} {
		for name, giveUp := range map[string]func(s *shaping){
			"Abort":       func(s *shaping) { s.Abort() },
			"Abort twice": func(s *shaping) { s.Abort(); s.Abort() },
			"Begin":       func(*shaping) {},
		} {
			t.Run(fmt.Sprint(kind, " ", name), func(t *testing.T) {
				s := newShaping(t, table.Options{Databases: true})
				s.put(key("before", value.String), text("1"))
				if err := s.Begin(key("broken", kind)); err != nil {
					t.Fatal(err)
				}
				var err error
				switch kind {
				case value.String:
					err = s.String([]byte("half"))
				case value.Hash:
					err = s.Field([]byte("f"), []byte("v"), time.Time{})
				case value.List:
					err = s.Element([]byte("e"))
				}
				if err != nil {
					t.Fatal(err)
				}
				giveUp(s)
				s.put(key("after", value.Hash), func(v value.Visitor) error {
					return v.Field([]byte("a"), []byte("b"), time.Time{})
				})
				s.Abort() // nothing to abort
				s.want(
					"upsert 0 before 1 string -1 - 2026-01-02T03:04:05.678Z 1",
					`upsert 0 after {"a":"b"} hash -1 - 2026-01-02T03:04:05.678Z 1`,
				)
			})
		}
	}
}

func TestShaper_Keep(t *testing.T) {
	s := newShaping(t, table.Options{Databases: true})
	if err := s.Begin(key("broken", value.List)); err != nil {
		t.Fatal(err)
	}
	s.Keep(value.Key{Database: 2, Name: []byte("broken")})
	s.Keep(value.Key{Name: []byte("\x00")})
	s.put(key("a", value.String), text("1"))
	s.want(
		"keep 2 broken - - - - - -",
		"keep 0 base64:AA== - - - - - -",
		"upsert 0 a 1 string -1 - 2026-01-02T03:04:05.678Z 1",
	)
	if s.b.Hash[0] != 0 || s.b.Hash[1] != 0 {
		t.Errorf("hashes of kept rows: %x", s.b.Hash)
	}
}

// TestShaper_Take: a row left unfinished is in no batch.
func TestShaper_Take(t *testing.T) {
	s := newShaping(t, table.Options{})
	s.put(key("before", value.String), text("1"))
	if err := s.Begin(key("broken", value.String)); err != nil {
		t.Fatal(err)
	}
	s.want("upsert before 1 string -1 - 2026-01-02T03:04:05.678Z 1")
	s.put(key("a", value.String), text("1"))
	s.want("upsert a 1 string -1 - 2026-01-02T03:04:05.678Z 1")
	s.want()
}

func BenchmarkShaper(b *testing.B) {
	s := newPlan(b, table.Options{MaxValueBytes: 100 << 20}).NewShaper()
	fields := make([][]byte, 20)
	for i := range fields {
		fields[i] = fmt.Appendf(nil, "%c-field-of-%03d", 'a'+i*7%26, i)
	}
	for _, c := range []struct {
		name string
		kind value.Type
		feed func() error
	}{
		{"counter", value.String, func() error { return s.String([]byte("12345")) }},
		{"hash of 10", value.Hash, func() error {
			for i := range 10 {
				if err := s.Field(fields[i], fields[10+i], time.Time{}); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := key("player:000123456", c.kind)
			for n := 0; b.Loop(); n++ {
				if n%1000 == 0 {
					for _, batch := range s.Take() {
						batch.Release()
					}
				}
				if err := s.Begin(k); err != nil {
					b.Fatal(err)
				}
				if err := c.feed(); err != nil {
					b.Fatal(err)
				}
				if err := s.End(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}
