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
	time        bool
	refused     map[string]string // what each refused command was answered with
}

// probeKey is the key that commands are tried on.
const probeKey = "keylift:no-such-key"

// try tries each command.
func try(ctx context.Context, client rueidis.Client) (abilities, error) {
	b := client.B()
	a := abilities{refused: map[string]string{}}
	trials := []struct {
		command string
		can     *bool
		build   rueidis.Completed
	}{
		{"DUMP", &a.dump, b.Dump().Key(probeKey).Build()},
		{"PEXPIRETIME", &a.pexpiretime, b.Pexpiretime().Key(probeKey).Build()},
		{"PTTL", &a.pttl, b.Pttl().Key(probeKey).Build()},
		{"MEMORY USAGE", &a.memoryUsage, b.MemoryUsage().Key(probeKey).Samples(1).Build()},
		{"GETRANGE", &a.getRange, b.Getrange().Key(probeKey).Start(0).End(0).Build()},
		{"TYPE", &a.typeOf, b.Type().Key(probeKey).Build()},
		{"TIME", &a.time, b.Time().Build()},
		{"CLIENT NO-TOUCH", new(bool), b.ClientNoTouch().On().Build()},
		{"CLIENT NO-EVICT", new(bool), b.ClientNoEvict().On().Build()},
	}
	commands := make([]rueidis.Completed, len(trials))
	for i := range trials {
		commands[i] = trials[i].build
	}
	for i, reply := range client.DoMulti(ctx, commands...) {
		err := reply.Error()
		answer, isReply := asReply(err)
		switch {
		case err == nil || rueidis.IsRedisNil(err) || isReply && deniedKey(answer):
			*trials[i].can = true
		case !isReply:
			return a, err
		case unavailable(answer):
			return a, err
		default:
			a.refused[trials[i].command] = answer.Error()
		}
	}
	return a, nil
}

// deniedKey reports whether a reply says that the command is permitted, but not
// on this key.
func deniedKey(e *rueidis.RedisError) bool {
	text := e.Error()
	return strings.HasPrefix(text, "NOPERM") && !strings.Contains(text, "permissions to run")
}
