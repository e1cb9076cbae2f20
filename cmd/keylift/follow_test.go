package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/churn"
	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
)

const (
	followLanes     = 4 // side by side
	followRounds    = 6 // of each lane; the destination is compared after each
	followKills     = 5 // of each round
	followKillsWant = 100
	followCutsWant  = 20
	upheavals       = 4000            // one write in so many flushes or swaps databases
	pauseEvery      = 4               // writes
	hung            = 5 * time.Minute // however slow the machine is
)

// TestFollow lets keylift follow a writer of everything as a replica. It is killed
// with SIGKILL at random instants, its connections are cut, the server restarts and
// gives way to a replica that may lack the last writes. Whenever the writer stops,
// one more run ends with every row saying what the server says, and no row for what
// is gone. KEYLIFT_SEED chooses another course.
func TestFollow(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes half a minute")
	}
	seed := uint64(1)
	if text := os.Getenv("KEYLIFT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("KEYLIFT_SEED: %v", err)
		}
	}
	t.Logf("KEYLIFT_SEED=%d", seed)
	var total followTally
	t.Run("lanes", func(t *testing.T) {
		var lanes sync.WaitGroup
		for n := range followLanes {
			lanes.Go(func() {
				t.Run(strconv.Itoa(n), func(t *testing.T) {
					l := newFollowLane(t, &total, seed*followLanes+uint64(n), []string{"128kb", "10mb"}[min(n, 1)])
					for round := range followRounds {
						l.round((round + n) % followRounds)
					}
				})
			})
		}
		lanes.Wait()
	})
	t.Logf("%d kills, %d cuts, %d restarts, %d failovers; %d runs followed, %d ended by themselves; %d publications, %d writes; %d comparisons; new snapshots: %s",
		total.kills.Load(), total.cuts.Load(), total.restarts.Load(), total.failovers.Load(), total.follows.Load(), total.ends.Load(),
		total.publications.Load(), total.writes.Load(), total.comparisons.Load(), total.reasons())
	if t.Failed() {
		return
	}
	if n := total.kills.Load(); n < followKillsWant {
		t.Errorf("%d kills, want %d", n, followKillsWant)
	}
	if n := total.cuts.Load(); n < followCutsWant {
		t.Errorf("%d cuts, want %d", n, followCutsWant)
	}
}

// A followTally counts what happened in all lanes.
type followTally struct {
	kills, cuts, restarts, failovers, follows, ends, publications, writes, comparisons atomic.Int64

	mu   sync.Mutex
	lost map[string]int // by kind of reason
}

// reason counts the reasons of new snapshots in what a run printed.
func (c *followTally) reason(out string) {
	c.publications.Add(int64(strings.Count(out, "msg=publishing")))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.lost = map[string]int{}
	}
	for _, kind := range []string{"FLUSHALL", "FLUSHDB", "SWAPDB", "another history", "backlog does not reach", "switched"} {
		for line := range strings.Lines(out) {
			if strings.Contains(line, "starts over") && strings.Contains(line, kind) {
				c.lost[kind]++
			}
		}
	}
}

func (c *followTally) reasons() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.lost)
}

// A followLane is a server with a replica, a writer, a warehouse, and keylift.
type followLane struct {
	t         *testing.T
	total     *followTally
	random    *rand.Rand
	seed      uint64
	primary   *testserver.Server
	replica   *testserver.Server
	proxy     *faultproxy.Proxy // leads keylift to the primary
	replicate *faultproxy.Proxy // leads the replica to the primary
	file      string
	story     strings.Builder // what happened in this round
}

func newFollowLane(t *testing.T, total *followTally, seed uint64, backlog string) *followLane {
	l := &followLane{t: t, total: total, seed: seed, random: rand.New(rand.NewPCG(seed, 7)), file: filepath.Join(t.TempDir(), "warehouse.db")}
	args := []string{"--appendonly", "yes", "--appendfsync", "no", "--hz", "100", "--repl-backlog-size", backlog}
	l.primary = testserver.Redis(t, testserver.Options{Args: args})
	l.replica = testserver.Redis(t, testserver.Options{Args: args})
	for _, p := range []**faultproxy.Proxy{&l.proxy, &l.replicate} {
		proxy, err := faultproxy.Start("tcp", l.primary.Address())
		l.check(err)
		t.Cleanup(func() { _ = proxy.Close() })
		*p = proxy
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("what happened in the last round:\n", l.story.String())
		}
	})
	l.attach()
	return l
}

func (l *followLane) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// ask sends a command to a server and returns the reply.
func (l *followLane) ask(s *testserver.Server, command ...string) string {
	l.t.Helper()
	client := l.client(s)
	defer client.Close()
	text, err := client.Do(l.t.Context(), client.B().Arbitrary(command...).Build()).ToString()
	l.check(err)
	return text
}

func (l *followLane) client(s *testserver.Server) rueidis.Client {
	l.t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Address()}, ForceSingleClient: true, DisableCache: true, PipelineMultiplex: -1, ConnWriteTimeout: time.Minute,
	})
	l.check(err)
	return client
}

// attach makes the replica one of the primary and waits until it is.
func (l *followLane) attach() {
	l.t.Helper()
	host, port, err := net.SplitHostPort(l.replicate.Address())
	l.check(err)
	l.ask(l.replica, "REPLICAOF", host, port)
	l.attached()
}

// attached waits until the replica follows the primary.
func (l *followLane) attached() {
	l.t.Helper()
	late := time.After(hung)
	for !strings.Contains(l.ask(l.replica, "INFO", "replication"), "master_link_status:up") {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-late:
			l.t.Fatal("the replica did not come up")
		}
	}
}

