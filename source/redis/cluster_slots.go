package redis

import (
	"github.com/keylift/keylift/source/redis/topology"
)

// Slots move while they are read, key by key: from the node that migrates a slot
// to the one that imports it, which ends by owning it. A slot has been read when its
// owner was scanned from beginning to end, and nothing of it moved meanwhile.
// Otherwise it is read again. If it is still open then, what was read of the
// migrating node is read of the importing node, too: keys move one way, so
// whichever key lived throughout was on one of the two for the whole of its scan.
// So a slot that stays half migrated is read completely, too.

// A view is what a look at a cluster tells of its slots.
type view struct {
	*topology.Map
	importer map[int]string // ids, of open slots
	torn     topology.Slots // being migrated to a node that does not import them
}

func viewOf(m *topology.Map) *view {
	v := &view{Map: m, importer: map[int]string{}}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		for s, from := range n.Importing {
			if from == v.owner(s) && from != n.ID {
				v.importer[s] = n.ID
			}
		}
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		for s, to := range n.Migrating {
			if v.owner(s) == n.ID && v.importer[s] != to {
				v.torn.Add(s)
			}
		}
	}
	return v
}

// owner returns the id of the node that owns a slot; empty: nobody does.
func (v *view) owner(slot int) string {
	if n := v.Owner(slot); n != nil {
		return n.ID
	}
	return ""
}

// holders returns the ids of the nodes that have slots, or are given some.
func (v *view) holders() map[string]bool {
	holders := map[string]bool{}
	for i := range v.Nodes {
		if n := &v.Nodes[i]; !n.Slots.IsEmpty() {
			holders[n.ID] = true
		}
	}
	for _, to := range v.importer {
		holders[to] = true
	}
	return holders
}

// A tracker knows which slots a round of reading reads of which nodes, and what
// happens to them meanwhile.
type tracker struct {
	parts   []*part
	seen    *view          // the last look
	dirty   topology.Slots // changed hands, or may have: they are read again from the start
	strayed topology.Slots // have keys that were not where they were looked for
	opened  map[int]string // slots that were being imported, by whom
}

// newTracker returns a tracker of parts that were planned by a look at a cluster.
func newTracker(seen *view, parts []*part) *tracker {
	return &tracker{parts: parts, seen: seen, opened: map[int]string{}}
}

// observe takes note of a later look, and returns how many slots of the round
// have become dirty since the last.
func (t *tracker) observe(v *view) int {
	before := t.dirty.Len()
	changed := topology.Changed(t.seen.Map, v.Map)
	for _, p := range t.parts {
		for s := range topology.Count {
			if p.slots.Has(s) && !t.dirty.Has(s) && !t.still(p, s, v, changed.Has(s)) {
				t.dirty.Add(s)
			}
		}
	}
	t.seen = v
	return t.dirty.Len() - before
}

// still reports whether slot s may go on to be read as p reads it. changed says that
// it has another owner than at the last look, or may have had.
func (t *tracker) still(p *part, s int, v *view, changed bool) bool {
	owner, to := v.owner(s), v.importer[s]
	if p.from != "" {
		if owner == p.node {
			// It has taken over what it was importing, once.
			return !changed || t.seen.owner(s) == p.from
		}
		return owner == p.from && !changed && to == p.node
	}
	if owner != p.node || changed || v.torn.Has(s) {
		return false
	}
	if to != "" && t.opened[s] != "" && t.opened[s] != to {
		return false
	}
	if to != "" {
		t.opened[s] = to
	}
	return true
}

// useless reports whether all of what p reads has to be read again.
func (t *tracker) useless(p *part) bool {
	return p.slots.Minus(t.dirty).IsEmpty()
}

// again returns the slots that another round has to read.
func (t *tracker) again() topology.Slots {
	all := t.dirty.Union(t.strayed)
	for s := range t.opened {
		all.Add(s)
	}
	return all
}

// next plans the round behind this one, whose parts were read to their ends. Slots
// that are open, and may have been for all of the round, are read of the node that
// imports them. Without parts nothing is left to be read.
func (t *tracker) next() []*part {
	var owned topology.Slots // were read of their owners, whole
	for _, p := range t.parts {
		if p.from == "" {
			owned = owned.Union(p.slots.Minus(t.dirty))
		}
	}
	l := planner{}
	again := t.again()
	for s := range topology.Count {
		owner, to := t.seen.owner(s), t.seen.importer[s]
		switch {
		case !again.Has(s):
		case to != "" && owned.Has(s):
			l.add(s, to, owner)
		default:
			l.add(s, owner, "")
		}
	}
	return l.parts
}

// firstParts plans the round that reads everything.
func firstParts(v *view) []*part {
	l := planner{}
	for s := range topology.Count {
		l.add(s, v.owner(s), "")
	}
	return l.parts
}

// A planner makes parts of slots.
type planner struct {
	parts []*part
	by    map[[2]string]*part
}

func (l *planner) add(s int, node, from string) {
	p := l.by[[2]string{node, from}]
	if p == nil {
		p = &part{node: node, from: from}
		if l.by == nil {
			l.by = map[[2]string]*part{}
		}
		l.by[[2]string{node, from}] = p
		l.parts = append(l.parts, p)
	}
	p.slots.Add(s)
}
