package replication

// An Outcome is what a command alone says of a key after it.
type Outcome uint8

const (
	Reread Outcome = iota // the key may have changed: read it
	Gone                  // the key does not exist
	Text                  // the key is a string: Value, with the expiry ExpiresAt
)

// A Change is what became of one key.
type Change struct {
	Key     string
	Outcome Outcome
	// Value is the whole string when the Outcome is Text.
	Value []byte
	// ExpiresAt is the expiry in milliseconds since 1970 when the Outcome is Text;
	// 0 for none. It may be past: a delete follows in the stream.
	ExpiresAt int64
}
