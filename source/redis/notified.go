package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// A notifiedReader follows a server that lets nobody join as a replica. It reads a
// snapshot by SCAN, and from then on the keys that the server notifies of, every
// PublishInterval. Notifications are lossy, so a snapshot repairs what they missed:
// whenever the reader is opened, when more keys change than can be remembered, and
// every RepairInterval. Once a database was flushed or swapped, the position is lost.
type notifiedReader struct {
	source *Source
	node   *node
	events *events

	snapshot *reader // nil: it is complete
	resumed  bool    // part of it was read before the notifications began
	began    time.Time
	flushes  flushes       // of the server, when it began
	lineage  lineage       // of its data then
	at       row.Position  // behind the last complete snapshot
	changes  *notifiedKeys // nil: not begun
}

// openNotified starts to follow behind from.
func (s *Source) openNotified(ctx context.Context, from row.Position) (source.Reader, error) {
	n, err := s.pick(ctx)
	if err != nil {
		return nil, err
	}
	ss, err := s.connect(ctx, n)
	if err != nil {
		return nil, err
	}
	if err := ss.notifies(ctx); err != nil {
		ss.close()
		return nil, err
	}
	events, err := s.subscribe(ctx, ss.node, ss.server.runID)
	if err != nil {
		ss.close()
		return nil, err
	}
	r := &notifiedReader{source: s, node: ss.node, events: events}
	if err := r.readSnapshot(ctx, ss, from); err != nil {
		return nil, errors.Join(err, events.Close())
	}
	return r, nil
}

// readSnapshot starts a snapshot behind from, or goes on with one. It takes over ss.
func (r *notifiedReader) readSnapshot(ctx context.Context, ss *session, from row.Position) (err error) {
	r.events.restart()
	r.began, r.flushes, r.lineage = time.Now(), ss.flushes(ctx), lineageOf(ss.server.info)
	if r.snapshot, err = r.source.newReader(ctx, ss, from); err != nil {
		ss.close()
		return err
	}
	r.resumed = r.snapshot.generation == from.Generation
	return nil
}

// Next returns the batches of a snapshot, then those of keys that change, then
// those of the next snapshot. It does not end.
func (r *notifiedReader) Next(ctx context.Context) (*row.Batch, error) {
	for {
		if r.snapshot != nil {
			b, err := r.snapshot.Next(ctx)
			if errors.Is(err, io.EOF) {
				err = r.snapshot.Close()
				r.snapshot = nil
				if err == nil {
					continue
				}
			}
			if err == nil && b.Closes == row.Snapshot {
				r.at = b.After
				if r.snapshot.session.flushes(ctx) != r.flushes {
					// The snapshot that follows upon this tells what is gone.
					b.Scope = func(*row.Batch, int) bool { return false }
				}
			}
			return b, err
		}
		if r.changes == nil {
			var err error
			if r.changes, err = r.readChanges(ctx); err != nil {
				return nil, err
			}
		}
		b, err := r.changes.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		r.source.options.Logger.Info("reading everything once more", "reason", r.changes.repair)
		if err := r.repair(ctx); err != nil {
			return nil, err
		}
	}
}

// repair starts the next snapshot.
func (r *notifiedReader) repair(ctx context.Context) error {
	r.at = r.changes.marks.into(r.at)
	err := r.changes.Close()
	r.changes = nil
	if err != nil {
		return err
	}
	ss, err := r.source.connect(ctx, r.node)
	if err != nil {
		return err
	}
	return r.readSnapshot(ctx, ss, r.at)
}

// Close ends the reading.
func (r *notifiedReader) Close() error {
	err := r.events.Close()
	if r.snapshot != nil {
		err = errors.Join(err, r.snapshot.Close())
	}
	if r.changes != nil {
		err = errors.Join(err, r.changes.Close())
	}
	return err
}

// notifiedKeys reads the keys of notifications, until everything has to be read
// again: then its Next returns io.EOF, and repair says why.
type notifiedKeys struct {
	*rereader
	of     *notifiedReader
	repair string
}

func (r *notifiedReader) readChanges(ctx context.Context) (*notifiedKeys, error) {
	ss, err := r.source.connect(ctx, r.node)
	if err != nil {
		return nil, err
	}
	k := &notifiedKeys{rereader: r.source.newRereader(ss, r.at.Generation), of: r}
	if at, err := parsePosition(r.at.Token); err == nil {
		k.marks.restore(at.Marks)
	}
	if err := k.begin(ctx, k.feed); err != nil {
		ss.close()
		return nil, err
	}
	return k, nil
}

