package redis

import (
	"encoding/json"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
)

const modeCluster = "cluster"

// A clusterPosition is where in a snapshot of a cluster reading goes on: a place on
// each of its nodes.
type clusterPosition struct {
	Version int            `json:"v"`
	Mode    string         `json:"mode"`
	Filter  string         `json:"filter"` // fingerprint of the settings
	Round   int            `json:"round"`  // from 0 on, which reads all slots
	Nodes   []seenNode     `json:"nodes"`  // at the last look
	Parts   []partPosition `json:"parts,omitempty"`
	Dirty   topology.Slots `json:"dirty"`          // to be read in the next round
	Done    bool           `json:"done,omitempty"` // the snapshot is complete
	// Marks say how far keys were read whose rows are only added to.
	Marks map[string]mark `json:"marks,omitempty"`
}

// A seenNode is what was known of a primary.
type seenNode struct {
	ID    string         `json:"id"`
	Epoch int64          `json:"epoch"`
	Slots topology.Slots `json:"slots"`
}

// A partPosition is a place in what is read of one node.
type partPosition struct {
	Node  string          `json:"node"`           // id
	From  string          `json:"from,omitempty"` // id of the node that the slots are imported from
	Slots topology.Slots  `json:"slots"`
	At    json.RawMessage `json:"at,omitempty"` // a position on the node; empty: nothing was read
}

// at returns p as a position of a generation.
func (p *clusterPosition) at(generation int64) row.Position {
	p.Version, p.Mode = positionVersion, modeCluster
	return row.Position{Generation: generation, Token: tokenOf(p)}
}

// parseClusterPosition reads a token. The error is a *source.PositionLostError where
// it is no place in a cluster that is read under the settings that filter identifies.
func parseClusterPosition(token, filter string) (*clusterPosition, error) {
	p := &clusterPosition{}
	switch err := json.Unmarshal([]byte(token), p); {
	case err != nil || p.Version != positionVersion:
		return nil, &source.PositionLostError{Reason: "it was written by another version of keylift"}
	case p.Mode != modeCluster:
		return nil, &source.PositionLostError{Reason: "it was made in another mode, or on a server that was no cluster"}
	case p.Filter != filter && !p.Done:
		return nil, &source.PositionLostError{Reason: "the settings of what is read have changed"}
	}
	return p, nil
}

// seenNodes returns what a position tells of a cluster.
func seenNodes(m *topology.Map) []seenNode {
	var all []seenNode
	for i := range m.Nodes {
		if n := &m.Nodes[i]; n.Slots.Len() > 0 {
			all = append(all, seenNode{n.ID, n.ConfigEpoch, n.Slots})
		}
	}
	return all
}
