package main

import (
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

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/internal/testserver"
)

const (
	killLanes  = 4  // side by side
	killRounds = 4  // of each lane, with four kills each
	killsLeast = 50 // in all

	slowBytes = 2 << 20 // a second, of a slow sync
	publishes = 60 * time.Millisecond
)

// TestKill kills keylift with SIGKILL at random instants of a sync, while keys of
// all types change, connections break and the server restarts. In the end every row says
// what the server says. One lane has several tables, some with versions.
// KEYLIFT_SEED chooses another course.
func TestKill(t *testing.T) {
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
	var total tally
	t.Run("lanes", func(t *testing.T) {
		var lanes sync.WaitGroup // they mostly wait, and more of them than there are cores
		for n := range killLanes {
			lanes.Go(func() {
				t.Run(strconv.Itoa(n), func(t *testing.T) {
					l := newKillLane(t, &total, rand.New(rand.NewPCG(seed, uint64(n))))
					if n == killLanes-1 {
						l.tables = []string{"--tables", killTables}
					}
					l.measure()
					for round := range killRounds {
						l.round(round + n)
					}
				})
			})
		}
		lanes.Wait()
	})
	t.Logf("%d kills: %d left a snapshot staged, %d were resumed, %d started over after a restart; %d connections were cut; at random, by tenth of a sync: %v",
		total.kills.Load(), total.staged.Load(), total.resumed.Load(), total.startedOver.Load(), total.cuts.Load(), total.tenths())
	if t.Failed() {
		return
	}
	if n := total.kills.Load(); n < killsLeast {
		t.Errorf("%d kills, want %d", n, killsLeast)
	}
	if total.resumed.Load() == 0 || total.startedOver.Load() == 0 {
		t.Error("no run resumed, or none started over")
	}
}

// A tally counts what happened in all lanes.
type tally struct {
	kills, staged, resumed, startedOver, cuts atomic.Int64
	instants                                  [10]atomic.Int64
}

func (c *tally) tenths() (n []int64) {
	for i := range c.instants {
		n = append(n, c.instants[i].Load())
	}
	return n
}

// A killLane is a server, a warehouse and keylift between them.
type killLane struct {
	t      *testing.T
	total  *tally
	random *rand.Rand
	server *testserver.Server
	proxy  *faultproxy.Proxy
	writer *writer
	file   string
	tables []string               // the flag that names them; nil: one table
	lasts  map[bool]time.Duration // a whole sync, by whether it is slowed

	modified map[place]int64 // last_modified of the rows that lived when last compared
}

func newKillLane(t *testing.T, total *tally, random *rand.Rand) *killLane {
	l := &killLane{t: t, total: total, random: random, lasts: map[bool]time.Duration{}}
	l.server = testserver.Redis(t, testserver.Options{Args: []string{"--appendonly", "yes", "--appendfsync", "no"}})
	var err error
	if l.proxy, err = faultproxy.Start("tcp", l.server.Address()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.proxy.Close() })
	l.file = filepath.Join(t.TempDir(), "warehouse.db")
	l.writer = &writer{random: random, touched: map[place]bool{}}
	l.connect()
	l.check(l.writer.fill(t.Context()))
	return l
}

func (l *killLane) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// connect connects the writer, which a restart of the server disconnects.
func (l *killLane) connect() {
	l.t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{l.server.Address()}, ForceSingleClient: true, DisableCache: true, PipelineMultiplex: -1, BlockingPipeline: -1,
		ClientSetInfo: rueidis.DisableClientSetInfo, ConnWriteTimeout: time.Minute,
	})
	l.check(err)
	l.t.Cleanup(client.Close)
	l.writer.client = client
}

// round changes the world, kills some syncs, lets one end, and compares.
func (l *killLane) round(round int) {
	restart, write, cut := round%4 == 1, round%4 == 2, round%4 == 3
	expiring := map[place]bool{}
	l.change(2000, expiring)
	for n := range 4 {
		switch n {
		case 1:
			l.killAt("publishing", false, time.Duration(l.random.Int64N(int64(publishes))))
		case 3:
			l.killAt("checkpoint", true, 0)
		default:
			l.killAtRandom(cut)
		}
		if write {
			l.change(300, expiring)
		}
	}
	if restart {
		l.check(l.server.Restart(l.t.Context()))
		l.connect()
	}
	out := l.sync(cut)
	switch {
	case strings.Contains(out, "resumed an interrupted snapshot"):
		l.total.resumed.Add(1)
	case strings.Contains(out, "started the snapshot over: the server restarted or was replaced"):
		l.total.startedOver.Add(1)
	case restart:
		l.t.Errorf("after a restart of the server, the run does not say that it starts over:\n%s", out)
	case !cut:
		l.t.Errorf("the run does not say that it resumes:\n%s", out)
	}
	if write {
		l.sync(false)
	}
	if l.tables == nil {
		l.compare(l.ask())
		return
	}
	l.compareTables(l.ask(), expiring)
}

// change makes up to most changes in every database, and notes which keys may expire,
// where the tables do not say so.
func (l *killLane) change(most int, expiring map[place]bool) {
	l.t.Helper()
	l.check(l.writer.change(l.t.Context(), l.random.IntN(most)))
	if l.tables == nil {
		return
	}
	for p, f := range l.ask() {
		expiring[p] = expiring[p] || f.expires >= 0
	}
}

