package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/torture"
)

// tortureLanes are runs that go on side by side, each with its own servers, where some
// are free. They mostly wait.
const tortureLanes = 6

// stuck is how long a run may take, however slow the machine is. Where it takes longer
// than keylift is then given to end, the test ends with what every goroutine does.
const (
	stuck   = 3 * time.Minute
	givenUp = stuck + 2*time.Minute
)

// TestTorture tortures keylift: each run has a deployment, settings, tables, writes and
// faults of its own, all from its seed, and ends with the warehouse saying what the
// server says. It is run by make torture, where KEYLIFT_RUNS is how many runs there
// are, KEYLIFT_SEED the seed of the first, the next one higher, and KEYLIFT_DURATION
// the time after which none is started. With KEYLIFT_PLAN=1 the plans are printed and
// nothing is run.
func TestTorture(t *testing.T) {
	runs, first, until := tortureSettings(t)
	if os.Getenv("KEYLIFT_PLAN") != "" {
		for n := range runs {
			fmt.Println(torture.New(first + n))
		}
		return
	}
	x := &tortures{free: map[torture.Deployment]chan arena{}, refusals: map[string]int{}}
	x.offer(t, torture.Standalone, 4, newStandalone)
	x.offer(t, torture.Cluster, 2, newClusterArena)
	x.offer(t, torture.Sentinel, 2, newSentinelArena)
	seeds := make(chan uint64)
	t.Run("runs", func(t *testing.T) {
		var lanes sync.WaitGroup
		for range tortureLanes {
			lanes.Go(func() {
				for seed := range seeds {
					t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) { x.run(t, seed) })
				}
			})
		}
		for n := range runs {
			if time.Now().After(until) || t.Failed() {
				break
			}
			seeds <- first + n
		}
		close(seeds)
		lanes.Wait()
	})
	fmt.Println(x.report())
}

// tortureSettings reads the environment.
func tortureSettings(t *testing.T) (runs, first uint64, until time.Time) {
	t.Helper()
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(cmp.Or(os.Getenv(name), "1"), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	if os.Getenv("KEYLIFT_RUNS") == "" {
		t.Skip("skipped: it is run by make torture")
	}
	duration, err := time.ParseDuration(cmp.Or(os.Getenv("KEYLIFT_DURATION"), "24h"))
	if err != nil {
		t.Fatalf("KEYLIFT_DURATION: %v", err)
	}
	return number("KEYLIFT_RUNS"), number("KEYLIFT_SEED"), time.Now().Add(duration)
}

// An arena is a deployment that runs are carried out on, one after the other. What goes
// wrong with it fails the test.
type arena interface {
	// prepare empties the deployment and makes it whole, with the settings of a plan.
	prepare(t *testing.T, p *torture.Plan)
	// args are those that lead keylift to it.
	args() []string
	weather(w torture.Weather)
	// write returns what the server refused.
	write(ctx context.Context, w torture.Write) []error
	inflict(t *testing.T, s torture.Step)
	// ask asks the server for all keys of databases.
	ask(t *testing.T, databases []int) map[torture.Place]torture.Value
}

// tortures are the runs of a test.
type tortures struct {
	free map[torture.Deployment]chan arena

	mu       sync.Mutex
	refusals map[string]int // by kind of error
	lasted   []tortureTime
	syncs    int
	kills    int
	faults   int
	writes   int
	keys     int
}

type tortureTime struct {
	seed uint64
	took time.Duration
}

// offer makes arenas of a deployment.
func (x *tortures) offer(t *testing.T, d torture.Deployment, n int, make_ func(t *testing.T) arena) {
	t.Helper()
	x.free[d] = make(chan arena, n)
	for range n {
		x.free[d] <- make_(t)
	}
}

// run carries out the plan of a seed.
func (x *tortures) run(t *testing.T, seed uint64) {
	p := torture.New(seed)
	place := <-x.free[p.Deployment]
	defer func() { x.free[p.Deployment] <- place }()
	ctx, cancel := context.WithTimeout(t.Context(), stuck)
	defer cancel()
	watchdog := time.AfterFunc(givenUp, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("seed %d hangs", seed))
	})
	defer watchdog.Stop()
	r := &tortured{t: t, ctx: ctx, x: x, plan: p, arena: place, file: filepath.Join(t.TempDir(), "warehouse.db")}
	defer func() {
		if t.Failed() {
			t.Logf("%s\nThe plan was\n%s\nReproduce it by\n\tmake torture SEED=%d RUNS=1\n", r.story.String(), p, seed)
		}
	}()
	began := time.Now()
	r.run()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lasted = append(x.lasted, tortureTime{seed, time.Since(began)})
}

// report sums up.
func (x *tortures) report() string {
	slices.SortFunc(x.lasted, func(a, b tortureTime) int { return cmp.Compare(b.took, a.took) })
	var all time.Duration
	for _, l := range x.lasted {
		all += l.took
	}
	text := fmt.Sprintf("%d runs of %s on average: %d syncs, %d kills, %d other faults, %d writes; %d keys compared\nslowest:",
		len(x.lasted), (all / time.Duration(max(1, len(x.lasted)))).Round(time.Millisecond), x.syncs, x.kills, x.faults, x.writes, x.keys)
	for _, l := range x.lasted[:min(5, len(x.lasted))] {
		text += fmt.Sprintf(" seed %d %s,", l.seed, l.took.Round(time.Millisecond))
	}
	text += "\nrefused writes:"
	for _, kind := range slices.Sorted(maps.Keys(x.refusals)) {
		text += fmt.Sprintf(" %s %d,", kind, x.refusals[kind])
	}
	return text
}

