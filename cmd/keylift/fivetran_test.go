package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/protocol/fivetran"
	"github.com/keylift/keylift/protocol/fivetran/platform"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/wire"
)

// A fivetranLane is a server, the connector, a proxy, and the platform with its warehouse.
type fivetranLane struct {
	t       *testing.T
	server  *testserver.Server
	client  rueidis.Client
	proxy   *faultproxy.Proxy // between platform and connector
	options platform.Options
}

func newFivetranLane(t *testing.T, o testserver.Options, settings ...string) *fivetranLane {
	t.Helper()
	l := &fivetranLane{t: t, server: testserver.Redis(t, o)}
	l.connect()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	l.check(err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- fivetran.Serve(ctx, listener, fivetran.Options{
			Open:   func(cfg *config.Config, log *slog.Logger) (source.Source, error) { return wire.Source(cfg, log, false) },
			Logger: fivetran.NewLogger(io.Discard),
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	l.proxy, err = faultproxy.Start("tcp", listener.Addr().String())
	l.check(err)
	t.Cleanup(func() { _ = l.proxy.Close() })
	host, port, err := net.SplitHostPort(l.server.Address())
	l.check(err)
	dir := t.TempDir()
	l.options = platform.Options{
		Address: l.proxy.Address(), Out: io.Discard,
		StateFile: filepath.Join(dir, "state.json"), Warehouse: filepath.Join(dir, "warehouse.db"),
		Configuration: map[string]string{"host": host, "port": port},
	}
	for i := 0; i < len(settings); i += 2 {
		l.options.Configuration[settings[i]] = settings[i+1]
	}
	return l
}

func (l *fivetranLane) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *fivetranLane) connect() {
	l.t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{l.server.Address()}, TLSConfig: l.server.ClientTLS(), ForceSingleClient: true, DisableCache: true, PipelineMultiplex: -1,
		BlockingPipeline: -1, ClientSetInfo: rueidis.DisableClientSetInfo, ConnWriteTimeout: time.Minute,
	})
	l.check(err)
	l.t.Cleanup(client.Close)
	l.client = client
}

// sync syncs once, to its end.
func (l *fivetranLane) sync() *platform.Report {
	l.t.Helper()
	report, err := platform.Run(l.t.Context(), l.options)
	l.check(err)
	return report
}

// compare compares the warehouse with what the server says.
func (l *fivetranLane) compare(databases ...int) {
	l.t.Helper()
	facts := map[place]fact{}
	for _, db := range databases {
		l.check(ask(l.t.Context(), l.client, db, facts))
	}
	compareFacts(l.t, rowsOf(l.t, l.options.Warehouse, "_fivetran_deleted"), facts)
}

// scalar returns what a query of the warehouse finds, as text.
func (l *fivetranLane) scalar(query string) string {
	l.t.Helper()
	db, err := sql.Open("duckdb", l.options.Warehouse+"?access_mode=READ_ONLY")
	l.check(err)
	defer db.Close()
	var text string
	l.check(db.QueryRowContext(l.t.Context(), query).Scan(&text))
	return text
}

const (
	fivetranRounds = 15
	fivetranCuts   = 7 // of each round
)

