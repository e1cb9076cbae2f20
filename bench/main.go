// Command bench measures keylift beside the best that its commands can do, on one
// machine, in one run: it fills a real redis-server with a game of a million
// keys, then lets the ceiling, the way of one round trip a command, and keylift
// take turns. Ratios come first; they carry over to other machines, the figures
// behind them do not.
//
//	go run ./bench                      # after make build; make bench does both
//	go run ./bench -keys 100000 -rounds 1
//	go run ./bench -only ceiling,read
//	go run ./bench -rtt 2ms -big
//	go run ./bench -only big
//	go run ./bench -limits zset,string  # what is in docs/limits.md; all needs minutes
//
// Whatever reads runs in a process of its own, so that its CPU time and its peak
// of memory are its own. Another process does one GET a millisecond meanwhile,
// and tells how long each took.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

func main() {
	program := runBench
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		program = runChild
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := program(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A bench is one run of the benchmark.
type bench struct {
	data      dataset
	rounds    int
	rtt       time.Duration
	big       bool
	pace      string   // flags of the sync that spares the server
	only      []string // names of measurements; empty: all
	program   string   // keylift
	connector string   // the Fivetran connector
	self      string   // this program, for children
	dir       string   // for files, removed at the end
	server    *server
	version   string // of the server
	python    bool   // the reference connector's client library is there
	results   map[string][]sample
	bigKey    *bigResult
}

func runBench(ctx context.Context) (err error) {
	b := &bench{results: map[string][]sample{}}
	var only, limits string
	flag.IntVar(&b.data.keys, "keys", 1_000_000, "number of `keys`")
	flag.Uint64Var(&b.data.seed, "seed", 1, "seed of the dataset")
	flag.IntVar(&b.rounds, "rounds", 3, "number of `rounds`; in each, all measurements are made once")
	flag.DurationVar(&b.rtt, "rtt", 0, "also read through a proxy that adds this `time` to each round trip")
	flag.BoolVar(&b.big, "big", false, "also sync a sorted set of two million members")
	flag.StringVar(&b.pace, "pace", "--max-source-latency 500us", "`flags` of the sync that spares the server")
	flag.StringVar(&only, "only", "", "make only these `measurements`, of "+strings.Join(names(), ", "))
	flag.StringVar(&limits, "limits", "", "measure these `limits` and nothing else, all or of "+strings.Join(limitNames(), ", "))
	flag.StringVar(&b.program, "keylift", "bin/keylift", "the keylift `program` to measure")
	flag.StringVar(&b.connector, "connector", "bin/server", "the Fivetran connector, a `program`, to measure")
	flag.Parse()
	if flag.NArg() > 0 || b.data.keys < 1000 || b.rounds < 1 {
		return errors.New("usage: bench [flags]; -keys is 1000 or more, -rounds 1 or more; see bench -help")
	}
	if b.only, err = namesIn(only, "-only", names()); err != nil {
		return err
	}
	b.big = b.big || slices.Contains(b.only, bigName)
	bounds := limitNames()
	if limits != "all" {
		if bounds, err = namesIn(limits, "-limits", bounds); err != nil {
			return err
		}
	}
	if b.program, err = filepath.Abs(b.program); err != nil {
		return err
	}
	if b.connector, err = filepath.Abs(b.connector); err != nil {
		return err
	}
	for _, program := range []string{b.program, b.connector} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("no keylift to measure: %w; run make build first", err)
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "keylift-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if limits != "" {
		return b.measureLimits(ctx, bounds, os.Stdout)
	}
	b.python = havePython(ctx)
	if err := b.measureAll(ctx); err != nil {
		return err
	}
	if b.big {
		if err := b.measureBig(ctx); err != nil {
			return err
		}
	}
	return b.report(os.Stdout)
}

// namesIn returns the names in a list that a flag gives, all of which must be among
// those there are.
func namesIn(list, flag string, all []string) (chosen []string, err error) {
	if list == "" {
		return nil, nil
	}
	chosen = strings.Split(list, ",")
	for _, name := range chosen {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("%s: there is no measurement %q; they are %s", flag, name, strings.Join(all, ", "))
		}
	}
	return chosen, nil
}

