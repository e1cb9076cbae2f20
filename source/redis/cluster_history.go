package redis

import (
	"encoding/json"
	"slices"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
)

const modeClusterReplica = "cluster-replica"

// A clusterHistory is a place in the histories of all primaries of a cluster:
// everything before it is in the destination.
type clusterHistory struct {
	Version int           `json:"v"`
	Mode    string        `json:"mode"`
	Filter  string        `json:"filter"` // fingerprint of the settings
	Nodes   []seenNode    `json:"nodes"`  // at the last look
	Parts   []nodeHistory `json:"parts"`
	// Marks say how far keys were read whose rows are only added to.
	Marks map[string]mark `json:"marks,omitempty"`
}

// A nodeHistory is a place in the history of one primary.
type nodeHistory struct {
	Node     string `json:"node"` // id
	History  string `json:"replid"`
	Offset   int64  `json:"offset"`
	Seen     int64  `json:"seen"` // as in replicaPosition
	Database int    `json:"database"`
}

// at returns p as a position of a generation.
func (p *clusterHistory) at(generation int64) row.Position {
	return row.Position{Generation: generation, Token: tokenOf(p)}
}

// shownAny returns p where rows may be as of any later place.
func (p *clusterHistory) shownAny() *clusterHistory {
	shown := *p
	shown.Parts = slices.Clone(p.Parts)
	for i := range shown.Parts {
		shown.Parts[i].Seen = anyOffset
	}
	return &shown
}

// clusterPlace returns where to go on from; nil: a snapshot is due.
func (s *Source) clusterPlace(from row.Position) (*clusterHistory, error) {
	if from.Token == "" {
		return nil, nil
	}
	p := &clusterHistory{}
	if err := json.Unmarshal([]byte(from.Token), p); err != nil || p.Version != positionVersion {
		return nil, &source.PositionLostError{Reason: "it was written by another version of keylift"}
	}
	if p.Mode != modeClusterReplica {
		// A snapshot that was completed in another way is followed by one of its own.
		if scanned, err := parseClusterPosition(from.Token, s.options.fingerprint()); err == nil && scanned.Done {
			return nil, nil
		}
		return nil, &source.PositionLostError{Reason: "it was made in another mode, or on a server that was no cluster"}
	}
	if p.Filter != s.options.fingerprint() {
		return nil, &source.PositionLostError{Reason: "the settings of what is read have changed"}
	}
	return p, nil
}

// mapOf returns what is remembered of a cluster.
func mapOf(seen []seenNode) *topology.Map {
	nodes := make([]topology.Node, 0, len(seen))
	for _, n := range seen {
		nodes = append(nodes, topology.Node{ID: n.ID, ConfigEpoch: n.Epoch, Slots: n.Slots})
	}
	return topology.New(nodes)
}
