package torture_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/torture"
)

// A plan is a function of its seed: what is made up of it does not depend on when, how
// often and beside what else that is done.
func TestNew(t *testing.T) {
	for seed := range uint64(50) {
		first := torture.New(seed).String()
		torture.New(seed + 1)
		if again := torture.New(seed).String(); again != first {
			t.Fatalf("seed %d has two plans:\n%s\n%s", seed, first, again)
		}
		if other := torture.New(seed + 1).String(); other == first {
			t.Errorf("seeds %d and %d have one plan", seed, seed+1)
		}
	}
}

// Among few hundred plans there is everything that a plan can hold.
func TestNew_everything(t *testing.T) {
	met := map[string]bool{}
	for seed := range uint64(400) {
		p := torture.New(seed)
		met[fmt.Sprint("deployment ", p.Deployment, p.ReadFrom)] = true
		met[fmt.Sprint("database ", p.Database)] = true
		met[fmt.Sprintf("skip %t", p.Skip)] = true
		met[fmt.Sprintf("hard %t", p.Hard)] = true
		met[fmt.Sprintf("tables %t", len(p.Tables) > 0)] = true
		for _, table := range p.Tables {
			met[fmt.Sprintf("layout %s %s, history %t, trim %s", table.Layout, table.Type, table.History, table.Trim)] = true
		}
		last := len(p.Acts) - 1
		if a := p.Acts[last]; len(a.Steps) > 0 || a.End != torture.Await || a.Follow || a.Weather != (torture.Weather{}) {
			t.Errorf("seed %d: its last act is disturbed: %+v", seed, a)
		}
		for _, a := range p.Acts[:last] {
			if a.Follow && a.End == torture.Await || a.End == torture.Kill && !a.Process {
				t.Errorf("seed %d: an act cannot end: %+v", seed, a)
			}
			met[fmt.Sprintf("mode %s, follow %t, ends %s, process %t", a.Mode, a.Follow, a.End, a.Process)] = true
			for _, s := range a.Steps {
				if s.Fault != "" {
					met[fmt.Sprintf("%s: %s", p.Deployment, s.Fault)] = true
				}
			}
		}
	}
	all := slices.Sorted(maps.Keys(met))
	for _, want := range []string{
		"deployment standalone", "deployment cluster", "deployment sentinelprimary", "deployment sentinelreplica", "database 0", "database 0,3", "database all", "skip true", "hard true", "hard false", "tables true", "tables false",
		"layout columns , history true, trim ", "layout columns , history false, trim ", "layout value , history true, trim ", "layout value string, history false, trim ",
		"layout elements hash, history true, trim ", "layout elements list, history true, trim ", "layout elements set, history false, trim ", "layout elements zset, history true, trim ",
		"layout elements stream, history true, trim keep", "layout elements stream, history false, trim mirror",
		"mode scan, follow false, ends await, process false", "mode scan, follow true, ends interrupt, process false", "mode scan, follow true, ends kill, process true",
		"mode replica, follow false, ends interrupt, process false", "mode replica, follow true, ends kill, process true", "mode auto, follow true, ends interrupt, process true",
		"standalone: cut", "standalone: hang", "standalone: refuse", "standalone: kill clients", "standalone: restart", "standalone: lag", "standalone: fail over", "standalone: evict",
		"cluster: cut", "cluster: hang", "cluster: refuse", "cluster: kill clients", "cluster: restart", "cluster: fail over", "cluster: evict", "cluster: open slots", "cluster: move slots",
		"sentinel: cut", "sentinel: hang", "sentinel: refuse", "sentinel: kill clients", "sentinel: restart", "sentinel: fail over", "sentinel: evict",
	} {
		if !met[want] {
			t.Errorf("no plan has %q; there are\n%s", want, strings.Join(all, "\n"))
		}
	}
}
