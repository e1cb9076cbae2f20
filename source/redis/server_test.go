package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/churn"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/redis/rueidis"
)

// long is longer than anything takes, however slow the machine is.
const long = 5 * time.Minute

// clientOf returns a client for filling and asking a server.
func clientOf(tb testing.TB, s *testserver.Server, change ...func(*rueidis.ClientOption)) rueidis.Client {
	tb.Helper()
	o := rueidis.ClientOption{
		InitAddress: []string{s.Address()}, ForceSingleClient: true, DisableCache: true, TLSConfig: s.ClientTLS(),
		Dialer: net.Dialer{Timeout: long}, ConnWriteTimeout: long,
	}
	if s.Network() == "unix" {
		o.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "unix", address)
		}
	}
	for _, f := range change {
		f(&o)
	}
	c, err := rueidis.NewClient(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func inDatabase(n int) func(*rueidis.ClientOption) {
	return func(o *rueidis.ClientOption) { o.SelectDB = n }
}

// send sends one command and fails the test on an error reply.
func send(tb testing.TB, c rueidis.Client, command ...string) rueidis.RedisResult {
	tb.Helper()
	reply := c.Do(context.Background(), c.B().Arbitrary(command...).Build())
	if err := reply.Error(); err != nil && !rueidis.IsRedisNil(err) {
		tb.Fatalf("%.60q: %v", strings.Join(command, " "), err)
	}
	return reply
}

// fill sends many commands.
func fill(tb testing.TB, c rueidis.Client, commands ...[]string) {
	tb.Helper()
	built := make([]rueidis.Completed, len(commands))
	for i, command := range commands {
		built[i] = c.B().Arbitrary(command...).Build()
	}
	for i, reply := range c.DoMulti(context.Background(), built...) {
		if err := reply.Error(); err != nil {
			tb.Fatalf("%.60q: %v", strings.Join(commands[i], " "), err)
		}
	}
}

// settle waits until what expires soon has been deleted in every database of a
// churn.Writer, which has ended.
func settle(tb testing.TB, s *testserver.Server) {
	tb.Helper()
	for database := range churn.Databases {
		c := clientOf(tb, s, inDatabase(database))
		settleKeys(tb, c, c)
	}
}

// settleKeys waits until what expires soon has been deleted in the database of a
// server. Keys that are on their way to another are known to client.
func settleKeys(tb testing.TB, server, client rueidis.Client) {
	tb.Helper()
	for soon := true; soon; time.Sleep(5 * time.Millisecond) {
		names, err := send(tb, server, "KEYS", "*").AsStrSlice()
		if err != nil {
			tb.Fatal(err)
		}
		soon = size(tb, server) > int64(len(names)) // KEYS leaves out what has expired
		for _, name := range names {
			left, err := send(tb, client, "PTTL", name).AsInt64()
			if err != nil {
				tb.Fatal(err)
			}
			soon = soon || left >= 0 && left < 1000 || left == expiryGone
		}
	}
}

// until does something until it is so, for as long as anything may take.
func until(t *testing.T, do func() bool, what string) {
	t.Helper()
	for began := time.Now(); !do(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > long {
			t.Fatal("never: ", what)
		}
	}
}

// An onMessage is a log handler that does something with each message.
type onMessage struct {
	slog.Handler
	do func(message string)
}

func (h onMessage) Handle(_ context.Context, r slog.Record) error {
	h.do(r.Message)
	return nil
}

func (h onMessage) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h onMessage) Enabled(context.Context, slog.Level) bool { return true }

// untilInfo waits until a server's INFO replication holds a text.
func untilInfo(t *testing.T, s *testserver.Server, want string) {
	t.Helper()
	c := clientOf(t, s)
	until(t, func() bool {
		text, err := send(t, c, "INFO", "replication").ToString()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(text, want)
	}, want)
}

