package redis

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/resp"
)

// events gathers the names of keys that the server notifies of: keyspace
// notifications, on a connection of their own. A server forgets what it could not
// deliver, and tells nothing of flushes: what is gathered is a hint, never all.
type events struct {
	conn   *conn
	source *Source
	limit  int

	mu       sync.Mutex
	changed  map[int]map[string]struct{} // by database
	bytes    int                         // of the names, and what they take beside
	overflow bool                        // names were dropped

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
	lost chan struct{} // closed when the connection has ended
	err  error         // why; read it once lost is closed
}

const (
	// eventKey is about what a gathered name takes in bytes beside its own.
	eventKey = 64
	// pingEvery is how often the server is asked whether it is still there.
	pingEvery = 5 * time.Second
	// eventBytes is the longest notification.
	eventBytes = 1 << 30
)

// subscribe has the server runID notify of changes from now on.
func (s *Source) subscribe(ctx context.Context, n *node, runID string) (*events, error) {
	c, err := n.dial(ctx, 2, eventBytes)
	if err != nil {
		return nil, n.connectError(err)
	}
	e := &events{
		conn: c, source: s, limit: windowBytes, changed: map[int]map[string]struct{}{},
		stop: make(chan struct{}), lost: make(chan struct{}),
	}
	if err := e.begin(ctx, n, runID); err != nil {
		c.close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	e.done.Go(e.listen)
	e.done.Go(e.ping)
	return e, nil
}

func (e *events) begin(ctx context.Context, n *node, runID string) error {
	s := e.source
	defer context.AfterFunc(ctx, e.conn.abort)()
	if err := e.conn.introduce(ctx, n); err != nil {
		return n.connectError(err)
	}
	p := newPipeline()
	p.add("INFO", "server")
	for _, pattern := range s.eventPatterns() {
		p.add("PSUBSCRIBE", pattern)
	}
	if err := e.conn.exchange(ctx, p); err != nil {
		return n.readError(err)
	}
	text, err := p.next().Bytes()
	if _, refused := asReply(err); err != nil && !refused {
		return n.readError(err)
	}
	if is := parseInfo(string(text))["run_id"]; is != runID {
		return n.outage(&replacedError{was: runID, is: is})
	}
	for p.replies.Len() > 0 {
		if err := p.next().Err(); err != nil {
			return n.refuse("keyspace notifications are not permitted (%w); grant %s to the user, or leave follow out", err, s.eventGrant())
		}
	}
	return nil
}

const eventPrefix = "__keyevent@"

// eventPatterns are the channels of notifications of the databases that are read.
func (s *Source) eventPatterns() []string {
	if s.options.AllDatabases {
		return []string{eventPrefix + "*__:*"}
	}
	var patterns []string
	for _, db := range s.options.Databases {
		patterns = append(patterns, eventPrefix+itoa(db)+"__:*")
	}
	return patterns
}

// eventGrant is the ACL rule that permits eventPatterns.
func (s *Source) eventGrant() string {
	return "+psubscribe +ping &" + strings.Join(s.eventPatterns(), " &")
}

// listen reads notifications until the connection ends.
func (e *events) listen() {
	defer close(e.lost)
	var replies resp.Replies
	for {
		replies.Reset(keptBytes)
		if e.err = e.conn.replies.Read(1, &replies); e.err != nil {
			return
		}
		if e.err = e.add(replies.Next()); e.err != nil {
			return
		}
	}
}

// add takes a notification: pmessage, pattern, channel, key. Replies to PING are
// shorter.
func (e *events) add(message resp.Reply) error {
	parts, err := message.Elements()
	if err != nil {
		return err
	}
	if parts.Len() != 4 {
		return nil
	}
	parts.Next()
	parts.Next()
	channel, err := parts.Bytes()
	if err != nil {
		return err
	}
	database, event, ok := parseChannel(channel)
	// That a key was missed changes nothing, and reading a key that is gone misses it.
	if !ok || event == "keymiss" {
		return nil
	}
	key, err := parts.Bytes()
	if err != nil {
		return err
	}
	e.mark(database, key)
	return nil
}

// parseChannel reads the database and the event from __keyevent@<database>__:<event>.
func parseChannel(channel []byte) (database int, event string, ok bool) {
	rest, ok := bytes.CutPrefix(channel, []byte(eventPrefix))
	if !ok {
		return 0, "", false
	}
	number, name, ok := bytes.Cut(rest, []byte("__:"))
	if !ok {
		return 0, "", false
	}
	database, err := strconv.Atoi(string(number))
	return database, string(name), err == nil
}

func (e *events) mark(database int, key []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := e.changed[database]
	if _, there := keys[string(key)]; there || e.overflow || !e.source.keeps(database, key) {
		return
	}
	if keys == nil {
		keys = map[string]struct{}{}
		e.changed[database] = keys
	}
	keys[string(key)] = struct{}{}
	if e.bytes += eventKey + len(key); e.bytes > e.limit {
		e.overflow = true
		e.forget()
	}
}

func (e *events) forget() { e.changed, e.bytes = map[int]map[string]struct{}{}, 0 }

// restart forgets what was gathered, and what was lost: all is read from now on.
func (e *events) restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.overflow = false
	e.forget()
}

// drain returns the keys that were gathered, and whether some were dropped.
func (e *events) drain() (changes *replication.Changes, overflow bool) {
	e.mu.Lock()
	gathered, overflow := e.changed, e.overflow
	e.forget()
	e.mu.Unlock()
	changes = &replication.Changes{}
	for database, keys := range gathered {
		d := replication.DatabaseChanges{Database: database}
		for key := range keys {
			d.Keys = append(d.Keys, replication.Change{Key: key, Outcome: replication.Reread})
		}
		changes.Databases = append(changes.Databases, d)
	}
	return changes, overflow
}

// ping keeps the connection alive, and notices when it is not.
func (e *events) ping() {
	tick := time.NewTicker(min(pingEvery, e.conn.timeout/3))
	defer tick.Stop()
	ping := resp.AppendCommand(nil, "PING")
	for {
		select {
		case <-tick.C:
		case <-e.lost:
			return
		case <-e.stop:
			return
		}
		err := e.conn.net.SetWriteDeadline(time.Now().Add(e.conn.timeout))
		if err == nil {
			_, err = e.conn.net.Write(ping)
		}
		if err != nil {
			e.conn.abort() // listen sees it
			return
		}
	}
}

// failure returns why the connection has ended, once lost is closed.
func (e *events) failure() error {
	if answer, ok := asReply(e.err); ok {
		return answer
	}
	return fmt.Errorf("the connection for keyspace notifications ended: %w", cleared(e.err))
}

// Close ends the connection.
func (e *events) Close() error {
	e.once.Do(func() {
		close(e.stop)
		e.conn.abort()
	})
	e.done.Wait()
	e.conn.close()
	return nil
}
