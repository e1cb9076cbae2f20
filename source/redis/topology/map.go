package topology

import (
	"cmp"
	"slices"
)

// A Map tells which node of a cluster owns which slots, as of one moment. It does not
// change.
type Map struct {
	// Asked is the ID of the node that told; empty if several did.
	Asked string
	// Nodes are the primaries, those without slots too, by their IDs.
	Nodes []Node
	// Epoch is the highest configuration epoch of any.
	Epoch int64
	// Disputed are the slots that more than one primary claims.
	Disputed Slots

	told   map[string]bool
	owners [Count]int16 // indices of Nodes, behind 1; 0: nobody
}

// A Node is a primary.
type Node struct {
	ID          string
	Address     string // host:port; port 0: the cluster does not know it
	Hostname    string // empty: none is set
	Slots       Slots
	ConfigEpoch int64
	Failed      bool // the cluster agrees that it is gone
	Replicas    []Replica
	// Migrating are the slots that the node is giving to others, and Importing those
	// that it is given, with the IDs of the others. They are known of nodes that were
	// asked themselves.
	Migrating, Importing map[int]string
}

// A Replica holds a copy of a primary's keys.
type Replica struct {
	ID       string
	Address  string
	Hostname string
	Failed   bool
}

// New returns a Map of nodes, whose order does not matter. A slot that several
// claim belongs to the one with the highest epoch.
func New(nodes []Node) *Map {
	m := &Map{Nodes: nodes}
	slices.SortFunc(m.Nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	byEpoch := make([]int, len(nodes))
	for i := range byEpoch {
		byEpoch[i] = i
	}
	slices.SortStableFunc(byEpoch, func(a, b int) int { return cmp.Compare(nodes[b].ConfigEpoch, nodes[a].ConfigEpoch) })
	var owned Slots
	for _, i := range byEpoch {
		n := &m.Nodes[i]
		m.Epoch = max(m.Epoch, n.ConfigEpoch)
		m.Disputed = m.Disputed.Union(n.Slots.Intersect(owned))
		n.Slots = n.Slots.Minus(owned)
		owned = owned.Union(n.Slots)
		n.Slots.Each(func(first, last int) {
			for slot := first; slot <= last; slot++ {
				m.owners[slot] = int16(i + 1)
			}
		})
	}
	return m
}

// Merge returns one Map of what several nodes told at about the same moment. What a
// node told of itself counts, also that it is a primary no more; of one that was not
// asked, what is newest.
func Merge(maps ...*Map) *Map {
	asked, replica := map[string]bool{}, map[string]bool{}
	for _, m := range maps {
		asked[m.Asked] = true
		replica[m.Asked] = m.Node(m.Asked) == nil
	}
	known := map[string]Node{}
	var ids []string
	for _, m := range maps {
		for _, n := range m.Nodes {
			if replica[n.ID] {
				continue
			}
			before, met := known[n.ID]
			if !met {
				ids = append(ids, n.ID)
			}
			if !met || n.ID == m.Asked || !asked[n.ID] && n.ConfigEpoch > before.ConfigEpoch {
				known[n.ID] = n
			}
		}
	}
	nodes := make([]Node, 0, len(ids))
	for _, id := range ids {
		nodes = append(nodes, known[id])
	}
	m := New(nodes)
	m.told = asked
	return m
}

// Told reports whether a node was asked itself, so that what the Map has of it are its
// own words.
func (m *Map) Told(id string) bool { return m.told[id] || m.Asked == id && id != "" }

// Node returns the primary with an ID, nil without one.
func (m *Map) Node(id string) *Node {
	i, found := slices.BinarySearchFunc(m.Nodes, id, func(n Node, id string) int { return cmp.Compare(n.ID, id) })
	if !found {
		return nil
	}
	return &m.Nodes[i]
}

// Owner returns the primary that a slot belongs to, nil if it belongs to nobody.
func (m *Map) Owner(slot int) *Node {
	if i := m.owners[slot]; i > 0 {
		return &m.Nodes[i-1]
	}
	return nil
}

// Owned returns the slots that belong to somebody.
func (m *Map) Owned() Slots {
	var s Slots
	for i := range m.Nodes {
		s = s.Union(m.Nodes[i].Slots)
	}
	return s
}

// Open returns the slots that a node is giving away or is given.
func (m *Map) Open() Slots {
	var s Slots
	for i := range m.Nodes {
		for slot := range m.Nodes[i].Migrating {
			s.Add(slot)
		}
		for slot := range m.Nodes[i].Importing {
			s.Add(slot)
		}
	}
	return s
}

// Changed returns the slots that may have been elsewhere between two looks: those
// whose owner is another one, and all of a primary whose epoch rose although it
// gained none, for something may have gone and come back.
func Changed(was, is *Map) Slots {
	var changed Slots
	for slot := range Count {
		a, b := was.Owner(slot), is.Owner(slot)
		if (a == nil) != (b == nil) || a != nil && a.ID != b.ID {
			changed.Add(slot)
		}
	}
	for i := range is.Nodes {
		n := &is.Nodes[i]
		if before := was.Node(n.ID); before != nil && n.ConfigEpoch > before.ConfigEpoch && n.Slots.Minus(before.Slots).IsEmpty() {
			changed = changed.Union(n.Slots)
		}
	}
	return changed
}
