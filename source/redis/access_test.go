package redis

import (
	"crypto/tls"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// What only the user can mend is said in one sentence that ends with what to do.
func TestSource_Open_access(t *testing.T) {
	t.Parallel()
	plain := testserver.Options{}
	secret := testserver.Options{Password: "secret"}
	users := testserver.Options{ACL: []string{
		"default off", "noscan on >pw ~* +@all -scan", "noexpiry on >pw ~* +@all -pttl -pexpiretime",
		"novalue on >pw ~* +@all -dump -type", "noinfo on >pw ~* +@all -info", "noselect on >pw ~* +@all -select",
	}}
	encrypted := testserver.Options{TLS: true}
	strict := testserver.Options{TLS: true, ClientCert: true}
	user := func(name string) func(*Options) { return func(o *Options) { o.Username, o.Password = name, "pw" } }
	cases := map[string]struct {
		server testserver.Options
		change func(*Options)
		want   string
	}{
		"wrong password":      {secret, func(o *Options) { o.Password = "wrong" }, "the user is disabled; check username and password"},
		"wrong user":          {users, user("nobody"), "the user is disabled; check username and password"},
		"no password":         {secret, func(*Options) {}, "set password"},
		"no SCAN":             {users, user("noscan"), "SCAN is not permitted"},
		"no expiry":           {users, user("noexpiry"), "neither PEXPIRETIME nor PTTL is permitted"},
		"no value":            {users, user("novalue"), "neither DUMP nor TYPE is permitted"},
		"all without INFO":    {users, func(o *Options) { user("noinfo")(o); o.AllDatabases = true }, "list the databases"},
		"no SELECT":           {users, func(o *Options) { user("noselect")(o); o.Databases = []int{1} }, "grant it to the user"},
		"no SELECT of many":   {users, func(o *Options) { user("noselect")(o); o.AllDatabases = true }, "grant it to the user"},
		"no such database":    {plain, func(o *Options) { o.Databases = []int{16} }, "there is no such database: the server has fewer; check database"},
		"no such database 2":  {plain, func(o *Options) { o.Databases = []int{0, 16} }, "there is no such database: the server has fewer; check database"},
		"wrong name":          {encrypted, withTLS(func(c *tls.Config) { c.ServerName = "elsewhere" }), "set tls_server_name"},
		"unknown authority":   {encrypted, withTLS(func(c *tls.Config) { c.RootCAs = nil }), "set tls_ca"},
		"no certificate":      {strict, withTLS(func(c *tls.Config) { c.Certificates = nil }), "set tls_cert and tls_key"},
		"TLS to a plain port": {plain, func(o *Options) { o.TLS = func() *tls.Config { return &tls.Config{} } }, "does not speak TLS at this port: use its TLS port, or set ssl to false"},
		"plain to a TLS port": {encrypted, func(o *Options) { o.TLS = nil }, "set ssl to true"},
		"unknown host":        {plain, func(o *Options) { o.Address = "no..such.host:6379" }, "check the host name"},
		"no socket":           {plain, func(o *Options) { o.Network, o.Address = "unix", "/no/such.sock" }, "there is no such socket"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := sourceOf(t, testserver.Redis(t, tc.server), tc.change)
			_, err := src.Open(t.Context(), row.Position{})
			var access *source.AccessError
			if !errors.As(err, &access) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v, want an access error with %q", err, tc.want)
			}
			answered := !tc.server.TLS && !strings.Contains(name, "TLS") && !strings.HasPrefix(name, "unknown") && name != "no socket"
			if access.Refused != answered {
				t.Errorf("refused by the server: %t, want %t", access.Refused, answered)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

// withTLS changes the configuration of TLS of a source's connections.
func withTLS(change func(*tls.Config)) func(*Options) {
	return func(o *Options) {
		before := o.TLS
		o.TLS = func() *tls.Config {
			c := before()
			change(c)
			return c
		}
	}
}

func TestSource_Open_refused(t *testing.T) {
	port, err := testserver.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer port.Release()
	src, err := Open(Options{Address: port.Address()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = src.Open(t.Context(), row.Position{})
	var access *source.AccessError
	if !errors.As(err, &access) || !strings.Contains(err.Error(), "refused; check host and port") {
		t.Errorf("%v", err)
	}
}

func TestOpen_options(t *testing.T) {
	for want, o := range map[string]Options{
		"no address":      {},
		"database -1":     {Address: "x:1", Databases: []int{-1, 2}},
		"batch size is -": {Address: "x:1", BatchSize: -5},
	} {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// documentedRule returns the user that docs/permissions.md tells to create.
func documentedRule(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?m)^ACL SETUSER (keylift on >PASSWORD .*)$`).FindSubmatch(text)
	if rule == nil {
		t.Fatal("docs/permissions.md has no rule")
	}
	return string(rule[1])
}

// The documented user reads every type, big keys and several databases, and
// nothing that it does is refused.
func TestSource_leastPrivilege(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{ACL: []string{"default on nopass ~* &* +@all", documentedRule(t)}})
	c := clientOf(t, s)
	fill(t, c, everything()...)
	fillStrings(t, clientOf(t, s, inDatabase(2)), 10)
	for _, change := range []func(*Options){
		func(*Options) {},
		func(o *Options) { o.BigKeyBytes = 1 },
		func(o *Options) { o.Databases = []int{0, 2} },
		func(o *Options) { o.AllDatabases = true },
		func(o *Options) { o.Types = []string{"hash", "zset"} },
	} {
		src := sourceOf(t, s, func(o *Options) { o.Username, o.Password = "keylift", "PASSWORD" }, change)
		want := readAll(t, sourceOf(t, s, change), row.Position{})
		sameRows(t, readAll(t, src, row.Position{}).rows, want.rows, 0)
		if _, err := src.Inspect(t.Context()); err != nil {
			t.Error(err)
		}
	}
	log, err := send(t, c, "ACL", "LOG").ToArray()
	if err != nil {
		t.Fatal(err)
	}
	for i := range log {
		entry, err := log[i].AsStrMap()
		if err != nil {
			t.Fatal(err)
		}
		// CONFIG only helps to advise, PTTL to do without PEXPIRETIME.
		if object := entry["object"]; object != "config|get" && object != "pttl" {
			t.Errorf("refused: %q", object)
		}
	}
}

// Keys that may not be read are set aside, one by one.
func TestReader_Next_setAside(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{ACL: []string{"default on nopass ~* &* +@all", "some on >pw ~open:* &* +@all"}})
	c := clientOf(t, s)
	fill(t, c, []string{"SET", "open:1", "a"}, []string{"HSET", "open:2", "a", "b"}, []string{"SET", "shut:1", "a"}, []string{"HSET", "shut:2", "a", "b"})
	var log strings.Builder
	src := sourceOf(t, s, logTo(&log), func(o *Options) { o.Username, o.Password = "some", "pw" })
	got := readAll(t, src, row.Position{})
	want := map[string]aRow{
		"open:1": {Value: "a", Type: "string", TTL: -1, Size: 1},
		"open:2": {Value: `{"a":"b"}`, Type: "hash", TTL: -1, Size: 1},
		"shut:1": {Op: row.Keep},
		"shut:2": {Op: row.Keep},
	}
	sameRows(t, got.rows, want, 0)
	if n := strings.Count(log.String(), "set aside"); n != 1 {
		t.Errorf("%d lines about keys set aside, want 1: %s", n, &log)
	}
	if strings.Contains(log.String(), "shut:") {
		t.Errorf("the log names a key: %s", &log)
	}
}

// A server that is still loading its data will be ready later.
func TestSource_Open_loading(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{Args: []string{"--enable-debug-command", "local"}})
	c := clientOf(t, s)
	fillStrings(t, c, 20_000)
	// A millisecond a key, and other clients are served after each kilobyte.
	fill(t, c, []string{"CONFIG", "SET", "key-load-delay", "1000", "loading-process-events-interval-bytes", "1024"})
	soon := clientOf(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Do(t.Context(), c.B().Arbitrary("DEBUG", "RELOAD").Build())
	}()
	src := sourceOf(t, s)
	var err error
	for err == nil && !closed(done) {
		_, err = src.Tables(t.Context())
	}
	send(t, soon, "CONFIG", "SET", "key-load-delay", "0")
	if !retryable(err) || !strings.Contains(err.Error(), "LOADING") && !strings.Contains(err.Error(), "loading") {
		t.Errorf("while loading: %v", err)
	}
	<-done
}
