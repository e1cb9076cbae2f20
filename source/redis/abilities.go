package redis

import (
	"context"
	"strings"

	"github.com/redis/rueidis"
)

// abilities say which commands the server knows and permits. Each was found by
// trying it on a key that does not exist.
type abilities struct {
	dump        bool
	pexpiretime bool // otherwise the expiry is asked for by PTTL
	pttl        bool
	memoryUsage bool
	getRange    bool
	typeOf      bool
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
	err := a.run(ctx, client, []trial{
		{"SCAN", b.Scan().Cursor(0).Count(1).Build(), new(bool)},
		{"DUMP", b.Dump().Key(probeKey).Build(), &a.dump},
		{"PEXPIRETIME", b.Pexpiretime().Key(probeKey).Build(), &a.pexpiretime},
		{"PTTL", b.Pttl().Key(probeKey).Build(), &a.pttl},
		{"MEMORY USAGE", b.MemoryUsage().Key(probeKey).Samples(1).Build(), &a.memoryUsage},
		{"GETRANGE", b.Getrange().Key(probeKey).Start(0).End(0).Build(), &a.getRange},
		{"TYPE", b.Type().Key(probeKey).Build(), &a.typeOf},
		{"TIME", b.Time().Build(), new(bool)},
		{"INFO", b.Info().Section("server").Build(), new(bool)},
		{"CLIENT NO-TOUCH", b.ClientNoTouch().On().Build(), new(bool)},
		{"CLIENT NO-EVICT", b.ClientNoEvict().On().Build(), new(bool)},
		{"WATCH", b.Watch().Key(probeKey).Build(), &watch},
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
