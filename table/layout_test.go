package table_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// hash feeds alternating names and values.
func hash(pairs ...string) func(v value.Visitor) error {
	return func(v value.Visitor) error {
		for i := 0; i < len(pairs); i += 2 {
			field, val := []byte(pairs[i]), []byte(pairs[i+1])
			if err := v.Field(field, val, time.Time{}); err != nil {
				return err
			}
			clear(field)
			clear(val)
		}
		return nil
	}
}

func TestShaper_columns(t *testing.T) {
	none := "none"
	players := spec(t, "players", "player:{player_id:int}", table.Spec{Layout: table.Columns, Fields: []table.Field{
		{Name: "name", Format: table.Text},
		{Name: "level", Format: table.Whole},
		{Name: "lastLogin", Format: table.Seconds},
		{Name: "guild", Format: table.Text, Default: &none},
		{Name: "gold", Format: table.DecimalText},
		{Name: "vip", Format: table.Bool},
		{Name: "rating", Format: table.Float},
		{Name: "born", Format: table.Timestamp},
		{Name: "settings", Format: table.JSONText},
	}})
	var misfits []string
	s := newShaping(t, table.Options{MaxValueBytes: 1000, Misfit: func(table, column string) { misfits = append(misfits, table+"."+column) }}, players)
	s.put(key("player:7", value.Hash), hash("name", "Ada", "level", "12", "lastLogin", "1700000000.5", "gold", "-12.50", "vip", "TRUE", "rating", "1.25",
		"born", "2001-02-03T04:05:06+01:00", "settings", `{"b": [1, 2.0], "a": "é"}`, "guild", "g"))
	s.put(key("player:8", value.Hash), hash("level", "twelve", "gold", "1e3", "vip", "2", "lastLogin", "soon", "born", "2001", "settings", "{", "rating", "fast", "z", "1", "a\x00", "2"))
	s.put(key("player:9", value.Hash), hash("name", "\xff", "level", "1", "level", "2"))
	s.want(
		`players upsert player:7 7 Ada 12 2023-11-14T22:13:20.5Z g -12.5 1 1.25 2001-02-03T03:05:06Z {"a":"é","b":[1,2.0]} -`,
		`players upsert player:8 8 - - - none - - - - - {"base64:YQA=":"2","born":"2001","gold":"1e3","lastLogin":"soon","level":"twelve","rating":"fast","settings":"{","vip":"2","z":"1"}`,
		`players upsert player:9 9 base64:/w== 2 - none - - - - - -`,
	)
	if got := strings.Join(misfits, " "); got != "players.level players.gold players.vip players.last_login players.born players.settings players.rating" {
		t.Errorf("misfits: %s", got)
	}
	want := []row.Column{
		{Name: "key", Type: row.String},
		{Name: "player_id", Type: row.Int},
		{Name: "name", Type: row.String},
		{Name: "level", Type: row.Int},
		{Name: "last_login", Type: row.UTCDateTime},
		{Name: "guild", Type: row.String},
		{Name: "gold", Type: row.Decimal},
		{Name: "vip", Type: row.Boolean},
		{Name: "rating", Type: row.Double},
		{Name: "born", Type: row.UTCDateTime},
		{Name: "settings", Type: row.JSON},
		{Name: "_extra", Type: row.JSON},
	}
	for i, c := range s.b.Table.Columns {
		if c != want[i] {
			t.Errorf("column %d is %+v, want %+v", i, c, want[i])
		}
	}
}

func TestShaper_columns_json(t *testing.T) {
	s := newShaping(t, table.Options{}, spec(t, "docs", "doc:{id}", table.Spec{Layout: table.Columns, Type: value.JSON, Fields: []table.Field{
		{Name: "n", Format: table.Whole},
		{Name: "s", Format: table.Text},
		{Name: "o", Format: table.JSONText},
		{Name: "b", Format: table.Bool},
	}}))
	s.put(key("doc:1", value.JSON), text(`{"n":1,"s":"te`, `xt","o":{"y":1,"x":null},"b":true,"z":[1,"<"]}`))
	s.put(key("doc:2", value.JSON), text(`{"n":1.5,"s":null,"o":"text","b":"no"}`))
	s.put(key("doc:3", value.JSON), text("[1]"))
	s.put(key("doc:4", value.JSON), text(`{"":[1]}`))
	s.put(key("doc:5", value.JSON), text("null"))
	s.put(key("doc:6", value.JSON), text("1 2"))
	s.want(
		`docs upsert doc:1 1 1 text {"x":null,"y":1} 1 {"z":[1,"<"]}`,
		`docs upsert doc:2 2 - - "text" - {"b":"no","n":1.5}`,
		`docs upsert doc:3 3 - - - - [1]`,
		`docs upsert doc:4 4 - - - - {"":[1]}`,
		`docs upsert doc:5 5 - - - - null`,
		`docs upsert doc:6 6 - - - - "1 2"`,
	)
}

