package replication

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
)

func optionsOf(s *testserver.Server) Options {
	return Options{Network: s.Network(), Address: s.Address(), ConnectTimeout: testTimeout, ReplyTimeout: testTimeout}
}

func dialLink(t *testing.T, o Options) *Link {
	t.Helper()
	l, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// keysOf reads a whole snapshot and counts its keys.
func keysOf(t *testing.T, r io.Reader) int {
	t.Helper()
	s := rdb.NewScanner(r)
	var d rdb.Decoder
	n := 0
	for {
		b, err := s.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err == nil {
			err = d.Block(b, func(*value.Key) value.Visitor { n++; return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// synced takes a snapshot and returns where the stream begins.
func synced(t *testing.T, l *Link, wantKeys int) Start {
	t.Helper()
	start, err := l.Sync(t.Context(), "", 0)
	if err != nil || !start.Full || len(start.ID) != 40 {
		t.Fatalf("%+v, %v", start, err)
	}
	if n := keysOf(t, l.Snapshot()); n != wantKeys {
		t.Fatalf("%d keys in the snapshot, want %d", n, wantKeys)
	}
	return start
}

// follow reads commands until one begins with the words of last, and returns all
// but PING, SELECT and REPLCONF.
func follow(t *testing.T, l *Link, from Position, last string) (commands []string, after Position) {
	t.Helper()
	p := NewParser(l, from, DefaultHold)
	for {
		c, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		if c.WantsAck() {
			if err := l.Acknowledge(); err != nil {
				t.Fatal(err)
			}
		}
		line := string(bytes.Join(c.Args, []byte(" ")))
		if name, _, _ := strings.Cut(strings.ToLower(line), " "); name != "ping" && name != "select" && name != "replconf" {
			commands = append(commands, line)
		}
		if strings.HasPrefix(line, last) {
			return commands, Position{Offset: c.End, Database: c.Database}
		}
	}
}

func TestLink(t *testing.T) {
	for name, o := range map[string]testserver.Options{
		"diskless":    {},
		"delayed":     {Args: []string{"--repl-diskless-sync-delay", "3"}}, // longer than between signs of life
		"disk":        {Args: []string{"--repl-diskless-sync", "no"}},
		"TLS":         {TLS: true},
		"unix socket": {Unix: true},
		"password":    {Password: "secret"},
		"one user":    {ACL: []string{"default on nopass ~* +@all", "keylift on >secret +psync +replconf"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := testserver.Redis(t, o)
			lo := optionsOf(s)
			lo.TLS, lo.Password = s.ClientTLS(), o.Password
			if o.ACL != nil {
				lo.Username, lo.Password = "keylift", "secret"
			}
			if !o.TLS && o.Password == "" {
				c := dial(t, s)
				for i := range 1000 {
					c.do("SET", fmt.Sprint("key", i), strings.Repeat("x", i))
				}
				l := dialLink(t, lo)
				start := synced(t, l, 1000)
				c.do("SET", "new", "1")
				c.do("SELECT", "3")
				c.do("DEL", "none")
				c.do("INCR", "counter")
				commands, after := follow(t, l, Position{Offset: start.Offset}, "INCR counter")
				if fmt.Sprint(commands) != "[SET new 1 INCR counter]" || after.Database != 3 {
					t.Errorf("%q, then %+v", commands, after)
				}
				l.Close()
				// Another link goes on there.
				c.do("SET", "later", "2")
				again := dialLink(t, lo)
				partial, err := again.Sync(t.Context(), start.ID, after.Offset)
				if err != nil || partial.Full || partial.ID != start.ID || partial.Offset != after.Offset {
					t.Fatalf("%+v, %v", partial, err)
				}
				commands, last := follow(t, again, after, "SET later")
				if fmt.Sprint(commands) != "[SET later 2]" || last.Database != 3 {
					t.Errorf("resumed: %q, then %+v", commands, last)
				}
				return
			}
			l := dialLink(t, lo)
			synced(t, l, 0)
		})
	}
}

// TestLink_lost: a history that the server does not have is answered with a
// snapshot.
func TestLink_lost(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	dial(t, s).do("SET", "k", "v")
	l := dialLink(t, optionsOf(s))
	start, err := l.Sync(t.Context(), strings.Repeat("ab", 20), 1234)
	if err != nil || !start.Full || start.ID == strings.Repeat("ab", 20) {
		t.Fatalf("%+v, %v", start, err)
	}
	if n := keysOf(t, l.Snapshot()); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// TestLink_failover: a replica that became the primary goes on with the history of
// the one before, under a new id.
func TestLink_failover(t *testing.T) {
	primary := testserver.Redis(t, testserver.Options{})
	replica := testserver.Redis(t, testserver.Options{Args: []string{"--repl-ping-replica-period", "1"}})
	host, port, err := net.SplitHostPort(primary.Address())
	if err != nil {
		t.Fatal(err)
	}
	p, r := dial(t, primary), dial(t, replica)
	r.do("REPLICAOF", host, port)
	for !strings.Contains(fmt.Sprint(r.do("INFO", "replication")), "master_link_status:up") {
		time.Sleep(20 * time.Millisecond)
	}
	l := dialLink(t, optionsOf(primary))
	start := synced(t, l, 0)
	p.do("SET", "k", "1")
	_, after := follow(t, l, Position{Offset: start.Offset}, "SET k 1")
	p.do("WAIT", "1", "0")
	primary.Kill()
	r.do("REPLICAOF", "NO", "ONE")
	r.do("SET", "k", "2")
	next := dialLink(t, optionsOf(replica))
	got, err := next.Sync(t.Context(), start.ID, after.Offset)
	if err != nil || got.Full || got.ID == start.ID || len(got.ID) != 40 {
		t.Fatalf("%+v, %v, was %s", got, err, start.ID)
	}
	if commands, _ := follow(t, next, after, "SET k 2"); fmt.Sprint(commands) != "[SET k 2]" {
		t.Errorf("%q", commands)
	}
}

// TestLink_acknowledgesNothing: the link lives without counting as a copy.
func TestLink_acknowledgesNothing(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	c := dial(t, s)
	l := dialLink(t, optionsOf(s))
	start := synced(t, l, 0)
	go func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{l}) }()
	c.do("SET", "k", "v")
	signs := func() int {
		_, calls, _ := strings.Cut(fmt.Sprint(c.do("INFO", "commandstats")), "cmdstat_replconf:calls=")
		calls, _, _ = strings.Cut(calls, ",")
		n, err := strconv.Atoi(calls)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for enough := signs() + 2; signs() < enough; {
		time.Sleep(10 * time.Millisecond)
	}
	if n := c.do("WAIT", "1", "300"); n != int64(0) {
		t.Errorf("WAIT counts %v replicas", n)
	}
	if info := fmt.Sprint(c.do("INFO", "replication")); !strings.Contains(info, "connected_slaves:1") || !strings.Contains(info, "offset=0,") {
		t.Errorf("after %+v: %s", start, info)
	}
}

func TestDial_refused(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{ACL: []string{
		"default off", "none on >pw", "half on >pw +replconf",
	}})
	tests := []struct{ user, password, want string }{
		{"", "", "NOAUTH"},
		{"none", "wrong", "AUTH: WRONGPASS"},
		{"none", "pw", "REPLCONF: NOPERM"},
		{"half", "pw", "PSYNC: NOPERM"},
	}
	for _, tt := range tests {
		o := optionsOf(s)
		o.Username, o.Password = tt.user, tt.password
		l, err := Dial(t.Context(), o)
		if err == nil {
			_, err = l.Sync(t.Context(), "", 0)
			l.Close()
		}
		reply, ok := errors.AsType[*ReplyError](err)
		if !ok || !strings.Contains(reply.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.user, err, tt.want)
		}
	}
}

// TestPermitted: asking whether a link may begin begins none.
func TestPermitted(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{ACL: []string{"default on nopass ~* +@all", "half on >pw +replconf"}})
	c := dial(t, s)
	for range 20 {
		if err := Permitted(t.Context(), optionsOf(s)); err != nil {
			t.Fatal(err)
		}
	}
	if info := fmt.Sprint(c.do("INFO", "all")); !strings.Contains(info, "sync_full:0") || !strings.Contains(info, "rdb_bgsave_in_progress:0") {
		t.Errorf("a snapshot was made: %s", info)
	}
	o := optionsOf(s)
	o.Username, o.Password = "half", "pw"
	if err := Permitted(t.Context(), o); err == nil || !strings.Contains(err.Error(), "PSYNC: NOPERM") {
		t.Errorf("%v", err)
	}
}

// scripted is a server that reads what it is sent and says what it is told: one
// piece at a time. An empty piece has it say nothing more, as long as it is connected.
func scripted(t *testing.T, pieces ...string) Options {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for range 3 { // REPLCONF
			skipCommand(r)
			fmt.Fprint(conn, "+OK\r\n")
		}
		skipCommand(r)
		for _, piece := range pieces {
			if piece == "" {
				_, _ = io.Copy(io.Discard, r)
			}
			fmt.Fprint(conn, piece)
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return Options{Network: "tcp", Address: listener.Addr().String(), ConnectTimeout: testTimeout, ReplyTimeout: testTimeout}
}

func skipCommand(r *bufio.Reader) {
	var words int
	_, _ = fmt.Fscanf(r, "*%d\r\n", &words)
	for range 2 * words {
		_, _ = r.ReadString('\n')
	}
}

const (
	scriptedID   = "0123456789012345678901234567890123456789"
	scriptedMark = "abcdefghijabcdefghijabcdefghijabcdefghij"
)

// TestLink_Snapshot has the ends of transfers fall on every byte.
func TestLink_Snapshot(t *testing.T) {
	body := strings.Repeat("body with a part of the mark abcdefghijabcdefghij ", 3)
	full := "\n\n+FULLRESYNC " + scriptedID + " 77\r\n"
	withMark := "\n$EOF:" + scriptedMark + "\r\n" + body + scriptedMark
	tests := map[string][]string{
		"length":         {full, "\n", fmt.Sprintf("$%d\r\n%s", len(body), body)},
		"length at once": {full + fmt.Sprintf("\n$%d\r\n%s", len(body), body) + "*1\r\n"},
		"mark":           {full, withMark},
		"byte by byte":   append([]string{full}, strings.Split(withMark, "")...),
	}
	for i := range markBytes {
		tests[fmt.Sprint("mark cut at ", i)] = []string{full, withMark[:len(withMark)-i], withMark[len(withMark)-i:]}
	}
	for name, pieces := range tests {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader,
		} {
			l := dialLink(t, scripted(t, pieces...))
			start, err := l.Sync(t.Context(), "", 0)
			if err != nil || start != (Start{ID: scriptedID, Offset: 77, Full: true}) {
				t.Fatalf("%s: %+v, %v", name, start, err)
			}
			got, err := io.ReadAll(reader(l.Snapshot()))
			if err != nil || string(got) != body {
				t.Errorf("%s %s: %q, %v", name, how, got, err)
			}
			l.Close()
		}
	}
}

func TestLink_faults(t *testing.T) {
	full := "+FULLRESYNC " + scriptedID + " 77\r\n"
	tests := []struct {
		name   string
		pieces []string
		want   string
	}{
		{"loading", []string{"-LOADING Redis is loading the dataset in memory\r\n"}, "PSYNC: LOADING"},
		{"no link", []string{"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"}, "PSYNC: NOMASTERLINK"},
		{"closed", nil, "closed the replication link"},
		{"nonsense", []string{"+HELLO\r\n"}, `answered PSYNC with "HELLO"`},
		{"no number", []string{"+FULLRESYNC x y\r\n"}, "does not understand"},
		{"web server", []string{"HTTP/1.1 400 Bad Request\r\n"}, "no reply to it"},
		{"closed before the snapshot", []string{full}, "closed the replication link"},
		{"error before the snapshot", []string{full, "-ERR out of memory\r\n"}, "out of memory"},
		{"no announcement", []string{full, "*1\r\n"}, "announced its snapshot"},
		{"short", []string{full, "$100\r\nabc"}, "closed the replication link"},
		{"no mark", []string{full, "$EOF:" + scriptedMark + "\r\nabc" + scriptedMark[:39]}, "closed the replication link"},
	}
	for _, tt := range tests {
		l := dialLink(t, scripted(t, tt.pieces...))
		_, err := l.Sync(t.Context(), "", 0)
		if err == nil {
			_, err = io.ReadAll(l.Snapshot())
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestLink_silence: a server that says nothing any more is noticed.
func TestLink_silence(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{})
	l := dialLink(t, optionsOf(s))
	synced(t, l, 0)
	l.options.Silence = 100 * time.Millisecond
	_, err := io.ReadAll(struct{ io.Reader }{l})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestLink_silence_snapshot: also within a snapshot, of which the last that came is
// read before, little as it is.
func TestLink_silence_snapshot(t *testing.T) {
	l := dialLink(t, scripted(t, "+FULLRESYNC "+scriptedID+" 77\r\n", "$100\r\nabc", "d", ""))
	if _, err := l.Sync(t.Context(), "", 0); err != nil {
		t.Fatal(err)
	}
	snapshot, begin := l.Snapshot(), make([]byte, 4)
	if _, err := io.ReadFull(snapshot, begin); err != nil || string(begin) != "abcd" {
		t.Fatalf("%q, %v", begin, err)
	}
	l.options.Silence = 100 * time.Millisecond
	if rest, err := io.ReadAll(snapshot); len(rest) > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestLink_cancel(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{Args: []string{"--repl-diskless-sync-delay", "60"}})
	l := dialLink(t, optionsOf(s))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, err := l.Sync(ctx, "", 0); err != nil && !errors.Is(err, why) {
		t.Error(err)
	} else if err == nil {
		l.Close()
		if _, err := io.ReadAll(l.Snapshot()); err == nil {
			t.Error("a snapshot of a closed link")
		}
	}
	<-ctx.Done()
	if _, err := Dial(ctx, optionsOf(s)); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
