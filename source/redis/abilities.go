package redis

import (
	"context"
	"slices"
	"strings"

	"github.com/keylift/keylift/source/redis/resp"
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
	hRandField  bool
	lRange      bool
	typeOf      bool
	jsonGet     bool
	tsRange     bool
	noTouch     bool
	watch       bool              // with UNWATCH, MULTI and EXEC
	refused     map[string]string // what each refused command was answered with
}

// probeKey is the key that commands are tried on.
const probeKey = "keylift:no-such-key"

// A trial is a command that is tried, and where to note that it works.
type trial struct {
	name string
	args []string // behind the name
	can  *bool
}

// try finds out what may be done over a session's connection.
func (s *session) try(ctx context.Context) (abilities, error) {
	a := abilities{refused: map[string]string{}}
	var watch, unwatch, exec bool
	on := func(args ...string) []string { return append([]string{probeKey}, args...) }
	err := a.run(ctx, s, []trial{
		{"SCAN", []string{"0", "COUNT", "1"}, &a.scan},
		{"DUMP", on(), &a.dump},
		{"PEXPIRETIME", on(), &a.pexpiretime},
		{"PTTL", on(), &a.pttl},
		{"MEMORY USAGE", on("SAMPLES", "1"), &a.memoryUsage},
		{"GETRANGE", on("0", "0"), &a.getRange},
		{"HRANDFIELD", on("1", "WITHVALUES"), &a.hRandField},
		{"TYPE", on(), &a.typeOf},
		{"GET", on(), new(bool)},
		{"HGETALL", on(), new(bool)},
		{"LRANGE", on("0", "0"), &a.lRange},
		{"SMEMBERS", on(), new(bool)},
		{"ZRANGE", on("0", "0"), new(bool)},
		{"XRANGE", on("-", "+"), new(bool)},
		{"HSCAN", on("0"), new(bool)},
		{"SSCAN", on("0"), new(bool)},
		{"ZSCAN", on("0"), new(bool)},
		{"STRLEN", on(), new(bool)},
		{"HLEN", on(), new(bool)},
		{"LLEN", on(), new(bool)},
		{"SCARD", on(), new(bool)},
		{"ZCARD", on(), new(bool)},
		{"XLEN", on(), new(bool)},
		{"JSON.GET", on(rootPath), &a.jsonGet},
		{"TS.RANGE", on("-", "+", "COUNT", "1"), &a.tsRange},
		{"TS.INFO", on(), new(bool)},
		{"TIME", nil, new(bool)},
		{"INFO", []string{"server"}, new(bool)},
		{"CLIENT NO-TOUCH", []string{"ON"}, &a.noTouch},
		{"CLIENT NO-EVICT", []string{"ON"}, new(bool)},
		{"WATCH", on(), &watch},
		{"UNWATCH", nil, &unwatch},
		{"EXEC", nil, &exec},
	})
	if err != nil || !watch || !unwatch || !exec {
		return a, err
	}
	// Only where EXEC is permitted does MULTI not lock the connection up.
	err = a.run(ctx, s, []trial{
		{"MULTI", nil, &a.watch},
		{"EXEC", nil, new(bool)},
	})
	return a, err
}

func (a *abilities) run(ctx context.Context, s *session, trials []trial) error {
	commands := make([][]string, len(trials))
	for i, t := range trials {
		commands[i] = append(strings.Fields(t.name), t.args...)
	}
	replies, err := s.do(ctx, commands...)
	if err != nil {
		return err
	}
	for _, t := range trials {
		answer, refused := asReply(replies.Next().Err())
		switch {
		case !refused, permitted(answer):
			*t.can = true
		case unavailable(answer):
			return answer
		default:
			a.refused[t.name] = answer.Error()
		}
	}
	return nil
}

// noSeries is part of how commands of time series answer about a key that does
// not exist.
const noSeries = "key does not exist"

// permitted reports whether an error reply is about the key that a command was
// tried on, or about its slot or its circumstances, and not about the command.
func permitted(e resp.Error) bool {
	text := e.Error()
	return redirects(e) || hasPrefix(e, "CLUSTERDOWN") || strings.HasPrefix(text, "NOPERM") && !strings.Contains(text, "permissions to run") ||
		strings.Contains(text, "EXEC without MULTI") || strings.Contains(text, noSeries)
}

// grants returns the ACL rules that would permit what was refused to this user.
func (a *abilities) grants() []string {
	var rules []string
	for name, answer := range a.refused {
		if strings.HasPrefix(answer, "NOPERM") && (name != "PTTL" || !a.pexpiretime) {
			rules = append(rules, "+"+strings.ToLower(strings.ReplaceAll(name, " ", "|")))
		}
	}
	slices.Sort(rules)
	return rules
}
