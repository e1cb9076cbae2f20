package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

const bigMembers = 2_000_000

// A bigResult is how the sync of one big sorted set went.
type bigResult struct {
	seconds float64
	again   float64       // seconds, with nothing changed
	peak    int64         // bytes
	slowest time.Duration // single command in the server
	command string        // which that was
	memory  string        // of the key, in the server
}

// measureBig syncs a server that holds one sorted set of two million members.
func (b *bench) measureBig(ctx context.Context) (err error) {
	if err := b.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.stop()) }()
	if err := b.fill(ctx, "fill-big"); err != nil {
		return err
	}
	r := &bigResult{}
	if r.memory, err = b.server.info(ctx, "memory", "used_memory_human"); err != nil {
		return err
	}
	c := b.server.client
	for _, command := range []rueidis.Completed{
		c.B().ConfigSet().ParameterValue().ParameterValue("slowlog-log-slower-than", "500").ParameterValue("slowlog-max-len", "100000").Build(),
		c.B().SlowlogReset().Build(),
	} {
		if err := c.Do(ctx, command).Error(); err != nil {
			return err
		}
	}
	cmd := b.keylift(ctx, b.server, filepath.Join(b.dir, "big.db"))
	began := time.Now()
	out, err := output(cmd)
	if err != nil {
		return err
	}
	r.seconds, r.peak = time.Since(began).Seconds(), peakMemory(cmd.ProcessState)
	if done, err := summary(out); err != nil || done.New != 1 {
		return errors.Join(fmt.Errorf("rows: %+v, want one new", done), err)
	}
	b.bigKey = r
	return b.slowest(ctx, r)
}

// slow notes an entry of the slow log: id, time, microseconds, arguments.
func (r *bigResult) slow(entry rueidis.RedisMessage) error {
	fields, err := entry.ToArray()
	if err != nil || len(fields) < 4 {
		return errors.Join(errors.New("an entry of SLOWLOG has another form"), err)
	}
	micros, err := fields[2].AsInt64()
	if err != nil {
		return err
	}
	args, err := fields[3].AsStrSlice()
	if err != nil {
		return err
	}
	if took := time.Duration(micros) * time.Microsecond; took > r.slowest && len(args) > 0 && args[0] != "SLOWLOG" {
		r.slowest, r.command = took, args[0]
	}
	return nil
}

func fillBig(ctx context.Context, address string, seed uint64) error {
	const chunk = 1000
	r := rand.New(rand.NewPCG(seed, 0))
	return pipeline(ctx, address, func(write func(commands []byte, n int) error) error {
		for first := 0; first < bigMembers; first += chunk {
			args := []string{"ZADD", "leaderboard:all"}
			for m := range chunk {
				args = append(args, score(r), "player:"+strconv.Itoa(first+m))
			}
			if err := write(appendCommand(nil, args...), 1); err != nil {
				return err
			}
		}
		return nil
	})
}
