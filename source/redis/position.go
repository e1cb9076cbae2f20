package redis

import (
	"encoding/json"
	"fmt"

	"github.com/keylift/keylift/source"
)

// A position is where in a snapshot reading goes on: in front of the SCAN call
// with this cursor. A cursor means something to one server process alone.
type position struct {
	Version   int    `json:"v"`
	Mode      string `json:"mode,omitempty"`   // empty: scan
	RunID     string `json:"run_id,omitempty"` // of the server process; empty: unknown
	Origin    string `json:"origin,omitempty"` // of a replica that is read in place of its primary
	Filter    string `json:"filter"`           // fingerprint of the settings
	Databases []int  `json:"databases"`        // of this snapshot, ascending
	Database  int    `json:"database"`         // being read
	Cursor    uint64 `json:"cursor,string"`    // 0: at the start of the database
	Done      bool   `json:"done,omitempty"`   // the snapshot is complete
	// Marks say how far keys were read whose rows are only added to.
	Marks map[string]mark `json:"marks,omitempty"`
}

const positionVersion = 1

func (p position) token() string { return tokenOf(p) }

// tokenOf returns a position of any mode as a token.
func tokenOf(p any) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(text)
}

// parsePosition reads a token. A token of an unknown version is a lost position.
func parsePosition(token string) (position, error) {
	var p position
	if err := json.Unmarshal([]byte(token), &p); err != nil || p.Version != positionVersion {
		return p, &source.PositionLostError{Reason: "it was written by another version of keylift"}
	}
	if p.Mode != "" {
		return p, &source.PositionLostError{Reason: "it was made in mode " + p.Mode}
	}
	return p, nil
}

// check reports, as a *source.PositionLostError, that p is no place in the
// server process runID, or in what it copied from origin, under the settings that
// filter identifies.
func (p position) check(runID, origin, filter string) error {
	switch {
	case p.Filter != filter:
		return &source.PositionLostError{Reason: "the settings of what is read have changed"}
	case p.RunID == "" || runID == "":
		return &source.PositionLostError{Reason: "the server does not tell its run id, so a cursor cannot be trusted"}
	case p.RunID != runID:
		return &source.PositionLostError{Reason: restarted(p.RunID, runID)}
	case p.Origin != origin:
		return &source.PositionLostError{Reason: anotherOrigin(p.Origin, origin)}
	}
	return nil
}

func restarted(was, is string) string {
	return fmt.Sprintf("the server restarted or was replaced (run id %.8s became %.8s)", was, is)
}