// size returns how many keys a server has in the database of the client.
func size(tb testing.TB, c rueidis.Client) int64 {
	tb.Helper()
	n, err := send(tb, c, "DBSIZE").AsInt64()
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// aRow is a row as tests compare it.
type aRow struct {
	Op       row.Op
	Database int64
	Value    string
	Null     bool // the value
	Type     string
	TTL      int64
	Expires  int64 // ms, 0 for NULL
	Size     int64
}

// rowsOf adds the rows of b to rows, by the text of their key.
func rowsOf(tb testing.TB, b *row.Batch, rows map[string]aRow) {
	tb.Helper()
	key := b.Table.Column("key")
	for i := range b.Len() {
		r := aRow{Op: b.Ops[i]}
		if key > 0 {
			r.Database = b.Vectors[0].Ints[i]
		}
		name := string(b.TextAt(key, i))
		if r.Op == row.Upsert {
			r.Value, r.Null = string(b.TextAt(key+1, i)), b.Vectors[key+1].Null[i]
			r.Type = string(b.TextAt(key+2, i))
			r.TTL, r.Expires = b.Vectors[key+3].Ints[i], b.Vectors[key+4].Ints[i]/1000
			r.Size = b.Vectors[key+6].Ints[i]
			if b.Vectors[key+5].Null[i] {
				tb.Errorf("row %q has no last_modified", name)
			}
		}
		if key > 0 {
			name = strconv.FormatInt(r.Database, 10) + "/" + name
		}
		rows[name] = r
	}
}

// A reading is what one reader delivered.
type reading struct {
	rows    map[string]aRow
	total   int // rows, repeated ones too
	batches int
	commits []row.Position // where it may be resumed
	last    *row.Batch
}

// readAll reads from a position to the end.
func readAll(tb testing.TB, s *Source, from row.Position) reading {
	tb.Helper()
	got, err := tryRead(tb, s, from)
	if err != nil {
		tb.Fatal(err)
	}
	if got.last == nil || got.last.Closes != row.Snapshot {
		tb.Fatal("the last batch does not complete the snapshot")
	}
	return got
}

func tryRead(tb testing.TB, s *Source, from row.Position) (got reading, err error) {
	tb.Helper()
	return readBreaking(tb, s, from, func() {})
}

// readBreaking reads to the end, and runs f behind the first batch.
func readBreaking(tb testing.TB, s *Source, from row.Position, f func()) (got reading, err error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	r, err := s.Open(ctx, from)
	if err != nil {
		return got, err
	}
	defer r.Close()
	got.rows = map[string]aRow{}
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got.total += b.Len()
		got.batches++
		got.last = b
		if b.Closes != row.None {
			got.commits = append(got.commits, b.After)
		}
		rowsOf(tb, b, got.rows)
		if got.batches == 1 {
			f()
		}
	}
}

// sourceOf returns a source of a test server.
func sourceOf(tb testing.TB, s *testserver.Server, change ...func(*Options)) *Source {
	tb.Helper()
	o := Options{Network: s.Network(), Address: s.Address()}
	if s.CA() != "" {
		o.TLS = s.ClientTLS
	}
	for _, f := range change {
		f(&o)
	}
	src, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// logTo collects log lines.
func logTo(b io.Writer) func(*Options) {
	return func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(b, nil)) }
}

func keysOf(rows map[string]aRow) []string { return slices.Sorted(maps.Keys(rows)) }

// sameRows compares readings, but for what counts down, and expiries within a
// tolerance.
func sameRows(tb testing.TB, got, want map[string]aRow, tolerance time.Duration) {
	tb.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			tb.Errorf("key %q is missing", name)
			continue
		}
		if g.TTL >= 0 && w.TTL >= 0 && within(g.TTL, w.TTL, 600) {
			g.TTL = w.TTL
		}
		if tolerance > 0 && g.Expires > 0 && within(g.Expires, w.Expires, tolerance.Milliseconds()) {
			g.Expires = w.Expires
		}
		if g != w {
			tb.Errorf("key %q: %s, want %s", name, show(g), show(w))
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok {
			tb.Errorf("key %q should not be there: %s", name, show(g))
		}
	}
}

func within(a, b, most int64) bool { return a-b <= most && b-a <= most }

func show(r aRow) string {
	return slog.AnyValue(map[string]any{
		"op": r.Op, "type": r.Type, "ttl": r.TTL, "expires": r.Expires, "size": r.Size, "null": r.Null, "value": cut(r.Value),
	}).String()
}

func cut(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}
