// Package torture decides what happens in one run of the torture test, and judges
// how it ended: which deployment, mode, settings and tables, what is written
// while keylift reads, and what goes wrong meanwhile. A Plan is a function of its seed
// alone and depends on no clock. What keylift wrote is compared with what the server
// itself answers to typed commands. Nothing here is shared with keylift.
package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A Deployment is a kind of Redis that keylift reads.
type Deployment string

// The deployments.
const (
	Standalone Deployment = "standalone" // a server that has a replica for failovers
	Cluster    Deployment = "cluster"    // three primaries with a replica each
	Sentinel   Deployment = "sentinel"   // a server with a replica, which sentinels watch
)

// A Plan is everything that is decided of a run before it begins.
type Plan struct {
	Seed       uint64
	Deployment Deployment
	ReadFrom   string      // of a Sentinel deployment: "primary" or "replica"
	Databases  []int       // that are written to
	Database   string      // that keylift reads, as its setting says it
	Server     [][2]string // settings of the server
	Tables     []Table     // fed by templates, in the order of matching
	Skip       bool        // keys of no table are not read
	Exclude    string      // keys that begin with it are not read; "" excludes none
	Hard       bool        // rows of keys that are gone are removed
	Acts       []Act
	Again      bool // one more sync must find nothing to do
	Verify     bool // keylift itself must find no difference
}

// An Act is a keylift that is started, what happens meanwhile, and how it ends. The
// last act of a plan is one that nothing disturbs.
type Act struct {
	Before  []Write // done before keylift starts
	Mode    string  // "scan", "replica" or "auto"
	Follow  bool
	Process bool // keylift is a process of its own
	Flags   []string
	Weather Weather
	Steps   []Step        // once keylift reads
	Linger  time.Duration // before keylift is interrupted or killed
	End     End
}

// Weather is how the network between keylift and the server is all the time.
type Weather struct {
	Delay    time.Duration // of a round trip
	Rate     int64         // bytes a second; 0: unlimited
	CutAfter int64         // bytes until all connections break once, from when keylift reads; 0: never
}

// An End is how an act ends.
type End string

// The ends of acts.
const (
	Await     End = "await"     // keylift ends by itself, with success
	Interrupt End = "interrupt" // by a signal, or its context
	Kill      End = "kill"      // by SIGKILL; in an act with Process
)

// A Step is one thing that happens while keylift reads: a pause, then a write or a
// fault.
type Step struct {
	Pause time.Duration
	Write *Write
	Fault Fault
	Shard int // of a cluster, that the fault strikes, or that slots are moved to; of a Sentinel deployment the server
	Block int // of slots, that are moved: 0 to Blocks-1
}

// Blocks are how many parts the slots of a cluster are moved in, Shards how many
// primaries it has.
const (
	Blocks = 48
	Shards = 3
)

// A Fault is something that goes wrong. The zero Fault is none.
type Fault string

// The faults.
const (
	Cut         Fault = "cut"          // every connection of keylift breaks
	Hang        Fault = "hang"         // nothing passes for a while, then every connection breaks
	Refuse      Fault = "refuse"       // connections break, and new ones are refused for a while
	KillClients Fault = "kill clients" // the server closes every connection
	Restart     Fault = "restart"      // the server is shut down and started again with its data
	Lag         Fault = "lag"          // the replica hears nothing more until it takes over
	FailOver    Fault = "fail over"    // the server dies, a replica takes its place
	Evict       Fault = "evict"        // the server's memory is full for a while
	Open        Fault = "open slots"   // slots begin to move, and some of their keys do
	Reshard     Fault = "move slots"   // slots move with their keys
)

// heavy are the faults of which an act has one at the most.
var heavy = map[Deployment][]Fault{
	Standalone: {Restart, FailOver, Evict},
	Cluster:    {Restart, FailOver, Evict, Reshard, Reshard, Reshard},
	Sentinel:   {Restart, Restart, FailOver, FailOver, Evict},
}

var light = []Fault{Cut, Cut, Hang, Refuse, KillClients}

