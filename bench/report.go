package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// A sample is what one measurement found in one round.
type sample struct {
	keys                 int
	seconds              float64
	readerCPU, serverCPU float64 // seconds
	peak                 int64   // bytes of memory of the reader
	latency              latency // of the client beside it
	synced               *synced // of syncs
	lag                  float64 // seconds, the longest, of following
}

func (s sample) rate() float64 { return float64(s.keys) / s.seconds }

func (s sample) String() string {
	return fmt.Sprintf("%d keys in %.2f s, %.0f keys/s; GET beside it: p50 %.2f, p99 %.2f ms", s.keys, s.seconds, s.rate(), s.latency.P50, s.latency.P99)
}

// A spread is the median of some numbers, the least and the greatest.
type spread struct{ median, least, most float64 }

func spreadOf(numbers []float64) spread {
	slices.Sort(numbers)
	n := len(numbers)
	return spread{(numbers[(n-1)/2] + numbers[n/2]) / 2, numbers[0], numbers[n-1]}
}

// over returns the spread of a number of each sample.
func over(samples []sample, number func(sample) float64) spread {
	var numbers []float64
	for _, s := range samples {
		numbers = append(numbers, number(s))
	}
	return spreadOf(numbers)
}

// A ratio compares the keys/s of two measurements, round by round.
type ratio struct {
	text, of, to string
	format       string
	goal         string
}

var ratios = []ratio{
	{"reading, default, of the ceiling", "read", "ceiling", "%.2f", ">= 0.85"},
	{"reading, --fast, of the ceiling", "read-fast", "ceiling", "%.2f", ">= 0.85"},
	{"first sync, default, of the ceiling", "first", "ceiling", "%.2f", ">= 0.75"},
	{"first sync, --fast, of the ceiling", "first-fast", "ceiling", "%.2f", ">= 0.75"},
	{"unchanged sync, default, of the ceiling", "unchanged", "ceiling", "%.2f", ">= 0.85"},
	{"unchanged sync, --fast, of the ceiling", "unchanged-fast", "ceiling", "%.2f", ">= 0.85"},
	{"0.1 % changed, default, of the ceiling", "changed", "ceiling", "%.2f", ""},
	{"first sync, one round trip a command in Python", "first", "redis-py", "%.0f x", ">= 60 x"},
	{"first sync, one round trip a command in Go", "first", "roundtrip", "%.0f x", ""},
	{"replica: reading, of the transport", "replica-read", "psync", "%.2f", ">= 0.90"},
	{"replica: first sync, of the transport", "replica-first", "psync", "%.2f", ">= 0.60"},
	{"reading with the delay, default, of without", "proxy-rtt", "proxy", "%.2f", ">= 0.80"},
	{"reading with the delay, --fast, of without", "proxy-fast-rtt", "proxy-fast", "%.2f", ">= 0.80"},
}

// A section writes lines of tab-separated cells under a head, which appears only
// with the first of them.
func section(w io.Writer, head string) func(format string, args ...any) {
	return func(format string, args ...any) {
		if head != "" {
			_, _ = fmt.Fprintf(w, "\n%s\n", head)
			head = ""
		}
		_, _ = fmt.Fprintf(w, format+"\n", args...)
	}
}

func (b *bench) report(w io.Writer) error {
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "keylift benchmark: %d keys, seed %d, %d rounds, redis %s, %d CPUs, %s/%s\n",
		b.data.keys, b.data.seed, b.rounds, b.version, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	b.reportRatios(section(t, "ratio of keys/s\tmedian\tspread\tgoal"))
	b.reportLimits(section(t, "limit\tmost\t\tgoal"))
	b.reportRaw(section(t, "measurement\tkeys/s\tspread\tCPU s per M keys: reader\tserver's main thread\tpeak MiB\tGET p50\tp99\tmax ms"))
	b.reportRows(section(t, "rows\tnew\tchanged\tunchanged\tdeleted\tfile before\tafter, MB"))
	return t.Flush()
}

func (b *bench) reportRatios(line func(string, ...any)) {
	for _, r := range ratios {
		of, to := b.results[r.of], b.results[r.to]
		if of == nil || to == nil {
			continue
		}
		var numbers []float64
		for i := range of {
			numbers = append(numbers, of[i].rate()/to[i].rate())
		}
		s := spreadOf(numbers)
		line("%s\t"+r.format+"\t"+r.format+" - "+r.format+"\t%s", r.text, s.median, s.least, s.most, r.goal)
	}
}