// TestFivetran_cuts breaks the connection between platform and connector at random
// places, over and over, while keys of all types change and the server restarts
// between syncs. Whatever resumes ends at what the server says, and breaks no rule
// on its way. KEYLIFT_SEED chooses another course.
func TestFivetran_cuts(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes half a minute")
	}
	t.Parallel()
	seed := uint64(1)
	if text := os.Getenv("KEYLIFT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("KEYLIFT_SEED: %v", err)
		}
	}
	random := rand.New(rand.NewPCG(seed, 77))
	l := newFivetranLane(t, testserver.Options{Args: []string{"--appendonly", "yes", "--appendfsync", "no"}}, "database", "0,3", "big_key_bytes", "8KiB")
	w := &writer{client: l.client, random: random, touched: map[place]bool{}}
	l.check(w.fill(t.Context()))
	whole := l.sync().Bytes
	l.compare(0, 3)

	cuts, resumed, startedOver := 0, 0, 0
	for round := range fivetranRounds {
		l.check(w.change(t.Context(), random.IntN(2000)))
		for n := 0; n < fivetranCuts; {
			// Often early, so that a snapshot takes several syncs.
			l.proxy.CutAfter(1 + random.Int64N(whole/(1+random.Int64N(8))))
			report, err := platform.Run(t.Context(), l.options)
			l.proxy.CutAfter(0)
			if errors.As(err, new(*platform.BreachError)) {
				t.Fatalf("round %d: %v", round, err)
			}
			if err != nil {
				n, cuts = n+1, cuts+1
			}
			if report.Resumed && report.Truncates == 0 && report.Upserts > 0 {
				resumed++
			}
		}
		if round%5 == 4 {
			l.check(l.server.Restart(t.Context()))
			l.connect()
			w.client = l.client
		}
		report := l.sync()
		if slices.ContainsFunc(report.Warnings, func(s string) bool { return strings.Contains(s, "the snapshot starts over") }) {
			startedOver++
		}
		l.compare(0, 3)
	}
	t.Logf("KEYLIFT_SEED=%d: %d cuts, %d resumed, %d started over after a restart", seed, cuts, resumed, startedOver)
	if resumed == 0 || startedOver == 0 {
		t.Errorf("of %d cuts, %d resumed and %d started over", cuts, resumed, startedOver)
	}
}

// TestFivetran_replica reads as a replica does: after the first sync only what has
// changed is sent, deletes among it.
func TestFivetran_replica(t *testing.T) {
	t.Parallel()
	l := newFivetranLane(t, testserver.Options{Args: []string{"--repl-backlog-size", "64mb"}}, "database", "0,3", "mode", "replica")
	w := &writer{client: l.client, random: rand.New(rand.NewPCG(1, 78)), touched: map[place]bool{}}
	l.check(w.fill(t.Context()))
	if report := l.sync(); report.Truncates != 1 || report.Deletes != 0 {
		t.Errorf("first sync: %+v", report)
	}
	l.compare(0, 3)
	for range 3 {
		l.check(w.change(t.Context(), 500))
		if report := l.sync(); report.Truncates != 0 || report.Upserts == 0 || report.Upserts > 2000 || report.Deletes == 0 {
			t.Errorf("a later sync: %+v", report)
		}
		l.compare(0, 3)
	}
	// What the backlog no longer holds is read anew, and a warning says so.
	l.check(l.client.Do(t.Context(), l.client.B().ConfigSet().ParameterValue().ParameterValue("repl-backlog-size", "16kb").Build()).Error())
	l.check(w.change(t.Context(), 2000))
	if report := l.sync(); report.Truncates != 1 || len(report.Warnings) != 1 {
		t.Errorf("after a lost backlog: %+v", report)
	}
	l.compare(0, 3)
}

// TestFivetran_onlyChanges counts the records of syncs as a replica, and of
// automatic ones behind them, which go on the same way.
func TestFivetran_onlyChanges(t *testing.T) {
	l := newFivetranLane(t, testserver.Options{}, "database", "0,3", "mode", "replica")
	do := func(command ...string) {
		l.t.Helper()
		l.check(l.client.Do(t.Context(), l.client.B().Arbitrary(command...).Build()).Error())
	}
	want := func(truncates, upserts, deletes int64) {
		l.t.Helper()
		r := l.sync()
		if r.Truncates != truncates || r.Upserts != upserts || r.Deletes != deletes {
			t.Errorf("%d truncates, %d upserts, %d deletes, want %d, %d, %d", r.Truncates, r.Upserts, r.Deletes, truncates, upserts, deletes)
		}
		l.compare(0, 3)
		do("SELECT", "0")
	}
	do("MSET", "a", "1", "b", "2", "c", "3")
	want(1, 3, 0)
	do("SET", "a", "10")
	do("DEL", "b")
	want(0, 1, 1)
	l.options.Configuration["mode"] = "auto"
	do("SET", "d", "4")
	do("UNLINK", "c")
	want(0, 1, 1)
	want(0, 0, 0)
}

