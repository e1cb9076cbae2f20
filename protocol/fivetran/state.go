package fivetran

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/keylift/keylift/row"
)

// A state is what a checkpoint holds, and all that is left of a sync when the
// next one begins. Its size does not depend on the number of keys.
type state struct {
	Version    int    `json:"version"`
	Generation int64  `json:"generation"`       // of the snapshot whose rows were sent last
	Position   string `json:"position"`         // the source's own text, see row.Position.Token
	Tables     string `json:"tables,omitempty"` // fingerprint of the tables and columns sent
	Rows       bool   `json:"rows,omitempty"`   // some were sent since all were marked deleted
}

// stateVersion is raised when an older reader would misunderstand the state.
const stateVersion = 1

func newState(p row.Position, tables string, rows bool) state {
	return state{Version: stateVersion, Generation: p.Generation, Position: p.Token, Tables: tables, Rows: rows}
}

func (s state) json() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(text)
}

func (s state) position() row.Position {
	return row.Position{Generation: s.Generation, Token: s.Position}
}

// An origin says where a state comes from.
type origin uint8

const (
	noState        origin = iota // there is none: a first sync, or one that the user resets
	ownState                     // written by this connector
	referenceState               // written by the Connector SDK's example for Redis
	strangeState                 // written by a newer version, or broken
)

// parseState reads what the platform kept. Only an ownState has a position.
func parseState(text string) (state, origin) {
	if text == "" {
		return state{}, noState
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return state{}, strangeState
	}
	if len(fields) == 0 {
		return state{}, noState
	}
	var s state
	err := json.Unmarshal([]byte(text), &s)
	if err == nil && s.Version == stateVersion && s.Generation > 0 && s.Position != "" {
		return s, ownState
	}
	for _, name := range []string{"cursor", "last_sync_time", "timeseries_state"} {
		if _, ok := fields[name]; ok && fields["version"] == nil {
			return state{}, referenceState
		}
	}
	return state{}, strangeState
}

// fingerprint identifies the tables and the columns that are sent: rows sent
// before one of them changed are not like those sent after.
func fingerprint(tables []*tableEncoder) string {
	h := sha256.New()
	for _, e := range tables {
		_, _ = fmt.Fprintf(h, "table %q %d\n", e.table.Name, e.table.Keys)
		for _, c := range e.columns {
			col := &e.table.Columns[c.column]
			_, _ = fmt.Fprintf(h, "column %q %s\n", col.Name, col.Type)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