// TestShaper_newFields: a field that is met for the first time becomes a column, also of
// the rows that wait, whose hashes are those that they would have without it.
func TestShaper_newFields(t *testing.T) {
	p := newPlan(t, table.Options{}, spec(t, "players", "player:{id}", table.Spec{Layout: table.Columns, Add: true}))
	s := &shaping{Shaper: p.NewShaper(), t: t}
	s.put(key("player:1", value.Hash), hash())
	before := s.Take()[0]
	s.put(key("player:1", value.Hash), hash())
	s.put(key("player:2", value.Hash), hash("maxHP", "5"))
	s.put(key("player:3", value.Hash), hash("guild", "g"))
	s.put(key("player:1", value.Hash), hash())
	batches := s.Take()
	if len(batches) != 1 || batches[0].Len() != 4 {
		t.Fatalf("%d batches", len(batches))
	}
	b := batches[0]
	var names []string
	for _, c := range b.Table.Columns {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "key id max_hp guild _extra" {
		t.Errorf("columns %s", got)
	}
	for i, want := range []string{"player:1 1 - - -", "player:2 2 5 - -", "player:3 3 - g -", "player:1 1 - - -"} {
		var cells []string
		for c := range b.Vectors {
			if b.Vectors[c].Null[i] {
				cells = append(cells, "-")
			} else {
				cells = append(cells, string(b.TextAt(c, i)))
			}
		}
		if got := strings.Join(cells, " "); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
	if h := before.Hash[0]; b.Hash[0] != h || b.Hash[3] != h || b.HashRow(0) != h {
		t.Error("another column has changed the hash of a row that is NULL there")
	}
	if err := s.Begin(key("player:4", value.Hash)); err != nil {
		t.Fatal(err)
	}
	if err := s.Field([]byte("max-hp"), []byte("1"), time.Time{}); err == nil || !strings.Contains(err.Error(), `field "maxHP" and field "max-hp" would both be column "max_hp"`) {
		t.Errorf("got %v", err)
	}
}

func TestShaper_elements(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		kind value.Type
		feed func(v value.Visitor) error
		want []string
	}{
		{value.Hash, func(v value.Visitor) error {
			if err := v.Field([]byte("a"), []byte("1"), at); err != nil {
				return err
			}
			return v.Field([]byte("b\xff"), []byte("2"), time.Time{})
		}, []string{"t upsert 3 k:x:7 a x 7 1 2030-01-02T03:04:05Z", "t upsert 3 k:x:7 base64:Yv8= x 7 2 -"}},
		{value.List, func(v value.Visitor) error {
			if err := v.Element([]byte("a")); err != nil {
				return err
			}
			return v.Element([]byte("a"))
		}, []string{"t upsert 3 k:x:7 0 x 7 a", "t upsert 3 k:x:7 1 x 7 a"}},
		{value.Set, members(1, "m"), []string{"t upsert 3 k:x:7 m x 7"}},
		{value.SortedSet, func(v value.Visitor) error { return v.Scored([]byte("m"), 1.5) }, []string{"t upsert 3 k:x:7 m x 7 1.5"}},
		{value.Stream, func(v value.Visitor) error {
			return v.Entry(value.StreamID{Ms: 5000, Seq: 1}, [][]byte{[]byte("a"), []byte("1")})
		}, []string{"t stay 3 k:x:7 - - - - -", `t upsert 3 k:x:7 5000-1 x 7 1970-01-01T00:00:05Z {"a":"1"}`}},
		{value.TimeSeries, func(v value.Visitor) error { return v.Sample(at, 2.5) }, []string{"t stay 3 k:x:7 - - - -", "t upsert 3 k:x:7 2030-01-02T03:04:05Z x 7 2.5"}},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			s := newShaping(t, table.Options{Databases: true}, spec(t, "t", "k:{name}:{n:int}", table.Spec{Layout: table.Elements, Type: c.kind}))
			k := key("k:x:7", c.kind)
			k.Database = 3
			s.put(k, c.feed)
			s.want(c.want...)
			if s.b.Table.Group != 2 || s.b.Table.Keys != 3 || s.b.Table.Ranked != (c.kind == value.SortedSet) {
				t.Errorf("table %+v", s.b.Table)
			}
		})
	}
}