// A tortured is one run.
type tortured struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // of the one run that it is
	x     *tortures
	plan  *torture.Plan
	arena arena
	file  string
	story strings.Builder
}

// tell adds to the story, which is printed when the run fails.
func (r *tortured) tell(format string, args ...any) {
	fmt.Fprintf(&r.story, time.Now().UTC().Format("15:04:05.000 ")+format+"\n", args...)
}

func (r *tortured) run() {
	r.arena.prepare(r.t, r.plan)
	last := len(r.plan.Acts) - 1
	for n := range r.plan.Acts {
		r.tell("act %d", n+1)
		act := &r.plan.Acts[n]
		for _, w := range act.Before {
			r.write(w)
		}
		if n < last {
			r.act(act)
		}
	}
	r.tell("the writer has stopped")
	r.arena.weather(torture.Weather{})
	truth := r.arena.ask(r.t, r.plan.Databases)
	act := &r.plan.Acts[last]
	if out := r.sync(act); strings.Contains(out, "resumed an interrupted snapshot") {
		r.sync(act) // what was read before the interruption may have changed
	}
	r.compare(truth)
	if r.plan.Again {
		if out := r.sync(act); !strings.Contains(out, ": 0 new, 0 changed, ") || !strings.Contains(out, " 0 deleted, 0 set aside\n") {
			r.t.Fatal("one more sync found something to do")
		}
		r.compare(truth)
	}
	if r.plan.Verify {
		k := r.start(false, append([]string{"verify", "--mode", act.Mode}, r.plan.Args()...))
		if r.finish(k); k.code != exitEqual {
			r.t.Fatalf("keylift verify: exit code %d", k.code)
		}
	}
}

// act carries out an act.
func (r *tortured) act(a *torture.Act) {
	calm := a.Weather
	calm.CutAfter = 0 // a server that was never reached is an error
	r.arena.weather(calm)
	k := r.start(a.Process, slices.Concat([]string{"sync", "--verbose"}, r.plan.Args(), a.Args()))
	select {
	case <-k.out.met:
	case <-k.ended:
	}
	r.arena.weather(a.Weather)
	for _, s := range a.Steps {
		k.wait(s.Pause)
		if s.Write != nil {
			r.write(*s.Write)
			continue
		}
		r.tell("fault: %s", s.Fault)
		r.arena.inflict(r.t, s)
		r.x.count(&r.x.faults, 1)
	}
	if a.End != torture.Await {
		k.wait(a.Linger)
		k.stop(a.End == torture.Kill)
		r.tell("%s", a.End)
	}
	r.finish(k)
	switch {
	case k.killed:
		r.x.count(&r.x.kills, 1)
	case k.code == exitEqual && !a.Follow, k.code == exitInterrupted && a.End == torture.Interrupt:
	default:
		r.t.Fatalf("keylift sync: exit code %d", k.code)
	}
}

// sync runs a sync that nothing disturbs and returns what it printed.
func (r *tortured) sync(a *torture.Act) string {
	k := r.start(false, slices.Concat([]string{"sync", "--verbose"}, r.plan.Args(), a.Args()))
	if r.finish(k); k.code != exitEqual {
		r.t.Fatalf("keylift sync: exit code %d", k.code)
	}
	return k.out.String()
}

// finish waits until keylift has ended.
func (r *tortured) finish(k *runningKeylift) {
	<-k.ended
	r.x.count(&r.x.syncs, 1)
	r.tell("keylift %s said:\n%s", strings.Join(k.args, " "), k.out)
	if r.ctx.Err() != nil {
		r.t.Fatal("keylift hangs")
	}
	if text := k.out.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "panic: ") || strings.Contains(text, "goroutine ") {
		r.t.Fatal("keylift broke down")
	}
}

// write writes, and counts what is refused.
func (r *tortured) write(w torture.Write) {
	refused := r.arena.write(r.ctx, w)
	r.x.count(&r.x.writes, 1)
	for _, err := range refused {
		kind, rest, _ := strings.Cut(err.Error(), " ")
		if kind == "ERR" {
			kind += " " + rest
		}
		r.x.mu.Lock()
		r.x.refusals[kind]++
		r.x.mu.Unlock()
	}
}

func (r *tortured) compare(truth map[torture.Place]torture.Value) {
	r.x.count(&r.x.keys, len(truth))
	db, err := sql.Open("duckdb", r.file+"?access_mode=READ_ONLY")
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	if err := torture.Compare(r.ctx, db, r.plan, truth); err != nil {
		r.t.Fatal(err)
	}
}

func (x *tortures) count(what *int, n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*what += n
}

// start starts keylift, in a process of its own or in this one.
func (r *tortured) start(process bool, args []string) *runningKeylift {
	args = slices.Concat(args, r.arena.args(), []string{"--destination", r.file})
	if process {
		return startProcess(r.ctx, r.t, args)
	}
	return startHere(r.ctx, args)
}

// dump returns what every goroutine does.
func dump() string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a builder takes all
	return b.String()
}