// TestFivetran_many syncs 200,000 keys, deletes a quarter, and syncs again.
func TestFivetran_many(t *testing.T) {
	t.Parallel()
	l := newFivetranLane(t, testserver.Options{}, "database", "0,1")
	l.check(fill(t.Context(), l.client, 200_000, "key:"))
	report := l.sync()
	if report.Upserts != 200_000 || report.Truncates != 1 || report.Checkpoints < 150 || len(report.Warnings) > 0 {
		t.Errorf("first sync: %+v", report)
	}
	l.compare(0)
	var deletes rueidis.Commands
	for i := range 50_000 {
		deletes = append(deletes, l.client.B().Unlink().Key("key:"+strconv.Itoa(4*i)).Build())
	}
	for _, reply := range l.client.DoMulti(t.Context(), deletes...) {
		l.check(reply.Error())
	}
	if report = l.sync(); report.Upserts != 150_000 || report.Truncates != 1 {
		t.Errorf("second sync: %+v", report)
	}
	l.compare(0)
	if got := l.scalar("SELECT count(*) || ' ' || count(*) FILTER (_fivetran_deleted) FROM redis_data"); got != "200000 50000" {
		t.Errorf("rows and deleted ones: %s", got)
	}
	if info, err := os.Stat(l.options.StateFile); err != nil || info.Size() > 2<<10 {
		t.Errorf("state: %v, %v", info, err)
	}
}

// TestFivetran_huge syncs values around the limits: NULL and a warning where one is
// too long, and never a broken stream.
func TestFivetran_huge(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes gigabytes")
	}
	l := newFivetranLane(t, testserver.Options{}, "database", "0,1")
	for key, size := range map[string]int{"small": 10, "fits": 20 << 20, "huge": 125 << 20} {
		l.check(l.client.Do(t.Context(), l.client.B().Set().Key(key).Value(strings.Repeat("x", size)).Build()).Error())
	}
	const sizes = "SELECT string_agg(concat(key, ' ', coalesce(length(value)::VARCHAR, 'NULL'), ' ', size), ', ' ORDER BY key) FROM redis_data"
	const want = "fits 20971520 20971520, huge NULL 131072000, small 10 10"
	for limit, warning := range map[string]string{"": "longer than max_value_bytes", "200MiB": "longer than a message may be"} {
		l.options.Configuration["max_value_bytes"] = limit
		report := l.sync()
		if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], warning) {
			t.Errorf("limit %q: warnings %q", limit, report.Warnings)
		}
		if got := l.scalar(sizes); got != want {
			t.Errorf("limit %q: %s, want %s", limit, got, want)
		}
	}
}

// TestFivetran_selection syncs what is chosen.
func TestFivetran_selection(t *testing.T) {
	l := newFivetranLane(t, testserver.Options{})
	l.check(fill(t.Context(), l.client, 1000, "key:"))
	l.options.Deselect = []string{"redis_data.value", "redis_data.ttl"}
	l.sync()
	const columns = "SELECT string_agg(column_name, ' ' ORDER BY column_index) FROM duckdb_columns() WHERE table_name = 'redis_data'"
	if got := l.scalar(columns); got != "key data_type expires_at last_modified size _fivetran_synced _fivetran_deleted" {
		t.Errorf("columns %s", got)
	}
	if got := l.scalar("SELECT concat(count(*), ' ', sum(size)) FROM redis_data"); got != fmt.Sprint("1000 ", sizesOfFill(1000)) {
		t.Errorf("rows and sizes: %s", got)
	}
	l.options.Deselect = nil // a column that comes back is filled in every row
	report := l.sync()
	if got := l.scalar("SELECT count(value) FROM redis_data"); got != "1000" || len(report.Warnings) != 1 {
		t.Errorf("values %s, warnings %q", got, report.Warnings)
	}
	l.options.Deselect = []string{"redis_data"}
	if report := l.sync(); report.Messages != 0 {
		t.Errorf("deselected: %+v", report)
	}
}