func TestShaper_elements_streamFields(t *testing.T) {
	s := newShaping(t, table.Options{}, spec(t, "events", "events:{game}", table.Spec{Layout: table.Elements, Type: value.Stream, Fields: []table.Field{
		{Name: "player", Format: table.Whole},
		{Name: "what", Format: table.Text},
	}}))
	words := func(s string) (fields [][]byte) {
		for w := range strings.FieldsSeq(s) {
			fields = append(fields, []byte(w))
		}
		return fields
	}
	s.put(key("events:a", value.Stream), func(v value.Visitor) error {
		for i, fields := range []string{"player 7 what won at x", "player nobody", "what a what b"} {
			if err := v.Entry(value.StreamID{Ms: 1000, Seq: uint64(i)}, words(fields)); err != nil { //nolint:gosec // small
				return err
			}
		}
		return nil
	})
	s.want(
		"events stay events:a - - - - - -",
		`events upsert events:a 1000-0 a 1970-01-01T00:00:01Z 7 won {"at":"x"}`,
		`events upsert events:a 1000-1 a 1970-01-01T00:00:01Z - - {"player":"nobody"}`,
		`events upsert events:a 1000-2 a 1970-01-01T00:00:01Z - b [["what","a"],["what","b"]]`,
	)
}

// TestShaper_changes: a key that changed takes the place of what was known of it,
// in every table that it may have been in.
func TestShaper_changes(t *testing.T) {
	p := newPlan(
		t, table.Options{},
		spec(t, "boards", "board:{name}", table.Spec{Layout: table.Elements, Type: value.SortedSet}),
		spec(t, "profiles", "board:{name}", table.Spec{Layout: table.Columns}),
	)
	s := &shaping{Shaper: p.NewChangesShaper(), t: t}
	s.put(key("board:a", value.SortedSet), func(v value.Visitor) error { return v.Scored([]byte("m"), 1) })
	s.want(
		"boards delete board:a - - -",
		"boards upsert board:a m a 1",
		"profiles delete board:a - -",
		"delete board:a - - - - - -",
	)
	s.put(key("other", value.String), text("x"))
	s.want("upsert other x string -1 - 2026-01-02T03:04:05.678Z 1")
	s.Delete(0, []byte("board:a"))
	s.want("boards delete board:a - - -", "profiles delete board:a - -", "delete board:a - - - - - -")
	s.Keep(value.Key{Name: []byte("other")})
	s.want("keep other - - - - - -")
}