// feed has the keys that were gathered read again and again.
func (k *notifiedKeys) feed(ctx context.Context) error {
	defer close(k.work)
	tick := time.NewTicker(k.source.options.PublishInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-k.of.events.lost:
			return k.of.events.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		// In this order: what changed behind a flush is not published without it.
		changes, overflow := k.of.events.drain()
		flushes := k.session.flushes(ctx)
		if flushes.follow(k.of.flushes) {
			return &source.PositionLostError{Reason: "a database was emptied or exchanged (FLUSHALL, FLUSHDB, SWAPDB)", Emptied: true}
		}
		if err := k.session.keeps(ctx, k.of.lineage); err != nil {
			return err
		}
		switch o := &k.source.options; {
		case overflow:
			k.repair = "more keys changed than can be remembered"
		case flushes != k.of.flushes:
			k.repair = "the server counts its FLUSHALL, FLUSHDB and SWAPDB anew"
		case k.of.resumed:
			k.repair = "the snapshot was begun before this run"
		case time.Since(k.of.began) >= o.RepairInterval:
			k.repair = fmt.Sprintf("%s have passed (repair_interval)", o.RepairInterval)
		}
		if k.repair != "" {
			close(k.ordered)
			return nil
		}
		if !empty(changes) {
			if err := k.reread(ctx, changes, k.of.at, k.of.at); err != nil {
				return err
			}
		}
	}
}

// flushes is how many commands that change keys without a notification a server has
// executed.
type flushes struct {
	runID string
	calls int // -1: not told
}

// follow reports whether the same server has executed more of them since earlier.
func (f flushes) follow(earlier flushes) bool {
	return f.runID == earlier.runID && earlier.calls >= 0 && f.calls > earlier.calls
}

func (s *session) flushes(ctx context.Context) flushes {
	unknown := flushes{runID: s.server.runID, calls: -1}
	reply, err := s.one(ctx, "INFO", "commandstats")
	if err != nil {
		return unknown // what reads next sees why
	}
	text, err := reply.Bytes()
	if err != nil {
		return unknown
	}
	stats := parseInfo(string(text))
	total := 0
	for _, name := range []string{"flushall", "flushdb", "swapdb"} {
		calls, _, _ := strings.Cut(strings.TrimPrefix(stats["cmdstat_"+name], "calls="), ",")
		n, _ := strconv.Atoi(calls) // no statistics: never executed
		total += n
	}
	return flushes{runID: s.server.runID, calls: total}
}

// classes are what notify-keyspace-events must hold: notifications by event, and
// those of every type of key. A stands for all but E.
const (
	classes    = "g$lshzxetd"
	wantEvents = "KEA"
)

const eventSetting = "notify-keyspace-events"

// missingClasses returns which of the needed classes a setting of
// notify-keyspace-events does not have.
func missingClasses(setting string) string {
	missing := ""
	if !strings.Contains(setting, "E") {
		missing = "E"
	}
	if strings.Contains(setting, "A") {
		return missing
	}
	for _, class := range classes {
		if !strings.ContainsRune(setting, class) {
			missing += string(class)
		}
	}
	return missing
}

// notifies reports, as an error, that the server notifies of too little. Where it
// may not be asked, that is not known.
func (s *session) notifies(ctx context.Context) error {
	setting, known := s.setting(ctx, eventSetting)
	if missing := missingClasses(setting); known && missing != "" {
		return s.node.refuse("%s", lackingEvents(setting, missing))
	}
	return nil
}

func lackingEvents(setting, missing string) string {
	return fmt.Sprintf("notify-keyspace-events is %q, which lacks %s, so the server does not tell what changes; "+
		"set it to %s (CONFIG SET notify-keyspace-events %s, or in the service's parameters), or leave follow out", setting, missing, wantEvents, wantEvents)
}

// inspectNotifications tells what stands between keylift and following by
// notifications.
func (s *Source) inspectNotifications(ctx context.Context, ss *session, i *inspection) {
	i.report.Reason += fmt.Sprintf("; keys that the server notifies of are read again, and all keys every %s (repair_interval), "+
		"because notifications may be lost: what changes reaches the destination eventually, within that time", s.options.RepairInterval)
	setting, known := ss.setting(ctx, eventSetting)
	switch missing := missingClasses(setting); {
	case !known:
		i.add("notifications", source.Warn, "CONFIG GET is not permitted, so it is not known whether the server notifies of changes: notify-keyspace-events must be "+wantEvents)
	case missing != "":
		i.add("notifications", source.Fail, lackingEvents(setting, missing))
	default:
		i.ok("notifications", fmt.Sprintf("notify-keyspace-events is %q", setting))
	}
	events, err := s.subscribe(ctx, ss.node, ss.server.runID)
	switch access, denied := errors.AsType[*source.AccessError](err); {
	case err == nil:
		_ = events.Close() // it has gathered nothing that is wanted
		i.ok("permission PSUBSCRIBE", "the server lets keylift hear of changes")
	case denied:
		i.add("permission PSUBSCRIBE", source.Fail, access.Err.Error())
	default:
		i.add("permission PSUBSCRIBE", source.Warn, fmt.Sprintf("not known yet: %v", err))
	}
	if ss.flushes(ctx).calls < 0 {
		i.add("permission INFO", source.Warn, "INFO is not permitted: a database that is emptied is noticed after repair_interval; grant INFO to the user")
	}
}
