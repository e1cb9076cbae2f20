package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// Inspect connects and reports what it finds. It reads no value.
func (s *Source) Inspect(ctx context.Context) (*source.Report, error) {
	ss, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	ss.node.reached = true
	if ss.server.cluster {
		ss.close()
		return s.inspectCluster(ctx)
	}
	if ss, err = s.standIn(ctx, ss); err != nil {
		return nil, err
	}
	defer ss.close()
	i, ready, err := s.inspectServer(ctx, ss)
	if err != nil || !ready {
		return i.report, err
	}
	i.whom(ss.node, s.options.ReadReplica)
	s.inspectTables(i)
	report := i.report
	c, err := s.choose(ctx, row.Position{})
	if err != nil {
		return nil, err
	}
	report.Mode, report.Reason = c.mode, c.reason
	if c.mode == modeReplica {
		s.inspectReplica(ctx, ss, i)
	} else if s.options.Follow {
		s.inspectNotifications(ctx, ss, i)
	}
	return report, nil
}

// inspectServer reports what there is to say of one server; ready says whether it can
// be read.
func (s *Source) inspectServer(ctx context.Context, ss *session) (i *inspection, ready bool, err error) {
	sv := &ss.server
	report := &source.Report{
		Mode:      modeScan,
		Uncounted: len(sv.info) == 0,
		Nodes:     []source.Node{{Address: ss.node.address, Version: sv.name(), RunID: sv.runID, Role: sv.role}},
	}
	counts := keyspace(sv.info)
	for _, db := range s.databases(sv) {
		report.Keys += counts[db]
	}
	report.Missing = sv.can.grants()
	i = &inspection{report: report, server: sv}
	i.ok("connect", fmt.Sprintf("%s, %s, round trip %s", sv.name(), sv.role, sv.rtt.Round(time.Microsecond)))
	var access *source.AccessError
	if err := ss.node.readable(sv); errors.As(err, &access) {
		i.add("server", source.Fail, access.Err.Error())
		return i, false, nil
	} else if err != nil {
		return i, false, err
	}
	i.values()
	i.sizes()
	i.modules()
	i.expiries()
	i.positions()
	i.courtesy()
	i.condition(ctx, ss)
	return i, true, nil
}

func (s *Source) inspectTables(i *inspection) {
	for _, detail := range s.plan.Unreachable() {
		i.add("tables", source.Warn, detail)
	}
}

func (s *server) name() string { return strings.TrimSpace(s.product + " " + s.version) }

// An inspection collects findings about one server.
type inspection struct {
	report *source.Report
	server *server
}

func (i *inspection) add(name string, level source.Level, detail string) {
	i.report.Findings = append(i.report.Findings, source.Finding{Name: name, Level: level, Detail: detail})
}

func (i *inspection) ok(name, detail string) { i.add(name, source.OK, detail) }

// missing returns those of the commands that were refused.
func (i *inspection) missing(commands ...string) []string {
	var missing []string
	for _, c := range commands {
		if _, refused := i.server.can.refused[c]; refused {
			missing = append(missing, c)
		}
	}
	return missing
}

const grant = "grant what is missing (docs/permissions.md has the rule)"

var (
	typedCommands = []string{"TYPE", "GET", "HGETALL", "LRANGE", "SMEMBERS", "ZRANGE", "XRANGE"}
	chunkCommands = []string{"TYPE", "GETRANGE", "LRANGE", "XRANGE", "HSCAN", "SSCAN", "ZSCAN", "STRLEN", "HLEN", "LLEN", "SCARD", "ZCARD", "XLEN"}
)

// values tells how values will be read.
func (i *inspection) values() {
	can := &i.server.can
	missing := i.missing(typedCommands...)
	switch {
	case can.dump && len(missing) == 0:
		i.ok("permission DUMP", "values are read by DUMP, and by typed commands where DUMP does not serve")
	case can.dump:
		i.add("permission DUMP", source.Warn, fmt.Sprintf("values are read by DUMP, but %s not permitted: "+
			"keys whose encoding is newer than this release are set aside; %s", listed(missing), grant))
	case len(missing) == 0:
		i.add("permission DUMP", source.Warn, "DUMP is not permitted: values are read by typed commands, which takes the server about twice the time; "+grant)
	default:
		i.add("permission DUMP", source.Fail, fmt.Sprintf("DUMP is not permitted, and %s not either: keys of some types cannot be read; %s", listed(missing), grant))
	}
	if !can.getRange {
		i.add("permission GETRANGE", source.Warn, "GETRANGE is not permitted: short strings take the server longer, and long ones cannot be read in pieces; "+grant)
	}
	if refused := can.refused["HRANDFIELD"]; strings.HasPrefix(refused, "NOPERM") {
		i.add("permission HRANDFIELD", source.Warn, "HRANDFIELD is not permitted: hashes take the server longer; "+grant)
	}
}

