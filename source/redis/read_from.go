package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/keylift/keylift/source"
)

// An origin is the primary of a replica that is read, and how its copy was found. A
// copy that is made anew while it is read shows keys as gone that are only on their
// way: it is one and the same as long as none of this changes.
type origin struct {
	primary *node
	runID   string // of the primary
	syncs   string // full synchronisations that the primary has given, to any replica
	history string // replication id
	source  string // host:port that the replica copies from
}

// String returns what a position remembers of an origin.
func (o *origin) String() string {
	if o == nil {
		return ""
	}
	return o.runID + "/" + o.syncs
}

// pick returns the node to read, of no cluster: the primary, or where a replica was
// asked for, one that has come to where the primary was.
func (s *Source) pick(ctx context.Context) (*node, error) {
	n, err := s.primary(ctx)
	if err != nil || !s.options.ReadReplica {
		return n, err
	}
	ss, err := n.connect(ctx)
	if err != nil {
		return nil, err
	}
	n.reached = true
	if !ss.server.cluster {
		ss, err = s.standIn(ctx, ss)
	}
	if err != nil {
		return nil, err
	}
	ss.close()
	return ss.node, nil
}

// standIn returns the session in which the data of a primary, of a cluster or not, are
// read: where a replica was asked for, one with a replica that has come to where the
// primary was when ss began, which is closed. Where no replica can be read it is ss,
// and the log says so. Where one is only behind, that is an outage.
func (s *Source) standIn(ctx context.Context, ss *session) (*session, error) {
	if !s.options.ReadReplica || ss.server.role == "replica" {
		return ss, nil
	}
	primary, sv := ss.node, &ss.server
	var why []string
	var behind error
	for _, address := range replicasIn(sv.info) {
		n := &node{options: primary.options, network: "tcp", address: cmp.Or(primary.named[address], address), reached: true, readOnly: sv.cluster}
		n.origin = &origin{primary: primary, runID: sv.runID, syncs: sv.info["sync_full"], history: sv.info["master_replid"]}
		replica, err := n.catchUp(ctx, sv)
		late, isLate := errors.AsType[*lateError](err)
		switch {
		case err == nil:
			ss.close()
			s.spared.new(primary.address, "")
			return replica, nil
		case ctx.Err() != nil:
			ss.close()
			return nil, context.Cause(ctx)
		case isLate:
			behind = n.outage(late)
		default:
			why = append(why, err.Error())
		}
	}
	if behind != nil {
		ss.close()
		return nil, behind
	}
	if len(why) == 0 {
		why = append(why, "it has none that is online")
	}
	primary.instead = strings.Join(why, "; ")
	if s.spared.new(primary.address, primary.instead) {
		s.options.Logger.Warn("no replica can be read, so the primary is", "node", primary.address, "reason", primary.instead)
	}
	return ss, nil
}

// spared remembers of each primary why it is read in place of a replica, so that the
// log says so once and not at every connection.
type spared struct {
	mu  sync.Mutex
	why map[string]string // by address
}

// new reports whether the reason, empty if a replica is read, is another than before.
func (s *spared) new(address, why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why[address] == why {
		return false
	}
	if s.why == nil {
		s.why = map[string]string{}
	}
	s.why[address] = why
	return true
}

// joined returns an address of a host, in brackets or without, and a port.
func joined(host, port string) string { return net.JoinHostPort(strings.Trim(host, "[]"), port) }

// catchUpEvery is how often a replica is asked how far it has come.
const catchUpEvery = 10 * time.Millisecond

// A lateError says that a replica did not come to where its primary was in time.
type lateError struct{ bytes int64 }

func (e *lateError) Error() string {
	return fmt.Sprintf("the replica is still %s behind its primary; wait, or set read_from to primary", mebibytes(e.bytes))
}

// catchUp makes a session with the replica n once it holds what its primary held when
// it was looked at. An error says, in a sentence, why it cannot be read.
func (n *node) catchUp(ctx context.Context, primary *server) (*session, error) {
	ss, err := n.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, ss.abort)()
	if err = n.readable(&ss.server); err == nil {
		err = ss.reaches(ctx, primary)
	}
	if err != nil {
		ss.close()
		return nil, err
	}
	return ss, nil
}

// reaches waits until the server of a session holds what its primary held.
func (s *session) reaches(ctx context.Context, primary *server) error {
	n, info, target := s.node, s.server.info, offsetOf(primary.info)
	n.origin.source = copiesFrom(info)
	for began := time.Now(); ; {
		switch {
		case info["role"] != "slave":
			return fmt.Errorf("%s: it is no replica any more", n.address)
		case info["replica_announced"] == "0":
			return fmt.Errorf("%s: it is not announced (replica-announced)", n.address)
		case info["master_link_status"] != "up":
			return fmt.Errorf("%s: its link to the primary is down", n.address)
		case info["master_replid"] != primary.info["master_replid"]:
			return fmt.Errorf("%s: its history is not that of the primary", n.address)
		}
		applied := appliedOf(info)
		if applied >= target {
			return nil
		}
		if time.Since(began) > n.options.IOTimeout {
			return &lateError{bytes: target - applied}
		}
		err := sleep(ctx, catchUpEvery, nil)
		if err != nil {
			return err
		}
		if info, err = s.replication(ctx); err != nil {
			return n.readError(err)
		}
	}
}

// same reports, as an error, that the data which s reads may have been made anew since
// it began, or since the copy of an origin was chosen. The nodes of a cluster are
// watched by their slots.
func (s *session) same(ctx context.Context) error {
	o := s.node.origin
	switch {
	case o == nil && s.server.cluster:
		return nil
	case o == nil:
		return s.keeps(ctx, lineageOf(s.server.info))
	}
	info, err := s.replication(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return s.node.readError(err)
	}
	if info["role"] != "slave" || info["master_replid"] != o.history || copiesFrom(info) != o.source {
		return &source.PositionLostError{Reason: fmt.Sprintf("%s is no replica of the same primary any more", s.node.address)}
	}
	replies, err := o.primary.ask(ctx, []string{"INFO"})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return o.primary.outage(err)
	}
	text, err := replies.Next().Bytes()
	if err != nil {
		return o.primary.readError(err)
	}
	is := parseInfo(string(text))
	if now := (&origin{runID: is["run_id"], syncs: is["sync_full"]}); now.String() != o.String() {
		return &source.PositionLostError{Reason: anotherOrigin(o.String(), now.String())}
	}
	return nil
}

func anotherOrigin(was, is string) string {
	before, _, _ := strings.Cut(was, "/")
	now, _, _ := strings.Cut(is, "/")
	if before == now {
		return "the primary synchronised a replica anew, perhaps the one that is read"
	}
	return fmt.Sprintf("the replica that is read has another primary (run id %.8s became %.8s)", before, now)
}
