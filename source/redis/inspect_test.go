package redis

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

func TestSource_Inspect(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{
		Args: []string{"--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"},
		ACL: []string{
			"default on nopass ~* &* +@all",
			"few on >pw ~* -@all +scan +pttl +type +get +hgetall +lrange +smembers +zrange",
			"typed on >pw ~* +@all -dump -memory -watch -pexpiretime",
		},
	})
	c := clientOf(t, s)
	fillStrings(t, c, 42)
	cases := map[string]struct {
		change  func(*Options)
		missing string // the ACL rules that would grant it
		want    string
	}{
		"all permitted": {func(*Options) {}, "", `
			ok connect
			ok permission DUMP
			ok permission for big keys
			ok permission PEXPIRETIME
			ok permission INFO
			warn permission CLIENT NO-TOUCH
			ok advice rdbcompression`},
		"typed": {func(o *Options) { o.Username, o.Password = "typed", "pw" }, "+dump +memory|usage +pexpiretime +watch", `
			ok connect
			warn permission DUMP
			warn permission MEMORY USAGE
			warn permission for big keys
			warn permission PEXPIRETIME
			ok permission INFO
			warn permission CLIENT NO-TOUCH`},
		"too few": {
			func(o *Options) { o.Username, o.Password = "few", "pw" },
			"+client|no-evict +dump +getrange +hlen +hrandfield +hscan +info +llen +memory|usage +pexpiretime +scard +sscan +strlen +time +unwatch +watch +xlen +xrange +zcard +zscan", `
			ok connect
			fail permission DUMP
			warn permission GETRANGE
			warn permission HRANDFIELD
			warn permission MEMORY USAGE
			warn permission for big keys
			warn permission PEXPIRETIME
			warn permission TIME
			warn permission INFO`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			report, err := sourceOf(t, s, tc.change).Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, [...]string{"ok", "warn", "fail"}[f.Level]+" "+f.Name)
				if f.Level != source.OK && !strings.Contains(f.Detail, "docs/permissions.md") && f.Name != "permission CLIENT NO-TOUCH" {
					t.Errorf("%s does not say what to do: %s", f.Name, f.Detail)
				}
			}
			want := strings.Fields(strings.ReplaceAll(tc.want, " ", "_"))
			if strings.Join(got, "\n") != strings.ReplaceAll(strings.Join(want, "\n"), "_", " ") {
				t.Errorf("findings\n%s", strings.Join(got, "\n"))
			}
			if got := strings.Join(report.Missing, " "); got != tc.missing {
				t.Errorf("missing %q, want %q", got, tc.missing)
			}
			if name == "too few" {
				return // it may not ask who the server is
			}
			if report.Mode != "scan" || report.Keys != 42 || len(report.Nodes) != 1 {
				t.Errorf("report %+v", report)
			}
			if n := report.Nodes[0]; !strings.HasPrefix(n.Version, "redis ") || len(n.RunID) != 40 || n.Role != "primary" || n.Address != s.Address() {
				t.Errorf("node %+v", n)
			}
		})
	}
}

// Servers that know little and have no run id are read all the same.
func TestReader_Next_miniredis(t *testing.T) {
	m := miniredis.RunT(t)
	if err := m.Set("string", "v"); err != nil {
		t.Fatal(err)
	}
	m.HSet("hash", "f", "v")
	if _, err := m.ZAdd("zset", 1.5, "m"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Push("list", "a", "b"); err != nil {
		t.Fatal(err)
	}
	src, err := Open(Options{Address: m.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, src, row.Position{})
	sameRows(t, got.rows, map[string]aRow{
		"string": {Type: "string", Value: "v", TTL: -1, Size: 1},
		"hash":   {Type: "hash", Value: `{"f":"v"}`, TTL: -1, Size: 1},
		"zset":   {Type: "zset", Value: `[["m",1.5]]`, TTL: -1, Size: 1},
		"list":   {Type: "list", Value: `["a","b"]`, TTL: -1, Size: 2},
	}, 0)
	if _, err := src.Inspect(t.Context()); err != nil {
		t.Error(err)
	}
}