// sizes tells how big keys are found and read.
func (i *inspection) sizes() {
	if !i.server.can.memoryUsage {
		i.add("permission MEMORY USAGE", source.Warn, "MEMORY USAGE is not permitted: big keys are told by their number of elements, which takes another round trip; "+grant)
	}
	switch missing := i.missing(chunkCommands...); {
	case len(missing) > 0:
		i.add("permission for big keys", source.Warn, fmt.Sprintf("%s not permitted: some big keys are set aside; %s", listed(missing), grant))
	case !i.server.can.watch:
		i.add("permission for big keys", source.Warn, "WATCH, MULTI, EXEC or UNWATCH is not permitted: a big key that changes while it is read "+
			"may be read half before and half after; "+grant)
	default:
		i.ok("permission for big keys", "big keys are read in chunks and watched for changes")
	}
}

func (i *inspection) expiries() {
	switch {
	case i.server.can.pexpiretime:
		i.ok("permission PEXPIRETIME", "expiries are exact to the millisecond")
	case !strings.HasPrefix(i.server.can.refused["PEXPIRETIME"], "NOPERM"):
		i.add("permission PEXPIRETIME", source.Warn, "the server is older than Redis 7.0 and has no PEXPIRETIME: expiries are exact to about a second")
	default:
		i.add("permission PEXPIRETIME", source.Warn, "PEXPIRETIME is not permitted: expiries are exact to about a second; "+grant)
	}
	if len(i.missing("TIME")) > 0 {
		i.add("permission TIME", source.Warn, "TIME is not permitted: the column ttl depends on this machine's clock; "+grant)
	}
}

func (i *inspection) positions() {
	if i.server.runID == "" {
		i.add("permission INFO", source.Warn, "INFO does not tell the server's run id: an interrupted snapshot starts over instead of going on, and a cluster is not recognised; "+grant)
		return
	}
	i.ok("permission INFO", "an interrupted snapshot goes on where it was, as long as the server is not restarted")
}

// courtesy tells what reading does to the server's own bookkeeping.
func (i *inspection) courtesy() {
	policy := i.server.info["maxmemory_policy"]
	evicting := i.server.info["maxmemory"] != "0" && (strings.Contains(policy, "lru") || strings.Contains(policy, "lfu"))
	if i.server.can.noTouch {
		i.ok("permission CLIENT NO-TOUCH", "reading leaves the idle times of keys as they are")
	} else if evicting {
		i.add("permission CLIENT NO-TOUCH", source.Warn, fmt.Sprintf("CLIENT NO-TOUCH is not available (Redis has it from 7.2 on) and maxmemory-policy is %s: "+
			"reading makes every key look used just now, so eviction chooses worse for a while", policy))
	}
}

// condition tells of the server's own state.
func (i *inspection) condition(ctx context.Context, ss *session) {
	if i.server.role == "replica" && i.server.info["master_link_status"] != "up" {
		i.add("replication", source.Warn, "the server is a replica that has lost its primary: what it holds may be old")
	}
	if compresses, _ := ss.setting(ctx, "rdbcompression"); compresses == "yes" && i.server.can.dump {
		i.ok("advice rdbcompression", "the server compresses what it dumps, about a third of its work in a sync; CONFIG SET rdbcompression no spares it, and makes its RDB files larger")
	}
}

// whom tells who is read, where a replica was asked for.
func (i *inspection) whom(n *node, wanted bool) {
	switch {
	case !wanted:
	case n.instead != "":
		i.add("read_from", source.Warn, "no replica can be read, so the primary is: "+n.instead)
	case n.origin != nil:
		i.ok("read_from", "the replica "+n.address+" is read in place of its primary "+n.origin.primary.address)
	default:
		i.ok("read_from", "the server is a replica itself")
	}
}

func listed(commands []string) string {
	if len(commands) == 1 {
		return commands[0] + " is"
	}
	last := len(commands) - 1
	return strings.Join(commands[:last], ", ") + " and " + commands[last] + " are"
}