// measureAll fills a server and makes the measurements, round by round.
func (b *bench) measureAll(ctx context.Context) (err error) {
	todo := b.chosen()
	if len(todo) == 0 {
		return nil
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.stop()) }()
	began := time.Now()
	if err := b.fill(ctx, "fill"); err != nil {
		return err
	}
	note("filled with %d keys in %s", b.data.keys, time.Since(began).Round(time.Millisecond))
	for round := range b.rounds {
		for _, m := range todo {
			s, err := m.run(ctx, b, round)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			note("round %d: %s: %s", round+1, m.name, s)
			b.results[m.name] = append(b.results[m.name], s)
		}
	}
	return nil
}

// note tells on standard error how the benchmark goes.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// A measurement is made once a round.
type measurement struct {
	name string
	run  run
}

// measurements are all there are, in the order of a round.
var measurements = []measurement{
	{"idle", idle},
	{"ceiling", child("ceiling")},
	{"roundtrip", child("roundtrip")},
	{"redis-py", redisPy},
	{"read", child("read", "100")},
	{"read-fast", child("read", "1000")},
	{"fivetran", fivetran("100")},
	{"fivetran-1000", fivetran("1000")},
	{"first", firstSync()},
	{"loaded", loaded("first")},
	{"first-paced", paced},
	{"loaded-paced", loaded("first-paced")},
	{"unchanged", unchangedSync()},
	{"changed", changedSync},
	{"first-fast", firstSync(fast)},
	{"unchanged-fast", unchangedSync(fast)},
	{"psync", transport},
	{"replica-read", child("replica-read")},
	{"replica-first", replicaFirst},
	{"replica-catchup", replicaCatchUp},
	{"follow", follow},
	{"proxy", proxied(false, "100")},
	{"proxy-rtt", proxied(true, "100")},
	{"proxy-fast", proxied(false, "1000")},
	{"proxy-fast-rtt", proxied(true, "1000")},
}

// needs names the measurements that prepare for others.
var needs = map[string][]string{
	"unchanged":       {"first"},
	"changed":         {"first"},
	"loaded":          {"first"},
	"loaded-paced":    {"first-paced"},
	"unchanged-fast":  {"first-fast"},
	"replica-catchup": {"replica-first"},
	"follow":          {"replica-first"},
}

// bigName names what -big adds, which is not a measurement of each round.
const bigName = "big"

func names() []string {
	out := []string{bigName}
	for _, m := range measurements {
		out = append(out, m.name)
	}
	return out
}

// chosen returns the measurements to make.
func (b *bench) chosen() []measurement {
	wanted := map[string]bool{}
	for _, name := range b.only {
		wanted[name] = true
		for _, n := range needs[name] {
			wanted[n] = true
		}
	}
	var out []measurement
	for _, m := range measurements {
		proxy := strings.HasPrefix(m.name, "proxy")
		if len(b.only) > 0 && !wanted[m.name] || proxy && b.rtt == 0 || m.name == "redis-py" && !b.python {
			continue
		}
		out = append(out, m)
	}
	return out
}

// start starts an empty server of the benchmark's own.
func (b *bench) start(ctx context.Context) error {
	s, err := testserver.Start(ctx, testserver.Options{Args: []string{
		"--repl-diskless-sync-delay", "0", // a snapshot begins when it is asked for
		"--repl-backlog-size", "256mb", // what one run leaves, the next goes on from
	}})
	if err != nil {
		return err
	}
	if b.server, err = newServer(s); err != nil {
		return err
	}
	b.version, err = b.server.info(ctx, "server", "redis_version")
	return err
}