// TestFivetran_tables syncs tables of key templates, twice.
func TestFivetran_tables(t *testing.T) {
	l := newFivetranLane(t, testserver.Options{}, "tables", `[
		{"name": "players", "keys": "player:{player_id:int}", "layout": "columns", "columns": [{"field": "name"}, {"field": "level", "type": "int"}, {"field": "seen", "type": "unix_s"}]},
		{"name": "boards", "keys": "board:{board}", "layout": "elements", "type": "zset"}]`)
	do := func(commands ...string) {
		l.t.Helper()
		for _, c := range commands {
			l.check(l.client.Do(t.Context(), l.client.B().Arbitrary(strings.Fields(c)...).Build()).Error())
		}
	}
	rows := func(query string, want string) {
		l.t.Helper()
		if got := l.scalar(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	do("HSET player:1 name Ada level 12 seen 1700000000 x y", "HSET player:2 name Bob level many", "ZADD board:a 1.5 Ada 2 Bob", "ZADD board:b 7 Ada", "SET other 1")
	l.sync()
	const (
		players = "SELECT string_agg(concat_ws(' ', key, player_id, name, level, epoch(seen)::BIGINT, _extra), ', ' ORDER BY key) FROM players WHERE NOT _fivetran_deleted"
		boards  = "SELECT string_agg(concat_ws(' ', key, member, board, score), ', ' ORDER BY key, member) FROM boards WHERE NOT _fivetran_deleted"
	)
	rows(players, `player:1 1 Ada 12 1700000000 {"x":"y"}, player:2 2 Bob {"level":"many"}`)
	rows(boards, "board:a Ada a 1.5, board:a Bob a 2.0, board:b Ada b 7.0")
	rows("SELECT string_agg(key, ' ') FROM redis_data WHERE NOT _fivetran_deleted", "other")
	do("HDEL player:1 x", "DEL player:2", "ZADD board:a 3 Ada", "ZREM board:a Bob", "DEL board:b other")
	l.sync()
	rows(players, `player:1 1 Ada 12 1700000000`)
	rows(boards, "board:a Ada a 3.0")
	rows("SELECT count(*) FROM redis_data WHERE NOT _fivetran_deleted", "0")
}

// TestFivetran_streams adds to streams, long and short, and trims them: their rows
// are only added to.
func TestFivetran_streams(t *testing.T) {
	l := newFivetranLane(t, testserver.Options{}, "tables", `[{"name": "events", "keys": "events:{game}", "layout": "elements", "type": "stream"}]`)
	add := func(key string, from, to int) {
		l.t.Helper()
		for i := from; i < to; i++ {
			l.check(l.client.Do(t.Context(), l.client.B().Xadd().Key(key).Id(strconv.Itoa(i)+"-0").FieldValue().FieldValue("n", strconv.Itoa(i)).Build()).Error())
		}
	}
	rows := func(want string) {
		l.t.Helper()
		if got := l.scalar("SELECT string_agg(concat(key, ' ', n), ', ' ORDER BY key) FROM (SELECT key, count(*) AS n FROM events WHERE NOT _fivetran_deleted GROUP BY key)"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	add("events:long", 1, 2001)
	add("events:short", 1, 6)
	l.sync()
	rows("events:long 2000, events:short 5")
	add("events:long", 2001, 2004)
	add("events:short", 6, 7)
	l.check(l.client.Do(t.Context(), l.client.B().Xtrim().Key("events:short").Maxlen().Threshold("2").Build()).Error())
	if report := l.sync(); report.Upserts > 100 {
		t.Errorf("%d rows were sent for 4 new entries", report.Upserts)
	}
	rows("events:long 2003, events:short 6")
}

// sizesOfFill sums the sizes of the keys that fill makes.
func sizesOfFill(count int) (sum int) {
	for i := range count {
		sum += []int{len("value " + strconv.Itoa(i)), 2, 2, 2, 1}[i%5]
	}
	return sum
}

// TestFivetran_tls connects by TLS, with uploaded certificates.
func TestFivetran_tls(t *testing.T) {
	l := newFivetranLane(t, testserver.Options{TLS: true}, "database", "0,1")
	l.check(fill(t.Context(), l.client, 10, "key:"))
	ca, err := os.ReadFile(l.server.CA())
	l.check(err)
	for configured, want := range map[[2]string]string{
		{"false", ""}: "set ssl to true",
		{"true", ""}:  "set tls_ca",
		{"true", base64.StdEncoding.EncodeToString([]byte("-----BEGIN NOTHING-----"))}: "holds no PEM certificate",
	} {
		l.options.Configuration["ssl"], l.options.Configuration["tls_ca"] = configured[0], configured[1]
		if _, err := platform.Run(t.Context(), l.options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ssl %s: %v, want %q", configured[0], err, want)
		}
	}
	l.options.Configuration["ssl"], l.options.Configuration["tls_ca"] = "true", base64.StdEncoding.EncodeToString(ca)
	l.sync()
	l.compare(0)
}
