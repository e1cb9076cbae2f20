package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/keylift/keylift/internal/faultproxy"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source/redis"
	"github.com/keylift/keylift/wire"
)

// readKeylift reads all keys by keylift's source and throws the rows away; the
// argument is the batch size.
func readKeylift(ctx context.Context, address string, args []string) (keys int, err error) {
	if len(args) != 1 {
		return 0, errors.New("read needs a batch size")
	}
	wire.GiveWay() // as keylift does
	o := redis.Options{Address: address}
	if o.BatchSize, err = strconv.Atoi(args[0]); err != nil {
		return 0, err
	}
	return readAll(ctx, o)
}

// readReplica reads all keys by the snapshot that a replica gets.
func readReplica(ctx context.Context, address string) (keys int, err error) {
	wire.GiveWay()
	return readAll(ctx, redis.Options{Address: address, Replica: true})
}

// readAll reads a source to its end and returns the number of rows.
func readAll(ctx context.Context, o redis.Options) (keys int, err error) {
	source, err := redis.Open(o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	reader, err := source.Open(ctx, row.Position{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		b, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return keys, err
		}
		keys += b.Len()
		b.Release()
	}
}

// proxied measures readKeylift through a proxy, which delays or does not.
func proxied(delayed bool, batch string) run {
	return func(ctx context.Context, b *bench, _ int) (s sample, err error) {
		proxy, err := faultproxy.Start("tcp", b.server.Address())
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, proxy.Close()) }()
		if delayed {
			proxy.Delay(b.rtt)
		}
		return b.measureChild(ctx, b.command(ctx, "read", proxy.Address(), batch))
	}
}

// A synced is what a sync did to its destination.
type synced struct {
	New, Changed, Unchanged, Deleted int
	Rows                             int   `json:"rows_read"`
	before, after                    int64 // bytes of the file
}

// sync measures a run of the real program into a DuckDB file.
func (b *bench) sync(ctx context.Context, file string, flags ...string) (sample, error) {
	before := size(file)
	s, out, err := b.measure(ctx, b.keylift(ctx, b.server, file, flags...))
	if err != nil {
		return s, err
	}
	done, err := summary(out)
	if err != nil {
		return s, err
	}
	done.before, done.after = before, size(file)
	s.keys, s.synced = done.Rows, done
	return s, nil
}

// keylift returns the command that syncs a server into a file.
func (b *bench) keylift(ctx context.Context, s *server, file string, flags ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(s.Address())
	cmd := exec.CommandContext(ctx, b.program, append([]string{
		"sync", "--host", host, "--port", port, "--destination", "duckdb:" + file, "--log-format", "json",
	}, flags...)...)
	cmd.Dir = b.dir // where there is no configuration
	return cmd
}

// summary finds the record of a finished sync in a log.
func summary(log []byte) (*synced, error) {
	for line := range strings.Lines(string(log)) {
		var record struct {
			Message  string `json:"msg"`
			Complete bool
			synced
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			return nil, fmt.Errorf("read the log line %q: %w", line, err)
		}
		if record.Message == "sync ended" && record.Complete {
			return &record.synced, nil
		}
	}
	return nil, fmt.Errorf("no finished sync in the log %s", log)
}

// size returns the length of a file and of its log; 0 where there is none.
func size(file string) int64 {
	var n int64
	for _, name := range []string{file, file + ".wal"} {
		if i, err := os.Stat(name); err == nil {
			n += i.Size()
		}
	}
	return n
}

const fast = "--fast"

func (b *bench) warehouse(flags []string) string {
	return filepath.Join(b.dir, "warehouse"+strings.Join(flags, "")+".db")
}

// A run makes a measurement in a round, numbered from 0.
type run func(ctx context.Context, b *bench, round int) (sample, error)

// firstSync measures a sync into a new file.
func firstSync(flags ...string) run {
	return func(ctx context.Context, b *bench, _ int) (sample, error) {
		file := b.warehouse(flags)
		if err := os.RemoveAll(file); err != nil {
			return sample{}, err
		}
		s, err := b.sync(ctx, file, flags...)
		return s, errors.Join(err, s.wantRows(synced{New: b.data.keys}))
	}
}

// unchangedSync measures a sync that finds nothing changed.
func unchangedSync(flags ...string) run {
	return func(ctx context.Context, b *bench, _ int) (sample, error) {
		s, err := b.sync(ctx, b.warehouse(flags), flags...)
		return s, errors.Join(err, s.wantRows(synced{Unchanged: b.data.keys}))
	}
}

// changedSync changes some keys and measures the sync of that.
func changedSync(ctx context.Context, b *bench, round int) (sample, error) {
	if err := b.data.change(ctx, b.server.Address(), round); err != nil {
		return sample{}, fmt.Errorf("change keys: %w", err)
	}
	s, err := b.sync(ctx, b.warehouse(nil))
	changed := b.data.changed()
	return s, errors.Join(err, s.wantRows(synced{Changed: changed, Unchanged: b.data.keys - changed}))
}

// wantRows is an error unless the sync did this to the rows.
func (s *sample) wantRows(want synced) error {
	if s.synced == nil {
		return nil
	}
	got := *s.synced
	want.Rows, want.before, want.after = want.New+want.Changed+want.Unchanged, got.before, got.after
	if got != want {
		return fmt.Errorf("rows: got %+v, want %+v", got, want)
	}
	return nil
}
