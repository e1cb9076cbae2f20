package redis

import (
	"crypto/tls"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/redis/rueidis"
)

// groupOf returns a source of the primary of a group.
func groupOf(tb testing.TB, g *testserver.Group, change ...func(*Options)) *Source {
	tb.Helper()
	o := Options{Sentinel: Sentinel{Name: g.Name()}}
	for _, s := range g.Sentinels() {
		o.Sentinel.Addresses = append(o.Sentinel.Addresses, s.Address())
	}
	for _, f := range change {
		f(&o)
	}
	s, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// A reading of a snapshot that a failover interrupts goes on with who takes over, from
// the beginning; one of changes goes on where it was.
func TestSentinel_failover(t *testing.T) {
	t.Parallel()
	g := testserver.RedisSentinel(t, testserver.SentinelOptions{Replicas: 2})
	was := g.Servers()[0]
	fillStrings(t, clientOf(t, was), 20_000)
	scan := groupOf(t, g, unread)
	follow := groupOf(t, g, replica)
	m := &mirror{}
	if err := m.run(t.Context(), t, follow); err != nil {
		t.Fatal(err)
	}
	if n, err := scan.pick(t.Context()); err != nil || n.address != was.Address() {
		t.Fatalf("%+v, %v", n, err)
	}
	r, err := scan.Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	is, err := g.Crash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next(t.Context())
	}
	if !retryable(err) {
		t.Fatalf("%v, want an error that may pass", err)
	}
	_, err = scan.Open(t.Context(), first.After)
	if lost, ok := errors.AsType[*source.PositionLostError](err); !ok || !strings.Contains(lost.Reason, "replaced (run id") {
		t.Fatalf("%v, want a lost position", err)
	}
	if got := readAll(t, scan, row.Position{}); len(got.rows) != 20_000 {
		t.Errorf("%d keys", len(got.rows))
	}

	c := clientOf(t, is)
	fill(t, c, []string{"SET", "new", "1"}, []string{"DEL", "s:7"})
	if err := m.run(t.Context(), t, follow); err != nil {
		t.Fatal(err)
	}
	m.equals(t, oracle(t, c))
	if len(m.lost) > 0 || m.at.Generation != 1 {
		t.Errorf("generation %d, lost %q", m.at.Generation, m.lost)
	}

	// By way of a replica, too.
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, c, []string{"SET", "new", "2"})
	by := groupOf(t, g, replica, fromReplica)
	if err := m.run(t.Context(), t, by); err != nil {
		t.Fatal(err)
	}
	m.equals(t, oracle(t, c))
	if n, err := by.pick(t.Context()); err != nil || n.origin == nil || n.origin.primary.address != is.Address() || len(m.lost) > 0 {
		t.Errorf("%+v, %v, lost %q", n, err, m.lost)
	}
	if lag, err := by.Lag(t.Context(), m.at); err != nil || lag < 0 {
		t.Errorf("lag %d, %v", lag, err)
	}
}

// Followers go on through a failover, in both ways of following.
func TestSentinel_follow(t *testing.T) {
	t.Parallel()
	g := testserver.RedisSentinel(t, testserver.SentinelOptions{Server: testserver.Options{Args: []string{"--notify-keyspace-events", "KEA"}}})
	fill(t, clientOf(t, g.Servers()[0]), []string{"SET", "before", "1"})
	var all []*follower
	for _, change := range []func(*Options){replica, func(*Options) {}} {
		f := &follower{source: groupOf(t, g, notified, change), mirror: &mirror{rows: map[string]aRow{}}}
		defer f.close(t)
		f.until(t, "before")
		all = append(all, f)
	}
	is, err := g.FailOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, clientOf(t, is), []string{"SET", "after", "1"})
	for _, f := range all {
		f.until(t, "after")
		f.mirror.equals(t, oracle(t, clientOf(t, is)))
	}
	if lost := all[0].mirror.lost; len(lost) > 0 {
		t.Errorf("the replica lost %q", lost)
	}
}

// A follower reads into a mirror, and on behind what may pass, as the engine does.
type follower struct {
	source *Source
	mirror *mirror
	reader source.Reader // nil: not open
}

