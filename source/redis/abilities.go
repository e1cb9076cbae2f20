package redis

import (
	"context"
	"strings"

	"github.com/redis/rueidis"
)

// abilities say which commands the server knows and permits to this user. Each
// was found by trying it on a key that does not exist: the user may not be
// permitted to ask.
type abilities struct {
	scan        bool
	dump        bool
	pexpiretime bool // otherwise the expiry is asked for by PTTL
	pttl        bool
	memoryUsage bool
	getRange    bool
	typeOf      bool
	noTouch     bool
	watch       bool              // with UNWATCH, MULTI and EXEC
	refused     map[string]string // what each refused command was answered with
}

// probeKey is the key that commands are tried on.
const probeKey = "keylift:no-such-key"

// A trial is a command that is tried, and where to note that it works.
type trial struct {
	name    string
	command rueidis.Completed
	can     *bool
}

// try finds out what may be done over client's connection.
func try(ctx context.Context, client rueidis.Client) (abilities, error) {
	b := client.B()
	a := abilities{refused: map[string]string{}}
	var watch, unwatch, exec bool
	key := probeKey
	err := a.run(ctx, client, []trial{
		{"SCAN", b.Scan().Cursor(0).Count(1).Build(), &a.scan},
		{"DUMP", b.Dump().Key(key).Build(), &a.dump},
		{"PEXPIRETIME", b.Pexpiretime().Key(key).Build(), &a.pexpiretime},
		{"PTTL", b.Pttl().Key(key).Build(), &a.pttl},
		{"MEMORY USAGE", b.MemoryUsage().Key(key).Samples(1).Build(), &a.memoryUsage},
		{"GETRANGE", b.Getrange().Key(key).Start(0).End(0).Build(), &a.getRange},
		{"TYPE", b.Type().Key(key).Build(), &a.typeOf},
		{"GET", b.Get().Key(key).Build(), new(bool)},
		{"HGETALL", b.Hgetall().Key(key).Build(), new(bool)},
		{"LRANGE", b.Lrange().Key(key).Start(0).Stop(0).Build(), new(bool)},
		{"SMEMBERS", b.Smembers().Key(key).Build(), new(bool)},
		{"ZRANGE", b.Zrange().Key(key).Min("0").Max("0").Build(), new(bool)},
		{"XRANGE", b.Xrange().Key(key).Start("-").End("+").Build(), new(bool)},
		{"HSCAN", b.Hscan().Key(key).Cursor(0).Build(), new(bool)},
		{"SSCAN", b.Sscan().Key(key).Cursor(0).Build(), new(bool)},
		{"ZSCAN", b.Zscan().Key(key).Cursor(0).Build(), new(bool)},
		{"STRLEN", b.Strlen().Key(key).Build(), new(bool)},
		{"HLEN", b.Hlen().Key(key).Build(), new(bool)},
		{"LLEN", b.Llen().Key(key).Build(), new(bool)},
		{"SCARD", b.Scard().Key(key).Build(), new(bool)},
		{"ZCARD", b.Zcard().Key(key).Build(), new(bool)},
		{"XLEN", b.Xlen().Key(key).Build(), new(bool)},
		{"TIME", b.Time().Build(), new(bool)},
		{"INFO", b.Info().Section("server").Build(), new(bool)},
		{"CLIENT NO-TOUCH", b.ClientNoTouch().On().Build(), &a.noTouch},
		{"CLIENT NO-EVICT", b.ClientNoEvict().On().Build(), new(bool)},
		{"WATCH", b.Watch().Key(key).Build(), &watch},
		{"UNWATCH", b.Unwatch().Build(), &unwatch},
		{"EXEC", b.Exec().Build(), &exec},
	})
	if err != nil || !watch || !unwatch || !exec {
		return a, err
	}
	// Only where EXEC is permitted does MULTI not lock the connection up.
	err = a.run(ctx, client, []trial{
		{"MULTI", b.Multi().Build(), &a.watch},
		{"EXEC", b.Exec().Build(), new(bool)},
	})
	return a, err
}

func (a *abilities) run(ctx context.Context, client rueidis.Client, trials []trial) error {
	commands := make([]rueidis.Completed, len(trials))
	for i := range trials {
		commands[i] = trials[i].command
	}
	for i, reply := range client.DoMulti(ctx, commands...) {
		err := reply.Error()
		answer, isReply := asReply(err)
		switch {
		case err == nil || rueidis.IsRedisNil(err), isReply && permitted(answer):
			*trials[i].can = true
		case !isReply || unavailable(answer):
			return err
		default:
			a.refused[trials[i].name] = answer.Error()
		}
	}
	return nil
}

// permitted reports whether an error reply is about the key that a command was
// tried on, or about its circumstances, and not about the command.
func permitted(e *rueidis.RedisError) bool {
	text := e.Error()
	return strings.HasPrefix(text, "NOPERM") && !strings.Contains(text, "permissions to run") ||
		strings.Contains(text, "EXEC without MULTI")
}
