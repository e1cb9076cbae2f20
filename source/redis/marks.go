package redis

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
)

// Marks say how far long streams and time series have been read whose rows are
// only added to, so that the next reading goes on from there. They are those of
// rows that Next has handed on, and part of the positions: whoever resumes from one
// has these rows. A key without a mark is read whole, which is as right.
type marks struct {
	mu    sync.Mutex
	known map[string]mark
	met   map[string]struct{} // of known, those whose keys were read by this reader
}

const (
	maxMarks = 100  // kept, those of the longest
	longTail = 1000 // elements that are worth a mark
)

// A mark is what is remembered of one key.
type mark struct{ table.Tail }

func newMarks() *marks { return &marks{known: map[string]mark{}, met: map[string]struct{}{}} }

// digest names a key: positions hold no names.
func digest(database int, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", database, name))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// MarshalText writes a mark.
func (m mark) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s %s %x %d", m.First.Append(nil), m.Last.Append(nil), m.Check, m.Elements), nil
}

// UnmarshalText reads what MarshalText wrote.
func (m *mark) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%d-%d %d-%d %x %d", &m.First.Ms, &m.First.Seq, &m.Last.Ms, &m.Last.Seq, &m.Check, &m.Elements)
	return err
}

// find returns the mark of a key.
func (m *marks) find(database int, name string) (mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) == 0 {
		return mark{}, false
	}
	k, ok := m.known[digest(database, name)]
	return k, ok
}

// note takes over how far the key was read by now; nothing: it has no such rows.
func (m *marks) note(database int, name string, t table.Tail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := digest(database, name)
	if t.Elements < longTail {
		delete(m.known, id)
		return
	}
	m.known[id], m.met[id] = mark{t}, struct{}{}
	if len(m.known) > 2*maxMarks {
		m.prune()
	}
}

// prune leaves the longest.
func (m *marks) prune() {
	ids := slices.SortedFunc(maps.Keys(m.known), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.known[b].Elements, m.known[a].Elements), cmp.Compare(a, b))
	})
	for _, id := range ids[min(maxMarks, len(ids)):] {
		delete(m.known, id)
	}
}

// forgetUnmet drops the marks of keys that a whole snapshot did not meet: they are
// gone, and so are their rows.
func (m *marks) forgetUnmet() {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.known, func(id string, _ mark) bool {
		_, met := m.met[id]
		return !met
	})
}

// all returns the marks that a position takes.
func (m *marks) all() map[string]mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prune()
	return maps.Clone(m.known)
}

// restore takes over the marks of a position.
func (m *marks) restore(known map[string]mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.known, known)
}

// into returns the position at with the marks.
func (m *marks) into(at row.Position) row.Position {
	known := m.all()
	if at.Token == "" || len(known) == 0 {
		return at
	}
	var token map[string]json.RawMessage
	if err := json.Unmarshal([]byte(at.Token), &token); err != nil {
		panic(err) // this package made it
	}
	text, err := json.Marshal(known)
	if err == nil {
		token["marks"] = text
		text, err = json.Marshal(token)
	}
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	at.Token = string(text)
	return at
}

// settle takes over how far a page's keys were read, when its last batch is handed
// on.
func (r *reader) settle(p *page) {
	for _, key := range p.keys {
		if r.plan.Appends([]byte(key)) {
			r.marks.note(p.database, key, p.tails[key])
		}
	}
}

// noteTail notes how far a key was read that goes on from a mark, if since is one.
func (f *fetcher) noteTail(name string, since *mark) {
	t := f.shaper.Tail()
	switch {
	case since != nil && t.Elements == 0:
		t = since.Tail
	case since != nil:
		t.First = since.First
		t.Elements += since.Elements
	case t.Elements == 0:
		return
	}
	if f.page.tails == nil {
		f.page.tails = map[string]table.Tail{}
	}
	f.page.tails[name] = t
}
