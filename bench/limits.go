package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

// A limit is a size that keylift is known to bear: a server is filled with it, and
// synced by the real program.
type limit struct {
	name   string
	fill   func(write writer) error
	tables string // of the configuration, as YAML
	flags  []string
	rows   int // that the sync writes
	many   int // the Fivetran connector syncs so many databases at once in place of keylift
}

// limits are all there are. They need half an hour and 3 GB of memory, that of many
// tables most of the time.
var limits = []limit{
	{name: "keys", fill: fillKeys, rows: manyKeys},
	{name: "zset", fill: fillZset, rows: 1},
	{name: "zset-elements", fill: fillZset, rows: zsetMembers, tables: `[{name: boards, keys: "leaderboard:{board}", layout: elements, type: zset}]`},
	{name: "string", fill: fillString, rows: 1},
	{name: "string-whole", fill: fillString, rows: 1, flags: []string{"--max-value-bytes", "256MiB", "--memory-limit", "512MiB"}},
	{name: "hashes", fill: fillHashes, rows: bigHashes},
	{name: "hashes-elements", fill: fillHashes, rows: bigHashes * hashFields, tables: `[{name: inventories, keys: "inventory:{player}", layout: elements, type: hash}]`},
	{name: "tables", fill: fillTables, rows: manyTables * keysOfTable, tables: tableList()},
	{name: "databases", fill: fillDatabases, rows: databases * keysOfDatabase, flags: []string{"--database", "all"}},
	{name: "fivetran", fill: fillDatabases, rows: databases * keysOfDatabase, many: databases},
}

func limitNames() []string {
	var all []string
	for i := range limits {
		all = append(all, limits[i].name)
	}
	return all
}

const (
	manyKeys       = 10_000_000
	zsetMembers    = 5_000_000
	stringBytes    = 200 << 20
	bigHashes      = 10
	hashFields     = 100_000
	manyTables     = 5000
	keysOfTable    = 20
	databases      = 100
	keysOfDatabase = 5000
)

// A writer takes commands and their number.
type writer = func(commands []byte, n int) error

func fillKeys(write writer) error {
	for i := range manyKeys {
		name := strconv.Itoa(i)
		command := appendCommand(nil, "SET", "session:"+name, "a value of some forty bytes, number "+name)
		if i%2 == 0 {
			command = appendCommand(nil, "HSET", "player:"+name, "name", "player "+name, "level", name[len(name)-1:], "guild", "g")
		}
		if err := write(command, 1); err != nil {
			return err
		}
	}
	return nil
}

func fillZset(write writer) error {
	r := dataset{seed: 1}.newWrites(0).random
	return inChunks(zsetMembers, func(i int) []string { return []string{score(r), "player:" + strconv.Itoa(i)} },
		func(elements []string) error {
			return write(appendCommand(nil, append([]string{"ZADD", "leaderboard:all"}, elements...)...), 1)
		})
}

