package row

// A Position is a place in a source from which reading can go on. The zero
// Position lies before everything: reading from it starts the first snapshot.
// A Position with a Generation and no Token stands after that generation, at no
// place the source knows: reading from it starts the next snapshot.
type Position struct {
	// Generation is the number of the snapshot that the position lies in or
	// ends; the first is 1.
	Generation int64
	// Token is the source's own, versioned encoding of the place, as JSON text
	// without secrets. Nothing but the source that made it reads it.
	Token string
}

// IsZero reports whether p lies before everything.
func (p Position) IsZero() bool { return p == Position{} }

// A Boundary says what a batch brings to an end.
type Boundary uint8

const (
	// None: more of the same unit follows; After is not yet a place to resume from.
	None Boundary = iota
	// Commit: After is a legal checkpoint.
	Commit
	// Changes: a run of changes is complete and may be published.
	Changes
	// Snapshot: every key of the snapshot's scope has been delivered; it may be published.
	Snapshot
)
