// Package source is the contract between the engine and what keylift reads
// from. Implementations live in its folders.
package source

import (
	"context"
	"fmt"

	"github.com/keylift/keylift/row"
)

// A Source opens streams of row changes from one Redis deployment. Its methods
// may be called one at a time.
type Source interface {
	// Tables lists the tables that this source produces. It only reads.
	Tables(ctx context.Context) ([]*row.Table, error)
	// Inspect reports what the source finds: who it reads, what it may do, how it
	// will read, and about how much there is. It only reads. An error means that
	// no node could be reached; what is merely not permitted is a Finding.
	Inspect(ctx context.Context) (*Report, error)
	// Open starts reading after from; a Position without Token starts the next
	// snapshot. It returns a *PositionLostError when that place no longer exists.
	Open(ctx context.Context, from row.Position) (Reader, error)
	Close() error
}

// A Follower is a Source that can tell how far positions lie behind.
type Follower interface {
	Source
	// Lag returns how many bytes of changes the source has made behind a position,
	// or NoLag where it does not count them. It may be called at any time, also while
	// a Reader reads.
	Lag(ctx context.Context, at row.Position) (int64, error)
}

// NoLag is what Lag returns for positions behind which no changes are counted.
const NoLag = -1

// A Reader yields batches in source order, to one goroutine at a time.
type Reader interface {
	// Next blocks for the next batch; io.EOF follows the last, which closes Changes
	// or Snapshot. The caller owns the batch. A *PositionLostError says that the place being read from vanished
	// (the server restarted); an error whose Retryable method reports true may
	// succeed when the source is opened again after the last batch.
	Next(ctx context.Context) (*row.Batch, error)
	Close() error // stops the reader's goroutines and waits for them
}

// A PositionLostError says that a position no longer exists in the source, so
// that its snapshot has to start over.
type PositionLostError struct {
	Reason string // a clause: "the server restarted (run id 1f.. became 9c..)"
	// Emptied says that a database was seen to be emptied or exchanged: the snapshot
	// that follows may delete any share of the rows.
	Emptied bool
}

func (e *PositionLostError) Error() string {
	return "the position to resume from is lost: " + e.Reason
}

// An AccessError says that the source cannot be reached or does not permit
// what is needed; only the user can mend it.
type AccessError struct {
	Node    string // host:port or socket path; empty: no node in particular
	Refused bool   // the source answered and refused; otherwise it was not reached
	Err     error  // what happened and what to do
}

func (e *AccessError) Error() string {
	if e.Node == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Node, e.Err)
}
func (e *AccessError) Unwrap() error { return e.Err }

// A Report is what Inspect found.
type Report struct {
	Mode   string // the reading mode that Open will use: "scan"
	Reason string // why that mode, a clause
	Nodes  []Node
	Keys   int64 // estimated number of keys in the databases read, before key patterns
	// Uncounted says that Keys lacks those of which nothing tells the number.
	Uncounted bool
	Findings  []Finding
	// Missing are the ACL rules that would grant the commands that are not
	// permitted, sorted: "+dump", "+memory|usage". Findings tell what each costs.
	Missing []string
}

// A Node is one server process of the deployment.
type Node struct {
	Address string
	Version string // "redis 7.0.15", "valkey 8.1.0"
	RunID   string
	Role    string // "primary" or "replica"
}

// A Finding is the outcome of one check.
type Finding struct {
	Name   string // "connect", "permission DUMP"
	Level  Level
	Detail string // what was found and, unless it is OK, what to do
}

// A Level says how bad a Finding is.
type Level uint8

// OK needs nothing, Warn works with a loss that Detail names, Fail stops a sync.
const (
	OK Level = iota
	Warn
	Fail
)