// New returns the plan of a seed.
func New(seed uint64) *Plan {
	p := &planner{random: rand.New(rand.NewPCG(seed, 0x70727475)), plan: &Plan{Seed: seed}}
	p.deploy()
	p.plan.Tables = p.tables()
	p.plan.Skip = len(p.plan.Tables) > 0 && p.one(5)
	if p.one(6) {
		p.plan.Exclude = families[p.random.IntN(len(families))].prefix
	}
	p.plan.Hard = p.one(3)
	p.plan.Again = p.one(4)
	p.plan.Verify = p.one(4)
	p.writer = newScribe(p.random, p.plan.Databases)

	mode := p.mode()
	for n := range 1 + p.random.IntN(3) {
		if p.one(4) {
			mode = p.mode()
		}
		p.plan.Acts = append(p.plan.Acts, p.act(n, mode))
	}
	last := Act{Before: p.writer.writes(p.random.IntN(60)), Mode: mode, End: Await, Flags: p.flags()}
	p.plan.Acts = append(p.plan.Acts, last)
	return p.plan
}

// A planner makes a plan.
type planner struct {
	random *rand.Rand
	plan   *Plan
	writer *scribe
}

// one reports true one time in n.
func (p *planner) one(n int) bool { return p.random.IntN(n) == 0 }

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

func (p *planner) mode() string {
	return pick(p.random, "scan", "replica", "auto")
}

// sentinelEvery has one in so many of the plans that would be of a standalone server be
// of one that sentinels watch.
const sentinelEvery = 10

func (p *planner) deploy() {
	p.plan.Deployment = pick(p.random, Standalone, Standalone, Cluster)
	if p.plan.Deployment == Standalone && p.plan.Seed%sentinelEvery == 0 {
		p.plan.Deployment, p.plan.ReadFrom = Sentinel, pick(p.random, "primary", "replica")
	}
	p.plan.Databases, p.plan.Database = []int{0}, "0"
	if p.plan.Deployment != Cluster && p.one(3) {
		p.plan.Databases = []int{0, 1, 3}
		p.plan.Database = pick(p.random, "0", "0,3", "all", "all")
	}
	set := func(name string, values ...string) {
		p.plan.Server = append(p.plan.Server, [2]string{name, pick(p.random, values...)})
	}
	if p.plan.Deployment != Cluster {
		set("repl-diskless-sync", "yes", "yes", "no")
	}
	set("repl-backlog-size", "1mb", "1mb", "16kb")
	set("rdbcompression", "yes", "no")
	set("hash-max-listpack-entries", "128", "4")
	set("set-max-intset-entries", "512", "4")
	set("zset-max-listpack-entries", "128", "4")
	set("list-max-listpack-size", "-2", "4")
	set("list-compress-depth", "0", "1")
	set("stream-node-max-entries", "100", "3")
}

// act plans an act that is disturbed.
func (p *planner) act(n int, mode string) Act {
	a := Act{Mode: mode, End: Await, Flags: p.flags(), Follow: p.one(3) && (mode != "scan" || p.plan.Deployment != Cluster), Process: p.one(5)}
	if n == 0 {
		a.Before = p.writer.fill(pick(p.random, 4, 16, 16, 60))
	} else {
		a.Before = p.writer.writes(p.random.IntN(80))
	}
	switch {
	case a.Process && (a.Follow || !p.one(4)):
		a.End = pick(p.random, Kill, Kill, Kill, Interrupt)
	case a.Follow || p.one(8):
		a.End = Interrupt
	}
	// Where nearly every key is read in pieces a delay makes a run long, and nothing else.
	if p.one(4) && !slices.Contains(a.Flags, "200B") {
		a.Weather.Delay = pick(p.random, time.Millisecond, 2*time.Millisecond, 5*time.Millisecond)
	}
	if p.one(6) {
		a.Weather.Rate = pick[int64](p.random, 128<<10, 256<<10, 1<<20)
	}
	if p.one(4) {
		a.Weather.CutAfter = 1 + p.random.Int64N(pick[int64](p.random, 2<<10, 32<<10))
	}
	a.Steps = p.steps(pick(p.random, 0, 10, 40, 80))
	if a.End != Await {
		a.Linger = time.Duration(p.random.IntN(pick(p.random, 2, 50, 150))) * time.Millisecond
	}
	return a
}