func fillHashes(write writer) error {
	r := dataset{seed: 1}.newWrites(0).random
	for h := range bigHashes {
		err := inChunks(hashFields, func(i int) []string { return []string{"field:" + strconv.Itoa(i), text(r, 20)} },
			func(elements []string) error {
				return write(appendCommand(nil, append([]string{"HSET", "inventory:" + strconv.Itoa(h)}, elements...)...), 1)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// inChunks hands n elements on, a thousand at a time.
func inChunks(n int, element func(i int) []string, hand func([]string) error) error {
	const chunk = 1000
	for first := 0; first < n; first += chunk {
		var elements []string
		for i := first; i < min(first+chunk, n); i++ {
			elements = append(elements, element(i)...)
		}
		if err := hand(elements); err != nil {
			return err
		}
	}
	return nil
}

func fillString(write writer) error {
	const piece = 1 << 20
	r := dataset{seed: 1}.newWrites(0).random
	for range stringBytes / piece {
		if err := write(appendCommand(nil, "APPEND", "archive", text(r, piece)), 1); err != nil {
			return err
		}
	}
	return nil
}

func fillTables(write writer) error {
	for t := range manyTables {
		for k := range keysOfTable {
			command := appendCommand(nil, "HSET", fmt.Sprintf("tenant%d:player:%d", t, k), "level", strconv.Itoa(k), "name", "player")
			if err := write(command, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// tableList is a table for each prefix of fillTables.
func tableList() string {
	var b strings.Builder
	for t := range manyTables {
		fmt.Fprintf(&b, "\n  - {name: tenant%d, keys: \"tenant%d:player:{player:int}\", layout: columns, columns: [{field: level, type: int}]}", t, t)
	}
	return b.String()
}

func fillDatabases(write writer) error {
	for d := range databases {
		if err := write(appendCommand(nil, "SELECT", strconv.Itoa(d)), 1); err != nil {
			return err
		}
		for k := range keysOfDatabase {
			command := appendCommand(nil, "HSET", "player:"+strconv.Itoa(k), "level", strconv.Itoa(k), "name", "player of database "+strconv.Itoa(d))
			if err := write(command, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillLimit fills a server for one limit, its name the argument.
func fillLimit(ctx context.Context, address string, args []string) error {
	i := slices.IndexFunc(limits, func(l limit) bool { return len(args) == 1 && l.name == args[0] })
	if i < 0 {
		return fmt.Errorf("no limit is named %q", args)
	}
	return pipeline(ctx, address, limits[i].fill)
}

// measureLimits measures the limits of these names, and reports each as it is known.
func (b *bench) measureLimits(ctx context.Context, names []string, w io.Writer) error {
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "keylift's limits: %d CPUs, %s/%s\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	_, _ = fmt.Fprintln(t, "limit\tin the server\trows\tseconds\tagain\tpeak MiB\tslowest command, ms")
	for i := range limits {
		if l := &limits[i]; slices.Contains(names, l.name) {
			r, err := b.measureLimit(ctx, l)
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			line := fmt.Sprintf("%s\t%s\t%d\t%.1f\t%.1f\t%d\t%.1f %s", l.name, r.memory, l.rows, r.seconds, r.again, r.peak>>20, float64(r.slowest.Microseconds())/1000, cmp.Or(r.command, "all below 0.5"))
			note("%s", strings.ReplaceAll(line, "\t", " | "))
			_, _ = fmt.Fprintln(t, line)
		}
	}
	return t.Flush()
}

// measureLimit fills a server of its own and syncs it, twice.
func (b *bench) measureLimit(ctx context.Context, l *limit) (r *bigResult, err error) {
	s, err := testserver.Start(ctx, testserver.Options{Databases: databases, Args: []string{
		"--slowlog-log-slower-than", "500", "--slowlog-max-len", "100000",
	}})
	if err != nil {
		return nil, err
	}
	if b.server, err = newServer(s); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.server.stop()) }()
	if _, err := output(b.command(ctx, "fill-limit", b.server.Address(), l.name)); err != nil {
		return nil, fmt.Errorf("fill the server: %w", err)
	}
	r = &bigResult{}
	if r.memory, err = b.server.info(ctx, "memory", "used_memory_human"); err != nil {
		return nil, err
	}
	if err := b.server.client.Do(ctx, b.server.client.B().SlowlogReset().Build()).Error(); err != nil {
		return nil, err
	}
	if l.many > 0 {
		return r, b.syncMany(ctx, l, r)
	}
	if err := b.syncLimit(ctx, l, r); err != nil {
		return nil, err
	}
	return r, b.slowest(ctx, r)
}

// syncLimit syncs the server twice: into a new file, and with nothing changed.
func (b *bench) syncLimit(ctx context.Context, l *limit, r *bigResult) error {
	file := filepath.Join(b.dir, "limit.db")
	flags := l.flags
	if l.tables != "" {
		config := filepath.Join(b.dir, "limit.yaml")
		if err := os.WriteFile(config, []byte("tables: "+l.tables+"\n"), 0o600); err != nil {
			return err
		}
		flags = append(slices.Clone(flags), "--config", config)
	}
	for _, want := range []synced{{New: l.rows, Rows: l.rows}, {Unchanged: l.rows, Rows: l.rows}} {
		cmd := b.keylift(ctx, b.server, file, flags...)
		began := time.Now()
		out, err := output(cmd)
		if err != nil {
			return err
		}
		done, err := summary(out)
		if err != nil {
			return err
		}
		if *done != want {
			return fmt.Errorf("rows: %+v, want %+v", *done, want)
		}
		r.peak = max(r.peak, peakMemory(cmd.ProcessState))
		if r.again = time.Since(began).Seconds(); r.seconds == 0 {
			r.seconds = r.again
		}
	}
	return os.Remove(file)
}

// slowest finds the slowest command in the server's slow log.
func (b *bench) slowest(ctx context.Context, r *bigResult) error {
	c := b.server.client
	entries, err := c.Do(ctx, c.B().SlowlogGet().Count(-1).Build()).ToArray()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.slow(e); err != nil {
			return err
		}
	}
	return nil
}
