package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keylift/keylift/internal/testserver"
)

// A scene is what one script has beside its files.
type scene struct {
	tb      testing.TB
	server  *testserver.Server
	cluster *testserver.Cluster // nil: it is a server alone
	group   *testserver.Group   // nil: no sentinels watch it
	client  rueidis.Client
}

type sceneKey struct{}

func setUp(env *testscript.Env) error {
	env.Values[sceneKey{}] = &scene{tb: env.T().(testing.TB)}
	program, err := exec.LookPath("keylift")
	env.Setenv("KEYLIFT", program) // for scripts that change PATH
	return err
}

// redisCommand is the command for the script's server, a real one:
//
//	redis start [password=PASSWORD] [acl=USER]… [tls=yes] [SERVER ARGUMENT]…
//	redis cluster             starts three primaries; the server is the first
//	redis sentinel            starts a primary, a replica and sentinels; sets SENTINELS
//	redis failover            has the sentinels promote the replica; the server is that
//	redis move FIRST LAST     moves slots to the last primary
//	redis kill | restart
//	redis do COMMAND          prints the reply
//	redis fill COUNT PREFIX   makes that many small keys of every type
//	redis wait KEY            until it has expired
//
// start sets HOST, PORT, URL and, with TLS, CA. The words of COMMAND may hold \x00 and
// the like.
func redisCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: redis start|cluster|sentinel|failover|move|kill|restart|do|fill|wait")
	}
	s := ts.Value(sceneKey{}).(*scene)
	switch args[0] {
	case "start":
		s.start(ts, args[1:])
	case "cluster":
		s.cluster = testserver.RedisCluster(s.tb, testserver.ClusterOptions{})
		s.server = s.cluster.Nodes()[0].Server
		s.connect(ts, rueidis.ClientOption{})
	case "sentinel":
		s.watch(ts)
	case "failover":
		var err error
		s.server, err = s.group.FailOver(s.tb.Context())
		ts.Check(err)
		s.connect(ts, rueidis.ClientOption{ForceSingleClient: true})
	case "move":
		s.move(ts, args[1], args[2])
	case "kill":
		s.server.Kill()
	case "restart":
		ts.Check(s.server.Restart(s.tb.Context()))
	case "do":
		s.do(ts, args[1:])
	case "fill":
		count, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(fill(s.tb.Context(), s.client, count, args[2]))
	case "wait":
		for there := true; there; time.Sleep(10 * time.Millisecond) {
			var err error
			there, err = s.client.Do(s.tb.Context(), s.client.B().Exists().Key(args[1]).Build()).AsBool()
			ts.Check(err)
		}
	default:
		ts.Fatalf("unknown command redis %s", args[0])
	}
}

func (s *scene) start(ts *testscript.TestScript, args []string) {
	var o testserver.Options
	for _, arg := range args {
		switch name, val, _ := strings.Cut(arg, "="); name {
		case "password":
			o.Password = val
		case "acl":
			o.ACL = append(o.ACL, val)
		case "tls":
			o.TLS = true
		default:
			o.Args = append(o.Args, arg)
		}
	}
	s.server = testserver.Redis(s.tb, o)
	s.connect(ts, rueidis.ClientOption{Password: o.Password, ForceSingleClient: true})
}

// connect tells the script where the server is, and makes its client.
func (s *scene) connect(ts *testscript.TestScript, o rueidis.ClientOption) {
	host, port, err := net.SplitHostPort(s.server.Address())
	ts.Check(err)
	ts.Setenv("HOST", host)
	ts.Setenv("PORT", port)
	ts.Setenv("URL", "redis://"+s.server.Address())
	ts.Setenv("CA", s.server.CA())
	o.InitAddress, o.TLSConfig = []string{s.server.Address()}, s.server.ClientTLS()
	o.DisableCache, o.ClientSetInfo, o.ConnWriteTimeout = true, rueidis.DisableClientSetInfo, time.Minute
	s.client, err = rueidis.NewClient(o)
	ts.Check(err)
	ts.Defer(s.client.Close)
}

