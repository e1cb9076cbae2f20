package engine

import (
	"sync/atomic"
	"time"

	"github.com/keylift/keylift/row"
)

// A Progress tells how far a run has come. It may be read while Run goes on.
type Progress struct {
	rows, bytes, checkpoints atomic.Int64
	published                atomic.Pointer[Publication]
}

// A Publication is how far the destination shows the source.
type Publication struct {
	Position row.Position
	ReadAt   time.Time // when what it ends with had been read
}

// Published returns the last publication of the run, nil before the first.
func (p *Progress) Published() *Publication { return p.published.Load() }

func (p *Progress) add(b *row.Batch) {
	rows := b.Len()
	for _, op := range b.Ops {
		if op == row.Stay || b.Table.Group > 0 && op != row.Upsert {
			rows-- // it speaks of a key, whose rows are others
		}
	}
	p.rows.Add(int64(rows))
	p.bytes.Add(int64(len(b.Text)))
}

// Rows returns the number of rows read and written.
func (p *Progress) Rows() int64 { return p.rows.Load() }

// Bytes returns the number of bytes of text in them.
func (p *Progress) Bytes() int64 { return p.bytes.Load() }

// Checkpoints returns the number of checkpoints committed.
func (p *Progress) Checkpoints() int64 { return p.checkpoints.Load() }
