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

	"golang.org/x/sync/errgroup"
)

// A dataset is the game that is measured with: 40 % strings (half of them
// counters, half texts of 50 to 200 bytes), 35 % hashes of 8 to 12 fields, 10 % lists
// of 20 elements, 10 % sets of 20 members, 5 % sorted sets of 100 members, and 5 leaderboards
// of 200,000. 18 % of the keys expire, long after the benchmark. It is the same
// for the same seed.
type dataset struct {
	keys int
	seed uint64
}

// args are the arguments that parseDataset reads.
func (d dataset) args() []string {
	return []string{strconv.Itoa(d.keys), strconv.FormatUint(d.seed, 10)}
}

func parseDataset(args []string) (d dataset, err error) {
	_, err = fmt.Sscan(strings.Join(args, " "), &d.keys, &d.seed)
	return d, err
}

const (
	leaderboards       = 5 // the first keys
	leaderboardMembers = 200_000
	changeEvery        = 1000 // one key in so many is changed by change
)

// A kind is what a key is for.
type kind int

const (
	leaderboard kind = iota
	counter
	session
	profile
	matches
	achievements
	weekly
)

var keyNames = [...]string{"leaderboard:season:%d", "counter:views:%d", "session:%d", "player:%d:profile", "player:%d:matches", "player:%d:achievements", "board:weekly:%d"}

// key returns the kind and the name of key i, and what its contents are drawn from.
func (d dataset) key(i int) (kind, string, *rand.Rand) {
	r := rand.New(rand.NewPCG(d.seed, uint64(i)))
	k := leaderboard
	if i >= leaderboards {
		switch p := r.IntN(100); {
		case p < 20:
			k = counter
		case p < 40:
			k = session
		case p < 75:
			k = profile
		case p < 85:
			k = matches
		case p < 95:
			k = achievements
		default:
			k = weekly
		}
	}
	return k, fmt.Sprintf(keyNames[k], i), r
}

var profileFields = []string{"name", "guild", "level", "rank", "email", "country", "avatar", "title", "last_login", "created", "device", "language"}

// appendKey appends the commands that make key i, and adds their number to n.
func (d dataset) appendKey(dst []byte, i int, n *int) []byte {
	k, name, r := d.key(i)
	command := func(args ...string) {
		dst = appendCommand(dst, args...)
		*n++
	}
	switch k {
	case leaderboard:
		const chunk = 1000
		for first := 0; first < min(leaderboardMembers, d.keys/5); first += chunk {
			args := []string{"ZADD", name}
			for m := first; m < min(first+chunk, leaderboardMembers, d.keys/5); m++ {
				args = append(args, score(r), "player:"+strconv.Itoa(m))
			}
			command(args...)
		}
		return dst
	case counter:
		command("SET", name, strconv.Itoa(r.IntN(1_000_000)))
	case session:
		command("SET", name, text(r, 50+r.IntN(151)))
	case profile:
		args := []string{"HSET", name}
		for _, f := range profileFields[:8+r.IntN(5)] {
			args = append(args, f, text(r, 10+r.IntN(11)))
		}
		command(args...)
	case matches, achievements:
		args := []string{[]string{"RPUSH", "SADD"}[k-matches], name}
		for range 20 {
			args = append(args, text(r, 10+r.IntN(11)))
		}
		command(args...)
	case weekly:
		args := []string{"ZADD", name}
		for range 100 {
			args = append(args, score(r), text(r, 8+r.IntN(5)))
		}
		command(args...)
	}
	if r.IntN(100) < 18 {
		command("EXPIRE", name, strconv.Itoa(100_000+r.IntN(1_000_000)))
	}
	return dst
}

// appendChange appends a command that changes key i, differently in each round.
func (d dataset) appendChange(dst []byte, i, round int) []byte {
	k, name, _ := d.key(i)
	to := "round " + strconv.Itoa(round)
	switch k {
	case counter, session:
		return appendCommand(dst, "SET", name, to, "KEEPTTL")
	case profile:
		return appendCommand(dst, "HSET", name, "changed", to)
	case matches:
		return appendCommand(dst, "LSET", name, "0", to)
	case achievements:
		return appendCommand(dst, "SADD", name, to)
	default:
		return appendCommand(dst, "ZADD", name, strconv.Itoa(round), "changed")
	}
}

func score(r *rand.Rand) string { return strconv.FormatFloat(r.Float64()*100_000, 'g', -1, 64) }

func text(r *rand.Rand, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789 _-"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// appendCommand appends a command as the protocol writes it.
func appendCommand(dst []byte, args ...string) []byte {
	dst = append(dst, '*')
	dst = strconv.AppendInt(dst, int64(len(args)), 10)
	dst = append(dst, "\r\n"...)
	for _, a := range args {
		dst = append(dst, '$')
		dst = strconv.AppendInt(dst, int64(len(a)), 10)
		dst = append(dst, "\r\n"...)
		dst = append(dst, a...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// fill makes all keys.
func (d dataset) fill(ctx context.Context, address string) error {
	const conns = 4
	g, ctx := errgroup.WithContext(ctx)
	for c := range conns {
		g.Go(func() error {
			return pipeline(ctx, address, func(write func(commands []byte, n int) error) error {
				var commands []byte
				for i := c; i < d.keys; i += conns {
					n := 0
					commands = d.appendKey(commands[:0], i, &n)
					if err := write(commands, n); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	return g.Wait()
}

// change changes one key in changeEvery, the leaderboards not among them.
func (d dataset) change(ctx context.Context, address string, round int) error {
	return pipeline(ctx, address, func(write func(commands []byte, n int) error) error {
		for i := changeEvery / 2; i < d.keys; i += changeEvery {
			if err := write(d.appendChange(nil, i, round), 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// changed returns how many keys change changes.
func (d dataset) changed() int { return (d.keys + changeEvery/2 - 1) / changeEvery }

// pipeline sends the commands that feed writes without waiting for answers,
// which are one line each. It returns when all have come, or with the first error.
func pipeline(ctx context.Context, address string, feed func(write func(commands []byte, n int) error) error) (err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	sent := make(chan int, 1<<16) // commands of each write
	var g errgroup.Group
	g.Go(func() error {
		answers := bufio.NewReaderSize(conn, 1<<16)
		for n := range sent {
			for range n {
				line, err := answers.ReadString('\n')
				if err == nil && line[0] == '-' {
					err = errors.New(line[1 : len(line)-2])
				}
				if err != nil {
					_ = conn.Close() // ends the writing
					for range sent {
					}
					return err
				}
			}
		}
		return nil
	})
	w := bufio.NewWriterSize(conn, 1<<16)
	err = feed(func(commands []byte, n int) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(sent) > cap(sent)/2 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		sent <- n
		_, err := w.Write(commands)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	close(sent)
	if answered := g.Wait(); answered != nil {
		return answered
	}
	return err
}