// flags chooses settings that change how keylift works, and nothing of what it ends
// with.
func (p *planner) flags() []string {
	flags := []string{
		"--batch-size", pick(p.random, "1", "3", "10", "100", "100", "1000"),
		"--checkpoint-interval", pick(p.random, "1", "10", "1000"),
		"--big-key-bytes", pick(p.random, "200B", "1KiB", "8KiB", "16MiB"),
		"--publish-interval", pick(p.random, "10ms", "30ms", "100ms"),
	}
	if p.one(4) {
		flags = append(flags, "--memory-limit", "128MiB", "--spool-bytes", "1MiB")
	}
	if !p.one(8) {
		flags = append(flags, "--views=false")
	}
	return flags
}

// steps plans what happens during an act.
func (p *planner) steps(writes int) []Step {
	var steps []Step
	add := func(s Step) {
		if p.one(5) {
			s.Pause = time.Duration(p.random.IntN(8000)) * time.Microsecond
		}
		steps = append(steps, s)
	}
	for _, w := range p.writer.writes(writes) {
		add(Step{Write: &w})
	}
	shard, block := p.random.IntN(Shards), p.random.IntN(Blocks)
	insert := func(f Fault, before int) (at int) {
		s := Step{Fault: f, Pause: time.Duration(p.random.IntN(20_000)) * time.Microsecond, Shard: shard, Block: block}
		at = p.random.IntN(before + 1)
		steps = slices.Insert(steps, at, s)
		return at
	}
	if p.one(2) {
		for range 1 + p.random.IntN(3) {
			insert(pick(p.random, light...), len(steps))
		}
	}
	if p.one(4) {
		f := pick(p.random, heavy[p.plan.Deployment]...)
		switch at := insert(f, len(steps)); {
		case f == FailOver && p.plan.Deployment == Standalone && p.one(2):
			insert(Lag, at)
		case f == Reshard && p.one(2):
			insert(Open, at)
		}
	}
	return steps
}

// Has reports whether a fault is in the plan.
func (p *Plan) Has(f Fault) bool {
	for _, a := range p.Acts {
		for _, s := range a.Steps {
			if s.Fault == f {
				return true
			}
		}
	}
	return false
}

// Args returns the arguments of every keylift command of the run.
func (p *Plan) Args() []string {
	args := []string{"--database", p.Database, "--allow-empty"} // writes may empty a database
	if p.ReadFrom != "" {
		args = append(args, "--read-from", p.ReadFrom)
	}
	if len(p.Tables) > 0 {
		args = append(args, "--tables", tablesJSON(p.Tables))
	}
	if p.Skip {
		args = append(args, "--unmatched", "skip")
	}
	if p.Exclude != "" {
		args = append(args, "--exclude-pattern", p.Exclude+"*")
	}
	if p.Hard {
		args = append(args, "--deletes", "hard")
	}
	return args
}

// Args returns the arguments of a sync that are the act's own.
func (a *Act) Args() []string {
	args := append([]string{"--mode", a.Mode}, a.Flags...)
	if a.Follow {
		args = append(args, "--follow")
	}
	return args
}

// String describes the plan, with every write and fault in its order.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s, databases %v, server %v\nkeylift %s\n", p.Seed, p.Deployment, p.Databases, p.Server, quoteAll(p.Args()))
	for n, a := range p.Acts {
		fmt.Fprintf(&b, "act %d: keylift sync %s (own process: %t, ends: %s, weather: %+v)\n", n+1, quoteAll(a.Args()), a.Process, a.End, a.Weather)
		for _, w := range a.Before {
			fmt.Fprintf(&b, "  before: %s\n", w)
		}
		for _, s := range a.Steps {
			b.WriteString("  " + s.String() + "\n")
		}
	}
	fmt.Fprintf(&b, "at the end: once more %t, verify %t\n", p.Again, p.Verify)
	return b.String()
}

// String describes the step.
func (s Step) String() string {
	text := fmt.Sprintf("fault: %s (shard %d, block of slots %d)", s.Fault, s.Shard, s.Block)
	if s.Write != nil {
		text = s.Write.String()
	}
	if s.Pause > 0 {
		text = "after " + s.Pause.String() + " " + text
	}
	return text
}

const shown = 60 // bytes of a word of a command

// quoteAll quotes words for a shell, those that need it.
func quoteAll(words []string) string {
	var all []string
	for _, w := range words {
		if w == "" || strings.ContainsAny(w, " \"'*{}$&<>;") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		all = append(all, w)
	}
	return strings.Join(all, " ")
}