// ask returns what the server says of every key.
func (l *killLane) ask() map[place]fact {
	l.t.Helper()
	facts := map[place]fact{}
	for _, p := range populations {
		l.check(ask(l.t.Context(), l.writer.client, p.database, facts))
	}
	return facts
}

// measure syncs once slowly and once fast, to know how long that takes.
func (l *killLane) measure() {
	for _, slow := range []bool{true, false} {
		began := time.Now()
		if out, err := l.command(slow).CombinedOutput(); err != nil {
			l.t.Fatalf("keylift sync: %v\n%s", err, out)
		}
		l.lasts[slow] = time.Since(began)
	}
}

// command returns a sync that is ready to run.
func (l *killLane) command(slow bool) *exec.Cmd {
	l.t.Helper()
	host, port, err := net.SplitHostPort(l.proxy.Address())
	l.check(err)
	args := []string{
		"sync", "--host", host, "--port", port, "--database", "0,3", "--destination", l.file, "--verbose",
		"--big-key-bytes", "8KiB", "--checkpoint-interval", "100", "--connect-timeout", "2m", "--read-timeout", "2m",
	}
	args = append(args, l.tables...)
	l.proxy.Slow(0)
	if slow {
		l.proxy.Slow(slowBytes)
	}
	return exec.CommandContext(l.t.Context(), "keylift", args...)
}

// killAtRandom kills a sync at an instant between its start and its end. A sync
// that ends before is no kill, and another is started.
func (l *killLane) killAtRandom(cut bool) {
	l.t.Helper()
	for range 20 {
		slow := l.random.IntN(2) == 0
		share := l.random.Float64()
		if cut {
			l.cut()
		}
		began := time.Now()
		p := start(l.t, l.command(slow), "")
		p.wait(time.Duration(share * float64(l.lasts[slow])))
		if l.killed(p) {
			l.total.instants[int(share*10)].Add(1)
			return
		}
		l.lasts[slow] = time.Since(began) // the machine has more time for it now
	}
	l.t.Fatal("20 syncs ended before they were killed")
}

// killAt kills a sync a while after it has logged a message. A sync that ends
// before, as one may that has little left to do, is no kill: the next is killed
// sooner.
func (l *killLane) killAt(message string, slow bool, after time.Duration) {
	l.t.Helper()
	for n := range 20 {
		p := start(l.t, l.command(slow), "msg="+message)
		if p.meets() {
			p.wait(after >> n)
		}
		if l.killed(p) {
			return
		}
	}
	l.t.Fatalf("20 syncs ended before they were killed at %s", message)
}

// cut breaks the connections of the next sync somewhere on its way, once it is
// connected.
func (l *killLane) cut() {
	l.proxy.CutAfter(64<<10 + l.random.Int64N(4<<20))
	l.total.cuts.Add(1)
}

// killed kills p and reports whether it was still running.
func (l *killLane) killed(p *process) bool {
	l.t.Helper()
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
	if status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		if p.err != nil {
			l.t.Fatalf("keylift sync: %v\n%s", p.err, p.out)
		}
		return false
	}
	l.total.kills.Add(1)
	if strings.Contains(l.keylift("status"), "a snapshot is under way") {
		l.total.staged.Add(1)
	}
	return true
}

// sync runs a sync to its end and returns what it printed.
func (l *killLane) sync(cut bool) string {
	l.t.Helper()
	if cut {
		l.cut()
	}
	out, err := l.command(false).CombinedOutput()
	if err != nil {
		l.t.Fatalf("keylift sync: %v\n%s", err, out)
	}
	l.proxy.CutAfter(0)
	return string(out)
}

// keylift runs a command that must succeed.
func (l *killLane) keylift(args ...string) string {
	l.t.Helper()
	out, err := l.run(args...)
	if err != nil {
		l.t.Fatalf("keylift %s: %v\n%s", args[0], err, out)
	}
	return out
}

// run runs a command.
func (l *killLane) run(args ...string) (string, error) {
	l.t.Helper()
	host, port, err := net.SplitHostPort(l.server.Address())
	l.check(err)
	args = append(args, "--host", host, "--port", port, "--database", "0,3", "--destination", l.file, "--connect-timeout", "2m", "--read-timeout", "2m")
	out, err := exec.CommandContext(l.t.Context(), "keylift", append(args, l.tables...)...).CombinedOutput()
	return string(out), err
}

// compare compares the warehouse with the server, by typed commands and by
// keylift verify, and with what it was when last compared.
func (l *killLane) compare(facts map[place]fact) {
	l.t.Helper()
	rows := rowsOf(l.t, l.file, "_keylift_deleted")
	compareFacts(l.t, rows, facts)
	for p, was := range l.modified {
		h, there := rows[p]
		if !there {
			l.t.Fatalf("the row of %+v is lost", p)
		}
		if _, lives := facts[p]; lives && !l.writer.touched[p] && h.modified != was {
			l.t.Fatalf("%+v has not changed since %s, its last_modified has, to %s", p, time.UnixMicro(was), time.UnixMicro(h.modified))
		}
	}
	l.modified = map[place]int64{}
	for p, h := range rows {
		if !h.deleted {
			l.modified[p] = h.modified
		}
	}
	clear(l.writer.touched)
	if out := l.keylift("verify"); !strings.Contains(out, fmt.Sprintf("%s keys equal", thousands(int64(len(facts))))) && !strings.Contains(out, "expired since the sync") {
		l.t.Errorf("keylift verify: %d keys are there, it says:\n%s", len(facts), out)
	}
}
