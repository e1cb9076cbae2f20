package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/keylift/keylift/source/redis"
	"github.com/keylift/keylift/source/redis/replication"
)

// asReplica are the flags of a sync that reads as a replica does.
var asReplica = []string{"--mode", "replica"}

// transport measures the most that reading a snapshot can reach: PSYNC, and what
// comes is thrown away.
func transport(ctx context.Context, b *bench, _ int) (sample, error) {
	return b.measureChild(ctx, b.command(ctx, "psync", b.server.Address(), strconv.Itoa(b.data.keys)))
}

// readTransport receives a snapshot and throws it away. The argument is the
// number of keys, which it does not see.
func readTransport(ctx context.Context, address string, args []string) (keys int, err error) {
	if len(args) != 1 {
		return 0, errors.New("psync needs the number of keys")
	}
	if keys, err = strconv.Atoi(args[0]); err != nil {
		return 0, err
	}
	link, err := replication.Dial(ctx, replication.Options{
		Network: "tcp", Address: address, ConnectTimeout: redis.DefaultTimeout, ReplyTimeout: redis.DefaultTimeout,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, link.Close()) }()
	start, err := link.Sync(ctx, "", 0)
	if err != nil {
		return 0, err
	}
	if !start.Full {
		return 0, errors.New("the server sent no snapshot")
	}
	// Into a buffer as large as those of keylift's reader.
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, link.Snapshot(), make([]byte, 512<<10))
	return keys, err
}

// replicaFirst measures a first sync that reads as a replica does.
func replicaFirst(ctx context.Context, b *bench, round int) (sample, error) {
	return firstSync(asReplica...)(ctx, b, round)
}

// replicaCatchUp changes some keys and measures the run that reads what changed.
func replicaCatchUp(ctx context.Context, b *bench, round int) (sample, error) {
	if err := b.data.change(ctx, b.server.Address(), b.rounds+round); err != nil {
		return sample{}, fmt.Errorf("change keys: %w", err)
	}
	s, err := b.sync(ctx, b.warehouse(asReplica), asReplica...)
	return s, errors.Join(err, s.wantRows(synced{Changed: b.data.changed()}))
}

// The rates of writing that following is tried at: upwards from the goal until the
// lag is too long, or downwards until it is not.
const (
	goalRate    = 30_000 // commands a second
	leastRate   = 5_000
	mostRate    = 150_000
	rateStep    = 1.4
	longestLag  = 2.0 // seconds
	followFor   = 8 * time.Second
	loadBeyond  = 4 * time.Second // the load goes on until the other has begun and ended
	loadedEvery = 5 * time.Millisecond
)

// follow measures how fast a mixed load may write while its changes are in the
// destination within longestLag. It returns the highest rate tried at which they
// were, or the lowest tried.
func follow(ctx context.Context, b *bench, _ int) (best sample, err error) {
	if best, err = b.followAt(ctx, goalRate); err != nil {
		return best, err
	}
	for rate := float64(goalRate) / rateStep; best.lag >= longestLag && rate >= leastRate; rate /= rateStep {
		if best, err = b.followAt(ctx, int(rate)); err != nil {
			return best, err
		}
	}
	for rate := goalRate * rateStep; best.lag < longestLag && best.rate() > goalRate*0.9 && rate <= mostRate; rate *= rateStep {
		s, err := b.followAt(ctx, int(rate))
		if err != nil {
			return best, err
		}
		if s.lag >= longestLag || s.rate() < best.rate() {
			break
		}
		best = s
	}
	return best, nil
}

// followAt measures following beside so many commands a second.
func (b *bench) followAt(ctx context.Context, rate int) (s sample, err error) {
	var load outcome
	var loadErr error
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		out, err := output(b.command(ctx, "load", b.server.Address(), append(b.data.args(), strconv.Itoa(rate))...))
		if loadErr = err; err == nil {
			load, loadErr = parseOutcome(out)
		}
	}()
	s, err = b.measureChild(ctx, b.command(ctx, "follow", b.server.Address(), b.warehouse(asReplica)))
	<-loaded
	if err := errors.Join(err, loadErr); err != nil {
		return s, err
	}
	s.keys, s.seconds = load.Keys, (followFor + loadBeyond).Seconds() // that it wrote for
	note("follow: %d commands/s, lag of %.2f s at most", int(s.rate()), s.lag)
	return s, nil
}

// load writes a mixed load that leaves the dataset as large as it is, evenly over
// all keys but the leaderboards. The arguments are the dataset and the commands a
// second. It returns how many it wrote.
func load(ctx context.Context, address string, args []string) (written int, err error) {
	if len(args) != 3 {
		return 0, errors.New("load needs a dataset and a rate")
	}
	d, err := parseDataset(args[:2])
	if err != nil {
		return 0, err
	}
	rate, err := strconv.Atoi(args[2])
	if err != nil {
		return 0, err
	}
	w := d.newWrites(uint64(os.Getpid()))
	tick := time.NewTicker(loadedEvery)
	defer tick.Stop()
	err = pipeline(ctx, address, func(write func(commands []byte, n int) error) error {
		var commands []byte
		for began := time.Now(); time.Since(began) < followFor+loadBeyond; {
			<-tick.C
			due := int(time.Since(began).Seconds() * float64(rate))
			commands = commands[:0]
			for i := written; i < due; i++ {
				commands = w.append(commands)
			}
			if err := write(commands, due-written); err != nil {
				return err
			}
			written = due
		}
		return nil
	})
	return written, err
}