// TestShaper_Tail: the entries of streams are added to those that were there, unless
// the table is a mirror or the stream was made anew.
func TestShaper_Tail(t *testing.T) {
	entries := func(from, n uint64) func(v value.Visitor) error {
		return func(v value.Visitor) error {
			for i := range n {
				if err := v.Entry(value.StreamID{Ms: from + i}, [][]byte{[]byte("a"), {'a' + byte(i)}}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	streams := spec(t, "s", "s:{name}", table.Spec{Layout: table.Elements, Type: value.Stream})
	mirrors := spec(t, "m", "m:{name}", table.Spec{Layout: table.Elements, Type: value.Stream, Mirror: true})
	p := newPlan(t, table.Options{}, streams, mirrors)
	for _, name := range []string{"s:a", "m:a", "s:", "x"} {
		if got, want := p.Appends([]byte(name)), name == "s:a"; got != want {
			t.Errorf("%s appends: %t", name, got)
		}
	}
	for kind, s := range map[string]*shaping{"snapshot": {Shaper: p.NewShaper(), t: t}, "changes": {Shaper: p.NewChangesShaper(), t: t}} {
		t.Run(kind, func(t *testing.T) {
			changes := kind == "changes"
			var gone, mirrored []string
			if changes {
				gone, mirrored = []string{"s delete s:a - - - -"}, []string{"m delete m:a - - - -"}
			}
			row := func(table string, ms string, a string) string {
				return table + " upsert " + table + ":a " + ms + "-0 a 1970-01-01T00:00:00.00" + ms + `Z {"a":"` + a + `"}`
			}
			others := func(want ...string) []string {
				if changes {
					want = append(want, "delete s:a - - - - - -")
				}
				return want
			}
			s.put(key("s:a", value.Stream), entries(3, 2))
			want := table.Tail{First: value.StreamID{Ms: 3}, Last: value.StreamID{Ms: 4}, Check: table.EntryCheck([][]byte{[]byte("a"), []byte("b")}), Elements: 2}
			if got := s.Tail(); got != want {
				t.Errorf("tail %+v, want %+v", got, want)
			}
			s.want(others("s stay s:a - - - -", row("s", "3", "a"), row("s", "4", "b"))...)
			s.Replace()
			s.put(key("s:a", value.Stream), entries(1, 1))
			s.want(others(append(gone, row("s", "1", "a"))...)...)
			s.put(key("s:a", value.Stream), entries(1, 0))
			if got := s.Tail(); got != (table.Tail{}) {
				t.Errorf("tail %+v of nothing", got)
			}
			s.want(others("s stay s:a - - - -")...)
			s.put(key("m:a", value.Stream), entries(5, 1))
			if got := s.Tail(); got != (table.Tail{}) {
				t.Errorf("tail %+v of a mirror", got)
			}
			mirrored = append(mirrored, row("m", "5", "a"))
			if changes {
				mirrored = append(mirrored, "delete m:a - - - - - -")
			}
			s.want(mirrored...)
		})
	}
}

// TestShaper_Spill: the rows of one key may be in several batches.
func TestShaper_Spill(t *testing.T) {
	s := newShaping(t, table.Options{}, spec(t, "boards", "board:{name}", table.Spec{Layout: table.Elements, Type: value.SortedSet}))
	var rows []string
	s.Spill(500, func(b *row.Batch) error {
		for i := range b.Len() {
			rows = append(rows, cellText(b, 0, i)+" "+cellText(b, 1, i)+" "+cellText(b, 2, i)+" "+cellText(b, 3, i))
		}
		b.Release()
		return nil
	})
	s.put(key("board:a", value.SortedSet), func(v value.Visitor) error {
		for i := range 100 {
			if err := v.Scored([]byte{'a' + byte(i%26), 'a' + byte(i/26)}, float64(i)); err != nil {
				return err
			}
		}
		return nil
	})
	spilled := len(rows)
	for _, b := range s.Take() {
		rows = append(rows, make([]string, b.Len())...)
	}
	if spilled < 50 || len(rows) != 100 || rows[0] != "board:a aa a 0" || rows[40] != "board:a ob a 40" {
		t.Errorf("%d rows spilled of %d: %q", spilled, len(rows), rows[:41])
	}
}

func TestShaper_skip(t *testing.T) {
	p := newPlan(t, table.Options{Skip: true}, spec(t, "boards", "board:{name}", table.Spec{Layout: table.Elements, Type: value.SortedSet}))
	s := &shaping{Shaper: p.NewShaper(), t: t}
	s.put(key("other", value.String), text("x"))
	s.put(key("board:a", value.Set), members(2, "m"))
	s.Keep(value.Key{Name: []byte("other")})
	s.want()
	if p.Reads([]byte("other")) || !p.Reads([]byte("board:a")) {
		t.Error("what matches no template is not read, what matches is")
	}
}

// TestShaper_Keep_once: a key that cannot be read is counted once, however many
// tables it may have rows in.
func TestShaper_Keep_once(t *testing.T) {
	s := newShaping(
		t, table.Options{},
		spec(t, "boards", "board:{name}", table.Spec{Layout: table.Elements, Type: value.SortedSet}),
		spec(t, "profiles", "board:{name}", table.Spec{Layout: table.Columns}),
	)
	s.Keep(value.Key{Name: []byte("board:a")})
	s.want("boards keep board:a - - -", "profiles stay board:a - -", "stay board:a - - - - - -")
}
