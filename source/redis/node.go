package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A node is one server process, as it is reached.
type node struct {
	options          *Options
	network, address string // as in Options
	reached          bool   // it has answered before: an outage now will pass

	named     map[string]string // of a primary in a cluster: addresses of replicas, by those that INFO tells
	sentinels *sentinels        // that named it as the primary; nil: it was configured
	origin    *origin           // of a replica that is read in place of its primary; nil: it is none
	readOnly  bool              // it is a replica in a cluster, which must be told that it is read
	instead   string            // why it is read in place of a replica; empty: it is not
}

func (n *node) tls() *tls.Config {
	if n.options.TLS == nil {
		return nil
	}
	c := n.options.TLS().Clone()
	if host, _, err := net.SplitHostPort(n.address); err == nil && c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// A server is what one session found at its node.
type server struct {
	product string // "redis", "valkey"
	version string // "7.0.15"
	runID   string // of the process; empty: not told
	role    string // "primary" or "replica"
	info    map[string]string
	cluster bool          // it is a node of a cluster
	rtt     time.Duration // of an empty command
	at      time.Time     // by the server's clock, when it was
	asked   time.Time     // by ours
	can     abilities
}

// look finds out about the server at the other end of a session.
func (n *node) look(ctx context.Context, ss *session) (server, error) {
	s := server{product: "redis", role: "primary"}
	if err := s.measure(ctx, ss); err != nil {
		return s, err
	}
	text, err := ss.one(ctx, "INFO")
	if _, refused := asReply(err); err != nil && !refused {
		return s, err
	}
	if err == nil {
		body, err := text.Bytes()
		if err != nil {
			return s, err
		}
		s.info = parseInfo(string(body))
	}
	s.runID, s.version = s.info["run_id"], s.info["redis_version"]
	if v, ok := s.info["valkey_version"]; ok {
		s.product, s.version = "valkey", v
	}
	if s.info["role"] == "slave" {
		s.role = "replica"
	}
	if s.isSentinel() {
		return s, nil
	}
	if err := n.selectAll(ctx, ss); err != nil {
		return s, err
	}
	if s.cluster = s.info["cluster_enabled"] == "1"; s.info == nil {
		if s.cluster, err = ss.clustered(ctx); err != nil {
			return s, err
		}
	}
	s.can, err = ss.try(ctx)
	return s, err
}

// selectAll tries every database that was asked for, where there are several.
func (n *node) selectAll(ctx context.Context, ss *session) error {
	if !n.options.manyDatabases() {
		return nil
	}
	databases := n.options.Databases
	if n.options.AllDatabases {
		databases = []int{0}
	}
	for _, db := range databases {
		if _, err := ss.one(ctx, "SELECT", itoa(db)); err != nil {
			return err
		}
	}
	return nil
}

// measure takes the round trip's time and the difference of the clocks.
func (s *server) measure(ctx context.Context, ss *session) error {
	s.rtt, s.asked = time.Hour, time.Now()
	s.at = s.asked
	for range 5 {
		sent := time.Now()
		// TIME may be refused; the refusal takes as long to arrive.
		reply, err := ss.one(ctx, "TIME")
		took := time.Since(sent)
		if _, refused := asReply(err); err != nil && !refused {
			return err
		}
		if took >= s.rtt {
			continue
		}
		s.rtt = took
		if at, ok := parseTime(reply); err == nil && ok {
			s.at, s.asked = at, sent.Add(took/2)
		}
	}
	return nil
}

// clock returns what the server's clock shows when ours shows t: a clock that is set
// meanwhile, here, changes nothing.
func (s *server) clock(t time.Time) time.Time { return s.at.Add(t.Sub(s.asked)) }

// loading reports whether the server is still reading its data from disk.
func (s *server) loading() bool { return s.info["loading"] == "1" }

// counted reports whether the server told which databases hold keys.
func (s *server) counted() bool {
	_, ok := s.info["# Keyspace"]
	return ok
}

// isSentinel reports whether the server is a sentinel, which holds no keys.
func (s *server) isSentinel() bool {
	return s.info["redis_mode"] == "sentinel" || s.info["server_mode"] == "sentinel"
}

// major returns the major version of the Redis whose commands the server has.
func (s *server) major() int {
	major, _, _ := strings.Cut(s.info["redis_version"], ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

// tellsMoves reports whether the history of a cluster's node is known to tell of each
// key that is moved to another. From Redis 8.4 and Valkey 9.0 on slots can be moved
// whole (atomic slot migration); what comes before 7.0 is not tested.
func (s *server) tellsMoves() bool {
	var major, minor int
	if n, err := fmt.Sscanf(s.version, "%d.%d", &major, &minor); err != nil || n != 2 {
		return false
	}
	if s.product == "valkey" {
		return major < 9
	}
	return major == 7 || major == 8 && minor < 4
}

// scannable reports, as an error, why the names of a server's keys cannot be read.
func (n *node) scannable(s *server) error {
	if s.loading() {
		return n.outage(errLoading)
	}
	if s.isSentinel() {
		return n.refuse("this is a sentinel, which holds no keys: give its address in sentinel_addresses and the name of the primary in sentinel_name, in place of host")
	}
	switch {
	case n.options.AllDatabases && !s.counted():
		return n.refuse("INFO does not tell which databases hold keys, so not all can be read; grant INFO to the user, or list the databases")
	case !s.can.scan && !strings.HasPrefix(s.can.refused["SCAN"], "NOPERM"):
		return n.refuse("the server has no SCAN (%s), without which keys cannot be found; connect to the server itself if this is a proxy, or have the command enabled", strings.TrimSpace(s.can.refused["SCAN"]))
	case !s.can.scan:
		return n.refuse("SCAN is not permitted (%s); grant it to the user (docs/permissions.md has the rule)", s.can.refused["SCAN"])
	}
	return nil
}

// readable reports, as an error, why a server cannot be read.
func (n *node) readable(s *server) error {
	if err := n.scannable(s); err != nil {
		return err
	}
	switch {
	case !s.can.pexpiretime && !s.can.pttl:
		return n.refuse("neither PEXPIRETIME nor PTTL is permitted (%s); grant one to the user (docs/permissions.md has the rule)", s.can.refused["PTTL"])
	case !s.can.dump && !s.can.typeOf:
		return n.refuse("neither DUMP nor TYPE is permitted (%s); grant DUMP to the user (docs/permissions.md has the rule)", s.can.refused["DUMP"])
	}
	return nil
}

var errLoading = errors.New("the server is still loading its data")
