package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/resp"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// A sample is made from the beginning of a SCAN: its order is that of hashes with
// a seed of the server's own, so the first names are as good as any. A cursor
// that the server has not given may not be used to start elsewhere.

var _ source.Sampler = (*Source)(nil)

// Bounds of a sample.
const (
	sampleShare  = 0.015 // of the server's time
	sampleScan   = 250   // names of one SCAN
	sampleLooks  = 2000  // keys whose values are looked at
	looksPerKeys = 20    // of one template, at most
	sampleBatch  = 50    // keys of one exchange
)

// What a server takes, about, for one command of each kind, where they come as
// seldom as a sample's.
const (
	costOfScan  = 1800 * time.Nanosecond // a name
	costOfType  = 1400 * time.Nanosecond
	costOfSize  = 1800 * time.Nanosecond
	costOfField = 300 * time.Nanosecond
	costOfTrip  = 40 * time.Microsecond // an exchange
)

// A sampler makes one sample.
type sampler struct {
	source  *Source
	places  []place
	session *session // of the place that is being looked at
	began   time.Time
	spent   time.Duration // of the server's time, about
	sample  *source.Sample
	keys    []table.SampledKey
	from    []int          // by key: the index of its place
	refused map[string]int // commands, by the times that the server refused them
}

// A place is a database of one server.
type place struct {
	session  *session
	database int
	keys     int64 // that it holds
}

// Sample looks at a part of the keys.
func (s *Source) Sample(ctx context.Context, o source.SampleOptions) (*source.Sample, error) {
	sessions, err := s.sampled(ctx)
	if err != nil {
		return nil, err
	}
	m := &sampler{source: s, began: time.Now(), sample: &source.Sample{}, refused: map[string]int{}}
	for _, ss := range sessions {
		defer ss.close()
		defer context.AfterFunc(ctx, ss.abort)()
		for _, db := range s.databases(&ss.server) {
			m.places = append(m.places, place{session: ss, database: db})
		}
	}
	m.session = sessions[0]
	if err := m.run(ctx, o); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, m.session.node.readError(err)
	}
	return m.sample, nil
}

// sampled connects to all servers that a sample is of.
func (s *Source) sampled(ctx context.Context) ([]*session, error) {
	ss, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	sessions := []*session{ss}
	if ss.server.cluster {
		ss.close()
		if sessions, err = s.primaries(ctx); err != nil {
			return nil, err
		}
	} else if sessions[0], err = s.standIn(ctx, ss); err != nil {
		return nil, err
	}
	for _, ss := range sessions {
		if err = ss.node.scannable(&ss.server); err != nil {
			break
		}
		ss.node.reached = true
	}
	if err != nil {
		closeAll(sessions)
	}
	return sessions, err
}

func (m *sampler) run(ctx context.Context, o source.SampleOptions) error {
	if err := m.names(ctx, o.Names); err != nil {
		return err
	}
	m.sample.Matched = len(m.keys)
	inf := table.Infer(m.keys)
	m.sample.Tables = inf
	looks := m.choose(inf.Guesses, o.Seed)
	for chunk := range slices.Chunk(looks, sampleBatch) {
		if err := m.look(ctx, chunk); err != nil {
			return err
		}
	}
	for _, l := range looks {
		if !l.gone {
			m.sample.Values++
			l.guess.Look(l.Look)
		}
	}
	inf.Settle(o.Table)
	m.tellUnseen()
	return nil
}

// names scans the places, a share of the names in each.
func (m *sampler) names(ctx context.Context, most int) error {
	counted, err := m.count(ctx)
	if err != nil {
		return err
	}
	total := int64(0)
	for i := range m.places {
		total += m.places[i].keys
	}
	m.sample.Keys, m.sample.All = total, true
	if !counted {
		m.sample.Keys = source.UnknownKeys
	}
	for at := range m.places {
		p := &m.places[at]
		m.session = p.session
		share := most / len(m.places)
		if total > 0 {
			share = int(float64(most) * float64(p.keys) / float64(total))
		}
		first := len(m.keys)
		seen, all, err := m.scan(ctx, at, max(share, 1))
		if err != nil {
			return err
		}
		m.sample.Names += seen
		m.sample.All = m.sample.All && all
		weight := 1.0
		if !all && p.keys > int64(seen) {
			weight = float64(p.keys) / float64(seen)
		}
		for i := first; i < len(m.keys); i++ {
			m.keys[i].Weight = weight
		}
	}
	return nil
}

