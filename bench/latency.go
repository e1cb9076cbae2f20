package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// A latency is how long the GETs of a client took, in milliseconds.
type latency struct {
	Count         int
	P50, P99, Max float64
}

// getEvery is the time from one GET to the next.
const getEvery = time.Millisecond

// serveGets does GET of strings of the dataset, one a millisecond, each timed
// from the sending to the answer, until standard input ends. Then it prints the
// latency.
func serveGets(ctx context.Context, address string, d dataset) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	end := make(chan struct{})
	go func() {
		defer close(end)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	names := d.strings(1000)
	answers := bufio.NewReader(conn)
	fmt.Println("ready")
	var took []time.Duration
	for next := time.Now(); ; next = next.Add(getEvery) {
		select {
		case <-end:
			return json.NewEncoder(os.Stdout).Encode(summarize(took))
		case <-time.After(time.Until(next)):
		}
		began := time.Now()
		if err := get(conn, answers, names[rand.IntN(len(names))]); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		if late := time.Since(next); late > getEvery {
			next = next.Add(late.Truncate(getEvery)) // what was missed is not made up for
		}
	}
}

// strings returns the names of some strings of the dataset.
func (d dataset) strings(n int) []string {
	var names []string
	for i := 0; i < d.keys && len(names) < n; i++ {
		if k, name, _ := d.key(i); k == counter || k == session {
			names = append(names, name)
		}
	}
	return names
}

func get(conn net.Conn, answers *bufio.Reader, key string) error {
	if _, err := conn.Write(appendCommand(nil, "GET", key)); err != nil {
		return err
	}
	line, err := answers.ReadString('\n')
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(line[1 : len(line)-2])
	if err != nil || line[0] != '$' || n < 0 {
		return fmt.Errorf("GET %s: %q", key, line)
	}
	_, err = answers.Discard(n + 2)
	return err
}

func summarize(took []time.Duration) latency {
	if len(took) == 0 {
		return latency{}
	}
	slices.Sort(took)
	ms := func(at int) float64 { return float64(took[at].Microseconds()) / 1000 }
	n := len(took)
	return latency{Count: n, P50: ms(n / 2), P99: ms(n * 99 / 100), Max: ms(n - 1)}
}

// gets is the process that does GET.
type gets struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

// startGets starts the client beside a measurement.
func (b *bench) startGets(ctx context.Context) (*gets, error) {
	g := &gets{cmd: b.command(ctx, "get", b.server.Address(), b.data.args()...)}
	g.cmd.Stderr = os.Stderr
	stdout, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the client that does GET: %w", err)
	}
	g.out = bufio.NewReader(stdout)
	if _, err := g.out.ReadString('\n'); err != nil {
		g.kill()
		return nil, fmt.Errorf("start the client that does GET: %w", err)
	}
	return g, nil
}

// stop ends the client and returns what it measured.
func (g *gets) stop() (l latency, err error) {
	if err := g.stdin.Close(); err != nil {
		g.kill()
		return l, err
	}
	err = json.NewDecoder(g.out).Decode(&l)
	return l, errors.Join(err, g.cmd.Wait())
}

func (g *gets) kill() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
}

// idle measures the client alone.
func idle(ctx context.Context, b *bench, _ int) (sample, error) {
	s, _, err := b.measure(ctx, exec.CommandContext(ctx, "sleep", "3"))
	return s, err
}
