package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/wire"
)

// A busy server without keylift is what keylift's effect on others is compared with:
// clients that do one command at a time, so many in all that the server's main
// thread has as much to do.
const (
	busyClients = 20
	busySeconds = 5
	busyKeys    = 100_000 // that are asked for
	adjustEvery = 100 * time.Millisecond
)

// loaded measures the client that does GET beside a server as busy as during another
// measurement of the round.
func loaded(as string) run {
	return func(ctx context.Context, b *bench, round int) (sample, error) {
		s := b.results[as][round]
		return b.measureChild(ctx, b.command(ctx, "busy", b.server.Address(), append(b.data.args(), strconv.FormatFloat(s.serverCPU/s.seconds, 'f', 3, 64))...))
	}
}

// paced measures a first sync that keeps the server's answers short.
func paced(ctx context.Context, b *bench, round int) (sample, error) {
	return firstSync(strings.Fields(b.pace)...)(ctx, b, round)
}

// keepBusy keeps the server busy for a share of a processor's time, the third
// argument. It returns the number of commands.
func keepBusy(ctx context.Context, address string, args []string) (commands int, err error) {
	if len(args) != 3 {
		return 0, errors.New("busy needs a dataset and a share")
	}
	d, err := parseDataset(args[:2])
	if err != nil {
		return 0, err
	}
	share, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return 0, err
	}
	wire.GiveWay() // as keylift does
	client, err := connect(address)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	s := &server{client: client}
	ctx, cancel := context.WithTimeout(ctx, busySeconds*time.Second)
	defer cancel()
	var perSecond atomic.Int64
	var done atomic.Int64
	perSecond.Store(10_000)
	var g errgroup.Group
	for n := range busyClients {
		g.Go(func() error { return d.askOn(ctx, address, uint64(n), &perSecond, &done) })
	}
	g.Go(func() error { return adjust(ctx, s, share, &perSecond) })
	err = g.Wait()
	return int(done.Load()), err
}

// adjust has clients do more or fewer commands a second, until the server is as busy
// as it should be.
func adjust(ctx context.Context, s *server, share float64, perSecond *atomic.Int64) error {
	before, err := s.cpu(ctx)
	for at := time.Now(); err == nil; {
		select {
		case <-time.After(adjustEvery):
		case <-ctx.Done():
			return nil
		}
		var now float64
		if now, err = s.cpu(context.WithoutCancel(ctx)); err == nil {
			is := (now - before) / time.Since(at).Seconds()
			before, at = now, time.Now()
			factor := min(max(share/max(is, 0.001), 0.8), 1.25)
			perSecond.Store(int64(float64(perSecond.Load()) * factor))
		}
	}
	return err
}

// askOn reads keys, one at a time, at its share of all clients' commands.
func (d dataset) askOn(ctx context.Context, address string, seed uint64, perSecond, done *atomic.Int64) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answers := resp.NewReader(bufio.NewReader(conn), 64<<20)
	var replies resp.Replies
	r := rand.New(rand.NewPCG(d.seed, seed))
	for next := time.Now(); ctx.Err() == nil; {
		time.Sleep(time.Until(next))
		i := leaderboards + r.IntN(min(d.keys, busyKeys)-leaderboards)
		k, name, _ := d.key(i)
		if _, err := conn.Write(appendCommand(nil, readCommand(k, name)...)); err != nil {
			return err
		}
		replies.Reset(1 << 20)
		if err := answers.Read(1, &replies); err != nil {
			return err
		}
		if err := replies.Next().Err(); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		done.Add(1)
		// As independent clients do, at no even pace.
		next = next.Add(time.Duration(r.ExpFloat64() * float64(busyClients) / float64(perSecond.Load()) * float64(time.Second)))
		if late := time.Since(next); late > adjustEvery {
			next = time.Now()
		}
	}
	return nil
}

// readCommand returns the command that reads a key.
func readCommand(k kind, name string) []string {
	switch k {
	case counter, session:
		return []string{"GET", name}
	case profile:
		return []string{"HGETALL", name}
	case matches:
		return []string{"LRANGE", name, "0", "-1"}
	case achievements:
		return []string{"SMEMBERS", name}
	}
	return []string{"ZRANGE", name, "0", "-1", "WITHSCORES"}
}