func (s *scene) watch(ts *testscript.TestScript) {
	s.group = testserver.RedisSentinel(s.tb, testserver.SentinelOptions{Name: "game"})
	var addresses []string
	for _, sentinel := range s.group.Sentinels() {
		addresses = append(addresses, sentinel.Address())
	}
	ts.Setenv("SENTINELS", strings.Join(addresses, ","))
	s.server = s.group.Servers()[0]
	s.connect(ts, rueidis.ClientOption{ForceSingleClient: true})
}

func (s *scene) move(ts *testscript.TestScript, from, to string) {
	first, err := strconv.Atoi(from)
	ts.Check(err)
	last, err := strconv.Atoi(to)
	ts.Check(err)
	nodes := s.cluster.Nodes()
	ts.Check(s.cluster.Move(s.tb.Context(), first, last, nodes[len(nodes)-1]))
}

func (s *scene) do(ts *testscript.TestScript, words []string) {
	command := make([]string, len(words))
	for i, word := range words {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(word, `"`, `\"`) + `"`)
		ts.Check(err)
		command[i] = text
	}
	reply := s.client.Do(s.tb.Context(), s.client.B().Arbitrary(command...).Build())
	if rueidis.IsRedisNil(reply.Error()) {
		return
	}
	message, err := reply.ToAny()
	ts.Check(err)
	_, err = fmt.Fprintln(ts.Stdout(), message)
	ts.Check(err)
}

// fill makes count small keys, a fifth of each type.
func fill(ctx context.Context, client rueidis.Client, count int, prefix string) error {
	var commands rueidis.Commands
	for i := range count {
		n := strconv.Itoa(i)
		command := [][]string{
			{"SET", prefix + n, "value " + n},
			{"HSET", prefix + n, "name", "player " + n, "level", n},
			{"RPUSH", prefix + n, "first", n},
			{"SADD", prefix + n, "member", n},
			{"ZADD", prefix + n, n + ".5", "member"},
		}[i%5]
		commands = append(commands, client.B().Arbitrary(command...).Build())
		if len(commands) == 1000 || i == count-1 {
			for _, reply := range client.DoMulti(ctx, commands...) {
				if err := reply.Error(); err != nil {
					return err
				}
			}
			commands = nil
		}
	}
	return nil
}

// exits runs a program that must exit with a code:
//
//	exits CODE PROGRAM [ARGUMENT]…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [argument]…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code is %d, want %d", got, want)
	}
}

// query prints what a query of a DuckDB file finds, columns separated by bars:
//
//	sql FILE QUERY
func query(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql file query")
	}
	db, err := sql.Open("duckdb", ts.MkAbs(args[0])+"?access_mode=READ_ONLY")
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	rows, err := db.Query(args[1]) //nolint:noctx // a script has no context
	ts.Check(err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	ts.Check(err)
	for rows.Next() {
		cells, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		ts.Check(rows.Scan(into...))
		for i, cell := range cells {
			if i > 0 {
				_, _ = fmt.Fprint(ts.Stdout(), "|")
			}
			_, _ = fmt.Fprint(ts.Stdout(), cell)
		}
		_, _ = fmt.Fprintln(ts.Stdout())
	}
	ts.Check(rows.Err())
}

// hold keeps a DuckDB file open until the script ends, as another program does:
//
//	hold FILE
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold file")
	}
	db, err := sql.Open("duckdb", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec("SELECT 1") //nolint:noctx // a script has no context
	ts.Check(err)
	ts.Defer(func() { ts.Check(db.Close()) })
}

// freePort sets an environment variable to a port that is free:
//
//	freeport NAME
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport name")
	}
	port, err := testserver.ReservePort()
	ts.Check(err)
	ts.Defer(port.Release)
	ts.Setenv(args[0], strconv.Itoa(port.Number()))
}

// jsonLines demands that each line of a file is a JSON object, and there is one:
//
//	jsonlines FILE
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jsonlines file")
	}
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for line := range strings.Lines(text) {
		if err := json.Unmarshal([]byte(line), &map[string]any{}); err != nil {
			ts.Fatalf("%q is no JSON object: %v", line, err)
		}
	}
}
