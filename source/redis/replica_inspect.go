package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/keylift/keylift/source"
)

// inspectReplica tells what stands between keylift and joining as a replica.
func (s *Source) inspectReplica(ctx context.Context, ss *session, i *inspection) {
	if err := ss.node.permitted(ctx); err == nil {
		i.ok("permission PSYNC", "the server lets keylift join as a replica")
	} else if access, denied := errors.AsType[*source.AccessError](ss.node.linkError(ctx, err)); denied {
		i.add("permission PSYNC", source.Fail, access.Err.Error())
	} else {
		i.add("permission PSYNC", source.Warn, fmt.Sprintf("not known yet: %v", err))
	}
	if _, err := ss.commands(ctx); err != nil {
		i.add("permission COMMAND", source.Fail, fmt.Sprintf("COMMAND is not permitted (%v), so the keys that a change concerns cannot be told; grant +command to the user", err))
	} else {
		i.ok("permission COMMAND", "the server tells which arguments of a command are keys")
	}
	i.backlog(ctx, ss)
}

// sampling is how long the rate of writing is measured.
const sampling = 250 * time.Millisecond

// backlog tells how far back the server can go on from.
func (i *inspection) backlog(ctx context.Context, ss *session) {
	before, at := offsetOf(i.server.info), time.Now()
	size, err := strconv.ParseInt(i.server.info["repl_backlog_size"], 10, 64)
	if err != nil {
		return // INFO is not permitted, which is told elsewhere
	}
	if sleep(ctx, sampling, nil) != nil {
		return
	}
	after, err := ss.offset(ctx)
	if err != nil {
		return
	}
	rate := float64(after-before) / time.Since(at).Seconds()
	if rate < 1 {
		i.ok("backlog", fmt.Sprintf("repl-backlog-size is %s, and nothing is written just now; a run goes on from the last one as long as less than that is written in between", mebibytes(size)))
		return
	}
	lasts := time.Duration(float64(size) / rate * float64(time.Second))
	level := source.OK
	if lasts < time.Hour {
		level = source.Warn
	}
	i.add("backlog", level, fmt.Sprintf("repl-backlog-size is %s, which lasts %s at the present %s/s; where runs are further apart each begins with a snapshot: an hour takes CONFIG SET repl-backlog-size %d",
		mebibytes(size), lasts.Round(time.Second), mebibytes(int64(rate)), int64(rate*3600)))
}

func mebibytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
