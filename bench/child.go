package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// childCommand is the first argument of the processes that this program starts
// of itself; the next ones are the way to read, the address and what the way
// needs.
const childCommand = "child"

// An outcome is what a child prints.
type outcome struct {
	Keys    int
	Seconds float64
	Lag     float64 // seconds, of following
}

// runChild reads the server in one of the ways, as a process of its own.
func runChild(ctx context.Context) error {
	if len(os.Args) < 4 {
		return errors.New("a child needs a way to read and an address")
	}
	way, address, args := os.Args[2], os.Args[3], os.Args[4:]
	began := time.Now()
	var keys int
	var lag time.Duration
	var err error
	switch way {
	case "ceiling":
		keys, err = readCeiling(ctx, address)
	case "roundtrip":
		keys, err = readRoundTrips(ctx, address)
	case "read":
		keys, err = readKeylift(ctx, address, args)
	case "psync":
		keys, err = readTransport(ctx, address, args)
	case "replica-read":
		keys, err = readReplica(ctx, address)
	case "load":
		keys, err = load(ctx, address, args)
	case "busy":
		keys, err = keepBusy(ctx, address, args)
	case "follow":
		lag, err = runFollow(ctx, address, args)
	case "drop":
		keys, err = readFivetran(ctx, address, args)
	case "get", "fill":
		d, err := parseDataset(args)
		if err != nil {
			return err
		}
		if way == "fill" {
			return d.fill(ctx, address)
		}
		return serveGets(ctx, address, d)
	case "fill-limit":
		return fillLimit(ctx, address, args)
	case "drop-many":
		keys, err = readFivetranMany(ctx, address, args)
	case "fill-big":
		d, err := parseDataset(args)
		if err != nil {
			return err
		}
		return fillBig(ctx, address, d.seed)
	default:
		err = fmt.Errorf("no way to read is named %q", way)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(outcome{keys, time.Since(began).Seconds(), lag.Seconds()})
}

// command runs this program as a child.
func (b *bench) command(ctx context.Context, way, address string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, b.self, append([]string{childCommand, way, address}, args...)...)
}

// fill fills the server, in a child: the kernel counts what this process holds
// when it starts another to the other's peak of memory.
func (b *bench) fill(ctx context.Context, way string) error {
	if _, err := output(b.command(ctx, way, b.server.Address(), b.data.args()...)); err != nil {
		return fmt.Errorf("fill the server: %w", err)
	}
	return nil
}

// child measures a way to read.
func child(way string, args ...string) run {
	return func(ctx context.Context, b *bench, _ int) (sample, error) {
		return b.measureChild(ctx, b.command(ctx, way, b.server.Address(), args...))
	}
}

// measureChild runs a process that prints an outcome.
func (b *bench) measureChild(ctx context.Context, cmd *exec.Cmd) (sample, error) {
	s, out, err := b.measure(ctx, cmd)
	if err != nil {
		return s, err
	}
	o, err := parseOutcome(out)
	s.keys, s.seconds, s.lag = o.Keys, o.Seconds, o.Lag
	return s, err
}

func parseOutcome(out []byte) (o outcome, err error) {
	if err := json.Unmarshal(out, &o); err != nil {
		return o, fmt.Errorf("read the outcome %q: %w", out, err)
	}
	return o, nil
}

// measure runs a process beside the client that does GET, and returns what it
// took and what it printed.
func (b *bench) measure(ctx context.Context, cmd *exec.Cmd) (s sample, out []byte, err error) {
	gets, err := b.startGets(ctx)
	if err != nil {
		return s, nil, err
	}
	before, err := b.server.cpu(ctx)
	if err != nil {
		gets.kill()
		return s, nil, err
	}
	began := time.Now()
	out, err = output(cmd)
	s.seconds = time.Since(began).Seconds()
	after, cpuErr := b.server.cpu(ctx)
	s.serverCPU = after - before
	latency, getErr := gets.stop()
	if err := errors.Join(err, cpuErr, getErr); err != nil {
		return s, nil, err
	}
	s.latency = latency
	s.readerCPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	s.peak = peakMemory(cmd.ProcessState)
	return s, out, nil
}

// output runs cmd and returns what it printed; an error has what it complained of.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaints.Bytes())
	}
	if out.Len() == 0 {
		return complaints.Bytes(), nil
	}
	return out.Bytes(), nil
}
