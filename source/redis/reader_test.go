package redis

import (
	"flag"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Tests that run at once spend more time waiting for servers than on a processor.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	// A client of a cluster that was closed waits for its last look at it.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"))
}

// Each way of reading gives the rows that the server's answers to typed commands
// tell, the first time and when the shapes of the keys are known.
func TestReader_Next(t *testing.T) {
	t.Parallel()
	user := func(rule string) testserver.Options {
		return testserver.Options{ACL: []string{"default on nopass ~* &* +@all", "reader on >pw ~* &* +@all " + rule}}
	}
	cases := map[string]struct {
		server testserver.Options
		change func(*Options)
	}{
		"defaults":           {change: func(*Options) {}},
		"one key a pipeline": {change: func(o *Options) { o.BatchSize = 1 }},
		"large pipelines":    {change: func(o *Options) { o.BatchSize = 5000 }},
		"every key is big":   {change: func(o *Options) { o.BigKeyBytes = 1 }},
		"RESP2":              {server: testserver.Options{Args: []string{"--rename-command", "HELLO", ""}}, change: func(*Options) {}},
		"no DUMP":            {server: user("-dump")},
		"no DUMP, large pipelines": {
			server: user("-dump"),
			change: func(o *Options) { o.Username, o.Password, o.BatchSize = "reader", "pw", 5000 },
		},
		"no MEMORY USAGE":     {server: user("-memory")},
		"no DUMP and no size": {server: user("-dump -memory")},
		"no GETRANGE":         {server: user("-getrange")},
		"no PEXPIRETIME":      {server: user("-pexpiretime")},
		"no TYPE":             {server: user("-type")},
		"no INFO, no TIME":    {server: user("-info -time")},
		"a socket":            {server: testserver.Options{Unix: true}, change: func(*Options) {}},
		"TLS":                 {server: testserver.Options{TLS: true, ClientCert: true}, change: func(*Options) {}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.Redis(t, tc.server)
			if tc.change == nil {
				tc.change = func(o *Options) { o.Username, o.Password = "reader", "pw" }
			}
			c := clientOf(t, s)
			fill(t, c, everything()...)
			want := oracle(t, c)
			src := sourceOf(t, s, tc.change)
			for range 2 {
				got := readAll(t, src, row.Position{})
				sameRows(t, got.rows, want, src.expiry)
				if got.total != len(want) {
					t.Errorf("%d rows for %d keys", got.total, len(want))
				}
			}
		})
	}
}