// reportLimits reports what must not be exceeded.
func (b *bench) reportLimits(line func(string, ...any)) {
	var peak int64
	for _, name := range []string{"first", "unchanged", "changed", "first-fast", "unchanged-fast", "replica-first", "replica-catchup"} {
		for _, s := range b.results[name] {
			peak = max(peak, s.peak)
		}
	}
	if peak > 0 {
		line("peak memory of a sync\t%d MiB\t\t< 600 MiB at 1 M keys", peak>>20)
	}
	p99 := func(s sample) float64 { return s.latency.P99 }
	if idle, beside := b.results["idle"], slices.Concat(b.results["first"], b.results["unchanged"]); idle != nil && beside != nil {
		line("p99 of GET beside a default sync\t%.2f ms\t(median %.2f, idle %.2f)\t< 3 ms", over(beside, p99).most, over(beside, p99).median, over(idle, p99).median)
	}
	for _, name := range []string{"first", "first-paced"} {
		if of, beside := b.results[name], b.results[strings.Replace(name, "first", "loaded", 1)]; beside != nil {
			var times []float64
			for i := range of {
				times = append(times, p99(of[i])/p99(beside[i]))
			}
			t := spreadOf(times)
			line("p99 of GET beside %s, of that beside as busy a server\t%.2f x\t(median %.2f)\t<= 2, paced or not", name, t.most, t.median)
		}
	}
	if samples := slices.Concat(b.results["unchanged"], b.results["unchanged-fast"]); samples != nil {
		var grown, written int64
		for _, s := range samples {
			grown = max(grown, s.synced.after-s.synced.before)
			written += int64(s.synced.New + s.synced.Changed + s.synced.Deleted)
		}
		line("unchanged sync: rows written\t%d\t\t0", written)
		line("unchanged sync: growth of the file\t%d bytes\t\t0", grown)
	}
	b.reportReplica(line)
	if r := b.bigKey; r != nil {
		line("sorted set of %d members: slowest command\t%.1f ms\t(%s)\t< 20 ms", bigMembers, float64(r.slowest.Microseconds())/1000, cmp.Or(r.command, "all below 0.5 ms"))
		line("sorted set of %d members: peak memory\t%d MiB\t(in %.1f s; %s in the server)\tas documented", bigMembers, r.peak>>20, r.seconds, r.memory)
	}
}

// reportReplica reports the limits of reading as a replica does.
func (b *bench) reportReplica(line func(string, ...any)) {
	main := func(s sample) float64 { return s.serverCPU / float64(s.keys) }
	if replica, scan := b.results["replica-first"], b.results["first"]; replica != nil && scan != nil {
		line("replica: CPU of the server's main thread, of scan mode's\t%.2f\t\t< 0.25", over(replica, main).median/over(scan, main).median)
	}
	if samples := b.results["replica-catchup"]; samples != nil {
		took := over(samples, func(s sample) float64 { return s.seconds })
		line("replica: a run after %d changes\t%.2f s\t(median %.2f)\t< 1 s", samples[0].keys, took.most, took.median)
	}
	if samples := b.results["follow"]; samples != nil {
		lag := over(samples, func(s sample) float64 { return s.lag })
		line("follow: writes/s\t%.0f\t(median; lag %.2f s at most)\t>= 30000, lag < 2 s", over(samples, sample.rate).median, lag.most)
	}
}

// reportRaw reports all that was measured: medians, with the spread of keys/s.
func (b *bench) reportRaw(line func(string, ...any)) {
	for _, m := range measurements {
		samples := b.results[m.name]
		if samples == nil {
			continue
		}
		number := func(format string, f func(sample) float64) string {
			return fmt.Sprintf(format, over(samples, f).median)
		}
		perMillion := func(seconds func(sample) float64) string {
			return number("%.2f", func(s sample) float64 { return seconds(s) * 1e6 / float64(s.keys) })
		}
		row := []any{m.name, "-", "-", "-", "-", "-"}
		if m.name != "idle" {
			rate := over(samples, sample.rate)
			row = []any{
				m.name, fmt.Sprintf("%.0f", rate.median), fmt.Sprintf("%.0f - %.0f", rate.least, rate.most),
				perMillion(func(s sample) float64 { return s.readerCPU }),
				perMillion(func(s sample) float64 { return s.serverCPU }),
				number("%.0f", func(s sample) float64 { return float64(s.peak >> 20) }),
			}
		}
		row = append(
			row,
			number("%.2f", func(s sample) float64 { return s.latency.P50 }),
			number("%.2f", func(s sample) float64 { return s.latency.P99 }),
			number("%.1f", func(s sample) float64 { return s.latency.Max }),
		)
		line("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", row...)
	}
	if b.results["roundtrip"] != nil && !b.python {
		line("(python3 has no module redis: the reference connector's loop was measured in Go alone)")
	}
}

// reportRows reports what the syncs of the last round did to their files.
func (b *bench) reportRows(line func(string, ...any)) {
	for _, m := range measurements {
		samples := b.results[m.name]
		if len(samples) == 0 || samples[0].synced == nil {
			continue
		}
		s := samples[len(samples)-1].synced
		line("%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f", m.name, s.New, s.Changed, s.Unchanged, s.Deleted, float64(s.before)/1e6, float64(s.after)/1e6)
	}
}
