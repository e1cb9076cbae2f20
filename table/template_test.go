package table_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

func TestTemplate_Match(t *testing.T) {
	for _, c := range []struct {
		template, key string
		want          string // pieces, joined by |; "no" where it does not match
	}{
		{"player:{id}", "player:1", "1"},
		{"player:{id}", "player:", "no"},
		{"player:{id}", "player:1:profile", "no"},
		{"player:{id}", "players:1", "no"},
		{"player:{id}", "", "no"},
		{"player:{id}:profile", "player:a-b_c:profile", "a-b_c"},
		{"player:{id}:profile", "player:1:profile2", "no"},
		{"player:{id}:profile", "player::profile", "no"},
		{"{game}:{id}:{rest:string:.*}", "chess:1:a:b", "chess|1|a:b"},
		{"{game}:{id}:{rest:string:.*}", "chess:1:", "chess|1|"},
		{"user_{id}_stats", "user_a_b_stats", "a_b"},
		{"user_{id}_{day}", "user_a_b_c", "a|b_c"},
		{"a/{x}/b.{y}", "a/1/b.2", "1|2"},
		{"a/{x}/b.{y}", "a/1.5/b.2", "no"},
		{"session:{id}", "session:a.b/c", "a.b/c"},
		{"n:{id:int}", "n:007", "007"},
		{"n:{id:int}", "n:-7", "-7"},
		{"n:{id:int}", "n:+7", "no"},
		{"n:{id:int}", "n:x", "no"},
		{"n:{id:int}", "n:9223372036854775808", "no"},
		{"d:{day:string:[0-9]{4}-[0-9]{2}}", "d:2026-11", "2026-11"},
		{"d:{day:string:[0-9]{4}-[0-9]{2}}", "d:2026-1", "no"},
		{"at:{t:unix_s}", "at:1700000000", "1700000000"},
		{`tag:\{{id}\}:\\`, `tag:{7}:\`, "7"},
		{"binary:{id}", "binary:\xff\x00", "\xff\x00"},
		{"plain", "plain", ""},
		{"plain", "plainer", "no"},
		{"{all:string:.*}", "anything:at:all", "anything:at:all"},
	} {
		tpl, err := table.ParseTemplate(c.template)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		got := "no"
		if spans, ok := tpl.Match([]byte(c.key), nil); ok {
			var pieces []string
			for _, s := range spans {
				pieces = append(pieces, c.key[s.Start:s.End])
			}
			got = strings.Join(pieces, "|")
		}
		if got != c.want {
			t.Errorf("%s takes %q of %q, want %q", c.template, got, c.key, c.want)
		}
	}
}

func TestParseTemplate_mistakes(t *testing.T) {
	for template, want := range map[string]string{
		"":                "is empty",
		"a:{id":           "has no }",
		"a:id}":           "has a } without {",
		"{a}{b}":          "side by side",
		"{a}:{a}":         `captures "a" twice`,
		"{}":              `the name ""`,
		"{Player}":        `the name "Player"`,
		"{1st}":           `the name "1st"`,
		"{id:integer}":    `the type "integer"`,
		"{id:string:[a-}": "no regular expression",
	} {
		_, err := table.ParseTemplate(template)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", template, err, want)
		}
	}
}

// TestParseTemplate_long would not end if each character were copied with all before it.
func TestParseTemplate_long(t *testing.T) {
	name := strings.Repeat("a}\\b", 1024)
	template, err := table.ParseTemplate(strings.NewReplacer("}", `\}`, `\`, `\\`).Replace(name) + strings.Repeat("c", 1<<23) + "{id:int}")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := template.Match([]byte(name+strings.Repeat("c", 1<<23)+"7"), nil); !ok {
		t.Error("the name does not match")
	}
}

func spec(tb testing.TB, name, template string, s table.Spec) table.Spec {
	tb.Helper()
	var err error
	if s.Template, err = table.ParseTemplate(template); err != nil {
		tb.Fatal(err)
	}
	s.Name = name
	return s
}

// TestPlan_route: the first template wins, and keys of another type go on.
func TestPlan_route(t *testing.T) {
	s := newShaping(
		t, table.Options{},
		spec(t, "profiles", "player:{id}:profile", table.Spec{Layout: table.Columns}),
		spec(t, "players", "player:{id}:{what}", table.Spec{}),
		spec(t, "boards", "board:{name}", table.Spec{Layout: table.Elements, Type: value.SortedSet}),
		spec(t, "boarding", "boarding:{name}", table.Spec{}),
	)
	for _, c := range []struct {
		name string
		kind value.Type
		want string
	}{
		{"player:1:profile", value.Hash, "profiles"},
		{"player:1:profile", value.String, "players"},
		{"player:1:friends", value.Hash, "players"},
		{"player:1", value.Hash, "redis_data"},
		{"board:a", value.SortedSet, "boards"},
		{"board:a", value.Set, "redis_data"},
		{"boarding:a", value.Set, "boarding"},
		{"other", value.String, "redis_data"},
	} {
		s.put(key(c.name, c.kind), func(v value.Visitor) error {
			if c.kind == value.SortedSet {
				return v.Scored([]byte("m"), 1)
			}
			return nil
		})
		for _, b := range s.Take() {
			if b.Table.Name != c.want || b.Len() != 1 {
				t.Errorf("%s of type %v: %d rows of %s, want 1 of %s", c.name, c.kind, b.Len(), b.Table.Name, c.want)
			}
		}
	}
}

func TestNewPlan_mistakes(t *testing.T) {
	no := "no"
	for want, specs := range map[string][]table.Spec{
		"needs the type":               {spec(t, "a", "a", table.Spec{Layout: table.Elements})},
		"hash or json, not set":        {spec(t, "a", "a", table.Spec{Layout: table.Columns, Type: value.Set})},
		"columns are for":              {spec(t, "a", "a", table.Spec{Fields: []table.Field{{Name: "f", Format: table.Text}}})},
		"new_fields is for":            {spec(t, "a", "a", table.Spec{Add: true})},
		"trim is for":                  {spec(t, "a", "a", table.Spec{Mirror: true})},
		"same name":                    {spec(t, "a", "a", table.Spec{}), spec(t, "a", "b", table.Spec{})},
		`table "redis_data"`:           {spec(t, "redis_data", "a", table.Spec{})},
		"has two columns":              {spec(t, "a", "a", table.Spec{Layout: table.Columns, Fields: []table.Field{{Name: "f", Column: "x", Format: table.Text}, {Name: "f", Column: "y", Format: table.Text}}})},
		`would both be column "Level"`: {spec(t, "a", "a", table.Spec{Layout: table.Columns, Fields: []table.Field{{Name: "level", Format: table.Text}, {Name: "x", Column: "Level", Format: table.Text}}})},
		"would both be column":         {spec(t, "a", "a:{key}", table.Spec{})},
		"_keylift are keylift's":       {spec(t, "a", "a:{_keylift_x}", table.Spec{})},
		`default "no" of column`:       {spec(t, "a", "a", table.Spec{Layout: table.Columns, Fields: []table.Field{{Name: "f", Format: table.Whole, Default: &no}}})},
		`field "lastLogin" and field "last_login" would both be column "last_login"`: {spec(t, "a", "a", table.Spec{Layout: table.Columns, Fields: []table.Field{{Name: "lastLogin", Format: table.Text}, {Name: "last_login", Format: table.Text}}})},
	} {
		if _, err := table.NewPlan(specs, table.Options{Default: "redis_data"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := table.NewPlan(nil, table.Options{Default: "redis_data", Skip: true}); err == nil {
		t.Error("a plan without tables")
	}
}

func TestPlan_Unreachable(t *testing.T) {
	p := newPlan(
		t, table.Options{},
		spec(t, "a", "player:{id}", table.Spec{}),
		spec(t, "b", "player:{name}", table.Spec{}),
		spec(t, "c", "player:{id:int}", table.Spec{Layout: table.Columns}),
		spec(t, "d", "game:{id:int}", table.Spec{Layout: table.Columns}),
		spec(t, "e", "game:{id}", table.Spec{}),
		spec(t, "f", "x:{rest:string:.*}", table.Spec{}),
		spec(t, "g", "x:{a}:b", table.Spec{}),
	)
	want := []string{
		`no key reaches table "b": table "a", which comes first, takes all that match player:{name}; put the narrower template first`,
		`no key reaches table "c": table "a", which comes first, takes all that match player:{id:int}; put the narrower template first`,
		`no key reaches table "g": table "f", which comes first, takes all that match x:{a}:b; put the narrower template first`,
	}
	if got := p.Unreachable(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// BenchmarkPlan finds the tables of keys among so many templates.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var specs []table.Spec
			for i := range n {
				specs = append(specs, spec(b, fmt.Sprint("t", i), fmt.Sprintf("kind%d:{id}:profile", i), table.Spec{}))
			}
			s := newPlan(b, table.Options{}, specs...).NewShaper()
			k := key(fmt.Sprintf("kind%d:123456:profile", n/2), value.String)
			for n := 0; b.Loop(); n++ {
				if n%1000 == 0 {
					for _, batch := range s.Take() {
						batch.Release()
					}
				}
				if err := s.Begin(k); err != nil {
					b.Fatal(err)
				}
				if err := s.End(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
