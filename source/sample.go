package source

import (
	"context"

	"github.com/keylift/keylift/table"
)

// A Sampler is a Source that can look at a few of its keys, to find the tables
// that they suggest.
type Sampler interface {
	Source
	// Sample looks at so many names, and at fewer values, as to take the server no
	// more than a tenth of a second, and little of its time at any moment. It only
	// reads. The same keys of the same server process are the same sample.
	Sample(ctx context.Context, o SampleOptions) (*Sample, error)
}

// SampleOptions bound a sample.
type SampleOptions struct {
	Names int    // the most names that are looked at
	Seed  uint64 // chooses the keys whose values are looked at
	Table string // name of the default table, which no other has
}

// A Sample is what was seen of a deployment's keys.
type Sample struct {
	Keys    int64 // in the databases read, before patterns; UnknownKeys: not told
	Names   int   // that were looked at
	Matched int   // of these, how many patterns and types select
	Values  int   // that were looked at
	All     bool  // every name was looked at
	Tables  *table.Inference
	Unseen  []string // what could not be seen, in clauses
}

// UnknownKeys says that the source does not tell how many keys there are.
const UnknownKeys = -1