// until reads until the mirror has a row.
func (f *follower) until(t *testing.T, name string) {
	t.Helper()
	for {
		err := f.attempt(t, name)
		lost, ok := errors.AsType[*source.PositionLostError](err)
		switch {
		case err == nil:
			return
		case ok:
			f.mirror.lost, f.mirror.at.Token = append(f.mirror.lost, lost.Reason), ""
		case !retryable(err):
			t.Fatal(err)
		}
		f.close(t)
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *follower) attempt(t *testing.T, name string) (err error) {
	t.Helper()
	if f.reader == nil {
		if f.reader, err = f.source.Open(t.Context(), f.mirror.at); err != nil {
			f.reader = nil
			return err
		}
	}
	_, err = f.mirror.until(t.Context(), t, f.reader, name)
	return err
}

func (f *follower) close(t *testing.T) {
	t.Helper()
	if f.reader == nil {
		return
	}
	if err := f.reader.Close(); err != nil {
		t.Error(err)
	}
	f.reader = nil
}

// Sentinels and servers each have their own password, and TLS. What is wrong with
// either is said in one sentence.
func TestSentinel_identity(t *testing.T) {
	t.Parallel()
	g := testserver.RedisSentinel(t, testserver.SentinelOptions{
		Name: "game", Password: "watch", Server: testserver.Options{Password: "pw", TLS: true},
	})
	was := g.Servers()[0]
	right := func(o *Options) {
		o.Password, o.TLS, o.Sentinel.Password, o.Sentinel.TLS = "pw", was.ClientTLS, "watch", was.ClientTLS
	}
	plain := testserver.Redis(t, testserver.Options{})
	at := func(addresses ...string) func(*Options) {
		return func(o *Options) { o.Sentinel.Addresses = addresses }
	}
	unprotected := func(o *Options) { o.Sentinel.Password, o.Sentinel.TLS = "", nil }
	dead := stopped(t).Address()
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?m)^ACL SETUSER (keylift .* \+sentinel.*)$`).FindSubmatch(text)
	if rule == nil {
		t.Fatal("docs/permissions.md has no rule for sentinels")
	}
	for _, s := range g.Sentinels() {
		c := clientOf(t, s, func(o *rueidis.ClientOption) { o.Password = "watch" })
		fill(t, c, append([]string{"ACL", "SETUSER"}, strings.Fields(string(rule[1]))...), []string{"ACL", "SETUSER", "nobody", "on", "nopass", "-@all"})
	}
	user := func(name, password string) func(*Options) {
		return func(o *Options) { o.Sentinel.Username, o.Sentinel.Password = name, password }
	}
	for _, change := range []func(*Options){
		func(*Options) {}, fromReplica, replica, user("keylift", "PASSWORD"),
		func(o *Options) { o.Replica, o.ReadReplica = true, true },
		at(dead, g.Sentinels()[1].Address()),
	} {
		m := &mirror{}
		if err := m.run(t.Context(), t, groupOf(t, g, right, change)); err != nil {
			t.Error(err)
		}
	}
	for want, change := range map[string]func(*Options){
		`sentinels of "gamer": they do not monitor that name, but "game"; check sentinel_name`:                                     func(o *Options) { o.Sentinel.Name = "gamer" },
		"the sentinel asks for a password; set sentinel_password, and sentinel_username if it is not the default user":             func(o *Options) { o.Sentinel.Password = "" },
		"the sentinel does not take the user name or the password; check sentinel_username and sentinel_password":                  func(o *Options) { o.Sentinel.Password = "other" },
		"grant +sentinel|get-master-addr-by-name to the user":                                                                      user("nobody", "any"),
		"the user name or the password is wrong, or the user is disabled; check username and password":                             func(o *Options) { o.Password = "other" },
		"if it speaks TLS only, set sentinel_tls to true":                                                                          func(o *Options) { o.Sentinel.TLS = nil },
		"the sentinel does not speak TLS at this port: set sentinel_tls to false":                                                  at(plain.Address()),
		"set tls_ca to the certificate of the authority that signed it":                                                            func(o *Options) { o.Sentinel.TLS = func() *tls.Config { return &tls.Config{} } },
		"this is no sentinel but a server; give the addresses of sentinels":                                                        func(o *Options) { unprotected(o); at(plain.Address())(o) },
		"the sentinel has no password for this user; leave sentinel_password empty":                                                func(o *Options) { at(plain.Address())(o); o.Sentinel.TLS = nil },
		`sentinels of "game": none of them answers (` + dead + ": the connection was refused); check sentinel_addresses, and that": at(dead),
		"this is a sentinel, which holds no keys: give its address in sentinel_addresses":                                          func(o *Options) { o.Sentinel.Name, o.Address, o.Password = "", g.Sentinels()[0].Address(), "watch" },
	} {
		_, err := groupOf(t, g, right, change).Open(t.Context(), row.Position{})
		if access, ok := errors.AsType[*source.AccessError](err); !ok || !strings.Contains(access.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Whom the sentinels take for the primary is asked, and others when it is none; when
// none of the sentinels answers any more, that may pass.
func TestSentinel_stale(t *testing.T) {
	t.Parallel()
	g := testserver.RedisSentinel(t, testserver.SentinelOptions{})
	src := groupOf(t, g)
	sentinels := src.options.Sentinel.Addresses
	if _, err := src.Tables(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, err := src.primary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.address = g.Servers()[1].Address()
	_, err = n.connect(t.Context())
	if want := n.address + `: the server is a replica now (the sentinels name it as the primary of "mymaster")`; !retryable(err) || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
	if got := src.sentinels.inTurn(); !slices.Equal(got, []string{sentinels[1], sentinels[2], sentinels[0]}) {
		t.Errorf("asked next: %q of %q", got, sentinels)
	}
	g.Sentinels()[1].Kill()
	if n, err := src.primary(t.Context()); err != nil || n.address != g.Servers()[0].Address() {
		t.Errorf("%+v, %v", n, err)
	}
	if got := src.sentinels.inTurn(); got[0] != sentinels[2] {
		t.Errorf("asked next: %q of %q", got, sentinels)
	}
	g.Sentinels()[0].Kill()
	g.Sentinels()[2].Kill()
	if _, err := src.Open(t.Context(), row.Position{}); !retryable(err) || !strings.Contains(err.Error(), "none of them answers") {
		t.Errorf("%v", err)
	}
}