// count asks how many keys each place holds; known is false if a server does not
// tell.
func (m *sampler) count(ctx context.Context) (known bool, err error) {
	for at := range m.places {
		p := &m.places[at]
		m.session = p.session
		if p.session.server.counted() {
			p.keys = keyspace(p.session.server.info)[p.database]
			continue
		}
		replies, err := m.do(ctx, p.database, 0, []string{"DBSIZE"})
		if err != nil {
			return false, err
		}
		p.keys, err = replies.Next().Int()
		if _, refused := asReply(err); refused {
			for i := range m.places {
				m.places[i].keys = 0
			}
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// scan takes names of a place, and asks for their types. It returns how many
// there were, and whether these are all.
func (m *sampler) scan(ctx context.Context, at, most int) (names int, all bool, err error) {
	db := m.places[at].database
	var page []string // whose types are asked for together with the next page
	seen := map[string]bool{}
	count := min(sampleScan, most)
	for cursor, more := uint64(0), true; more || len(page) > 0; {
		var commands [][]string
		cost := costOfTrip
		if more {
			commands = append(commands, []string{"SCAN", strconv.FormatUint(cursor, 10), "COUNT", itoa(count)})
			cost += time.Duration(count) * costOfScan
		}
		typed := page
		if m.session.server.can.typeOf {
			for _, name := range typed {
				commands = append(commands, []string{"TYPE", name})
			}
			cost += time.Duration(len(typed)) * costOfType
		}
		replies, err := m.do(ctx, db, cost, commands...)
		if err != nil {
			return names, false, err
		}
		page = nil
		if more {
			if page, cursor, err = m.page(replies.Next(), seen); err != nil {
				return names, false, fmt.Errorf("scan database %d: %w", db, err)
			}
			names = len(seen)
			more = cursor != 0 && names < most
			all = cursor == 0
		}
		if err := m.addKeys(at, typed, replies); err != nil {
			return names, false, err
		}
	}
	return names, all, nil
}

// page returns the names of a SCAN reply that are new and selected.
func (m *sampler) page(reply resp.Reply, seen map[string]bool) (page []string, cursor uint64, err error) {
	if err := reply.Err(); err != nil {
		return nil, 0, err
	}
	found, err := parseScan(reply)
	if err != nil {
		return nil, 0, err
	}
	for found.elements.Len() > 0 {
		b, err := found.elements.Bytes()
		if err != nil {
			return nil, 0, err
		}
		name := string(b)
		if seen[name] {
			continue // the server's table is growing or shrinking
		}
		seen[name] = true
		if m.source.filter.key(name) {
			page = append(page, name)
		}
	}
	return page, found.cursor, nil
}

// addKeys adds keys with the types that the server answered.
func (m *sampler) addKeys(at int, names []string, replies *resp.Replies) error {
	for _, name := range names {
		kind := ""
		if m.session.server.can.typeOf {
			answer, err := replies.Next().Bytes()
			if err := m.refusal("TYPE", err); err != nil {
				return err
			}
			if kind = dataType(string(answer)); err == nil && (kind == "none" || !m.source.filter.dataType(kind)) {
				continue
			}
		}
		m.keys = append(m.keys, table.SampledKey{Name: name, Type: kind})
		m.from = append(m.from, at)
	}
	return nil
}

// refusal notes that the server refuses a command; other errors end the sample.
func (m *sampler) refusal(command string, err error) error {
	answer, refused := asReply(err)
	if err == nil || !refused || unavailable(answer) {
		return err
	}
	if !isWrongType(answer) && !redirects(answer) { // which has been moved is no matter
		m.refused[command]++
	}
	return nil
}

// A look is at the value of one key.
type look struct {
	table.Look
	guess *table.Guess
	name  string
	place int // index
	kind  value.Type
	gone  bool
}

// choose chooses the keys whose values are looked at.
func (m *sampler) choose(guesses []*table.Guess, seed uint64) (looks []*look) {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a choice that can be repeated, not a secret
	each := max(1, min(looksPerKeys, sampleLooks/max(1, len(guesses))))
	for _, g := range guesses {
		if g.Type == "" {
			continue
		}
		chosen := random.Perm(len(g.Sampled))
		for _, i := range chosen[:min(each, len(chosen), sampleLooks-len(looks))] {
			k := g.Sampled[i]
			looks = append(looks, &look{
				Look: table.Look{Elements: -1, Bytes: -1}, guess: g, name: m.keys[k].Name, place: m.from[k], kind: sampledKind(g.Type),
			})
		}
	}
	slices.SortStableFunc(looks, func(a, b *look) int { return a.place - b.place })
	return looks
}

// sampledKind is the type of a key by its name in the data_type column.
func sampledKind(name string) value.Type {
	switch name {
	case value.JSON.String():
		return value.JSON
	case value.TimeSeries.String():
		return value.TimeSeries
	}
	return kindOf(name)
}

// do sends commands, in a database, that take the server about cost. It waits
// first until the sample has been no more than its share of the server's time.
func (m *sampler) do(ctx context.Context, db int, cost time.Duration, commands ...[]string) (*resp.Replies, error) {
	due := m.began.Add(time.Duration(float64(m.spent) / sampleShare))
	m.spent += cost
	if wait := time.Until(due); wait > 0 {
		if err := sleep(ctx, wait, nil); err != nil {
			return nil, err
		}
	}
	m.source.options.pacer.took(len(commands)) // each is about a key
	if err := m.source.options.pacer.wait(ctx); err != nil {
		return nil, err
	}
	if !m.source.options.manyDatabases() {
		return m.session.do(ctx, commands...)
	}
	replies, err := m.session.do(ctx, append([][]string{{"SELECT", itoa(db)}}, commands...)...)
	if err != nil {
		return nil, err
	}
	if err := replies.Next().Err(); err != nil {
		return nil, fmt.Errorf("select database %d: %w", db, err)
	}
	return replies, nil
}