// write writes to the primary until stop is called.
func (l *followLane) write() (stop func()) {
	l.t.Helper()
	l.seed += 1000
	w, err := churn.New(l.primary.Address(), l.seed)
	l.check(err)
	w.Upheavals = upheavals
	quit := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		defer w.Close()
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			default:
			}
			err := w.Step(l.t.Context())
			if err == nil {
				l.total.writes.Add(1)
			}
			if err != nil || n%pauseEvery == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	return func() { close(quit); writing.Wait() }
}

// round lets keylift follow and fall, and compares.
func (l *followLane) round(round int) {
	l.story.Reset()
	l.tell("round %d of seed %d", round, l.seed)
	stop := l.write()
	for n := range followKills {
		follow := n > 0 || round%2 == 0
		p := l.start(follow)
		switch {
		case n == 2 && round == 1:
			l.restart()
		case n == 2 && round == 3:
			l.failOver(p, stop)
			stop = l.write()
		case n == 3 && round == 2:
			l.ask(l.primary, "FLUSHALL")
		case n == 3 && round == 4:
			l.ask(l.primary, "SWAPDB", "0", "1")
		case round == 5 || n == 1:
			for range 1 + l.random.IntN(3) {
				p.wait(time.Duration(l.random.IntN(120)) * time.Millisecond)
				l.proxy.Cut()
				l.tell("cut")
				l.total.cuts.Add(1)
			}
		}
		p.wait(time.Duration(l.random.IntN(250)) * time.Millisecond)
		l.kill(p, follow)
	}
	stop()
	l.compare()
}

// command returns a sync that is ready to run.
func (l *followLane) command(follow bool) *exec.Cmd {
	host, port, err := net.SplitHostPort(l.proxy.Address())
	l.check(err)
	args := []string{
		"sync", "--mode", "replica", "--host", host, "--port", port, "--database", "all", "--allow-empty", "--destination", l.file, "--verbose",
		"--connect-timeout", "1m", "--read-timeout", "1m",
	}
	if follow {
		args = append(args, "--follow", "--publish-interval", "20ms")
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), hung)
	l.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "keylift", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // it prints its goroutines
	cmd.WaitDelay = hung
	return cmd
}

// tell adds to the story, which is printed when the lane fails.
func (l *followLane) tell(format string, args ...any) {
	fmt.Fprintf(&l.story, time.Now().UTC().Format("15:04:05.000 ")+format+"\n", args...)
}

// start starts a sync and waits until it knows the server: from then on it outlives
// whatever happens to that.
func (l *followLane) start(follow bool) *process {
	l.t.Helper()
	p := start(l.t, l.command(follow), "msg=\"reading begins\"")
	if !p.meets() {
		l.t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
	}
	return p
}

// kill kills p, which must still run if it follows.
func (l *followLane) kill(p *process, follow bool) {
	l.t.Helper()
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
	l.total.reason(p.out.String())
	l.tell("keylift was killed (follow: %t) after it said:\n%s", follow, p.out)
	switch status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case status.Signaled():
		l.total.kills.Add(1)
		if follow {
			l.total.follows.Add(1)
		}
	case p.err != nil || follow:
		l.t.Fatalf("keylift sync ended: %v", p.err)
	default:
		l.total.ends.Add(1)
	}
}

// restart restarts the primary, with what it holds.
func (l *followLane) restart() {
	l.t.Helper()
	l.check(l.primary.Restart(l.t.Context()))
	l.total.restarts.Add(1)
	l.tell("the server was restarted")
}

// failOver lets the replica take over in the midst of writing. It may lack the last
// writes, which keylift has seen. The writer has stopped then.
func (l *followLane) failOver(p *process, stop func()) {
	l.t.Helper()
	l.attached() // one that is loading could not take over
	p.wait(time.Duration(l.random.IntN(300)) * time.Millisecond)
	if l.random.IntN(2) == 0 {
		l.replicate.Swallow(true)
		l.tell("the replica hears nothing more")
		p.wait(time.Duration(l.random.IntN(100)) * time.Millisecond)
	}
	l.primary.Kill()
	l.tell("the server was killed")
	stop()
	l.replicate.Cut()
	l.ask(l.replica, "REPLICAOF", "NO", "ONE")
	l.primary, l.replica = l.replica, l.primary
	l.proxy.Redirect("tcp", l.primary.Address())
	l.replicate.Swallow(false)
	l.replicate.Redirect("tcp", l.primary.Address())
	l.tell("the replica has taken over: %s", l.ask(l.primary, "INFO", "replication"))
	l.total.failovers.Add(1)
	p.wait(time.Duration(l.random.IntN(300)) * time.Millisecond)
	l.check(l.replica.Restart(l.t.Context()))
	l.attach()
}

// compare runs a last sync and compares the warehouse with the server.
func (l *followLane) compare() {
	l.t.Helper()
	time.Sleep(100 * time.Millisecond) // what expires in 50 ms has expired
	out, err := l.command(false).CombinedOutput()
	if err != nil {
		l.t.Fatalf("keylift sync: %v\n%s", err, out)
	}
	l.tell("the last run said:\n%s", out)
	l.total.reason(string(out))
	client := l.client(l.primary)
	defer client.Close()
	l.tell("the server says:\n%s", l.ask(l.primary, "INFO", "replication"))
	facts := map[place]fact{}
	for database := range churn.Databases {
		l.check(ask(l.t.Context(), client, database, facts))
	}
	compareFacts(l.t, rowsOf(l.t, l.file, "_keylift_deleted"), facts)
	l.total.comparisons.Add(1)
}
