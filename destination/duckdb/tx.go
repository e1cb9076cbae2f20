package duckdb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// A tx is one transaction of the file.
type tx struct {
	d       *Destination
	sync    string
	open    map[*preparedTable]*stageAppender
	rows    []int                   // of the batch at hand that are staged
	keys    []uint64                // hashes of its rows' keys
	done    bool                    // committed or rolled back
	widened bool                    // tables have got columns by it
	local   map[*preparedTable]bool // rows have been appended to their stages
	handed  int                     // how often DuckDB was, see relieve
}

// Begin starts a transaction.
func (d *Destination) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	if !d.known {
		s, err := d.readSync(ctx, sync)
		if err != nil {
			return nil, err
		}
		if err := d.remember(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := d.limitMemory(ctx, stagingMemory(d.o.MemoryBytes, d.indexBytes())); err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	if err := d.conn.exec(ctx, "BEGIN"); err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	return &tx{d: d, sync: sync, open: map[*preparedTable]*stageAppender{}, local: map[*preparedTable]bool{}}, nil
}

// remember takes over how far the sync has come.
func (d *Destination) remember(ctx context.Context, s *syncRow) error {
	switch {
	case s == nil: // Reset may have forgotten it
		for _, t := range d.tables {
			if !t.History {
				continue
			}
			last, err := d.count(ctx, "SELECT epoch_us(max("+startColumn+")) FROM "+d.name(t.Name))
			if err != nil {
				return fmt.Errorf("find the last version in table %q: %w", t.Name, err)
			}
			if last := moment(last); last.After(d.last) {
				d.last = last
			}
		}
	case s.published:
		d.published, d.last = s.position.Generation, s.started
	default:
		d.generation, d.started, d.last = s.position.Generation, s.started, s.started
	}
	d.known = true
	return nil
}

// enter makes sure that what is staged belongs to generation.
func (tx *tx) enter(ctx context.Context, generation int64) error {
	d := tx.d
	if d.generation == generation {
		return nil
	}
	tx.discard()
	for _, t := range d.tables {
		if err := d.dropStage(ctx, t); err != nil {
			return fmt.Errorf("drop staged rows of table %q: %w", t.Name, err)
		}
	}
	clear(tx.local)
	d.staged, d.generation = nil, generation
	d.started = time.Now().UTC().Truncate(time.Millisecond)
	if next := d.last.Add(time.Millisecond); d.started.Before(next) {
		d.started = next
	}
	d.last = d.started
	return nil
}

// Stage commits what was written, unpublished.
func (tx *tx) Stage(ctx context.Context, p row.Position) error {
	if err := tx.enter(ctx, p.Generation); err != nil {
		return err
	}
	s, err := tx.d.readSync(ctx, tx.sync)
	if err != nil {
		return err
	}
	if s == nil {
		s = &syncRow{}
	}
	s.position, s.published, s.started = p, false, tx.d.started
	for _, t := range tx.d.tables {
		if len(t.seen) == 0 {
			continue
		}
		if err := tx.relieve(ctx); err != nil {
			return err
		}
		if err := tx.d.note(ctx, t); err != nil {
			return fmt.Errorf("note unchanged keys of table %q: %w", t.Name, err)
		}
	}
	if err := tx.commit(ctx, s); err != nil {
		return fmt.Errorf("commit staged rows: %w", err)
	}
	// What the log holds fills memory too.
	return tx.d.checkpoint(context.WithoutCancel(ctx), tx.d.limit/4*3)
}

// commit hands all rows to DuckDB and commits them with the position. From the
// commit on it does not stop half-way: ctx no longer counts.
func (tx *tx) commit(ctx context.Context, s *syncRow) error {
	if err := tx.closeAppenders(ctx); err != nil {
		return err
	}
	if err := tx.d.writeSync(ctx, tx.sync, s); err != nil {
		return err
	}
	if err := tx.d.conn.exec(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return err
	}
	tx.done = true
	return nil
}

func (tx *tx) closeAppenders(ctx context.Context) error {
	for t, a := range tx.open {
		if err := tx.relieve(ctx); err != nil {
			return err
		}
		delete(tx.open, t)
		if err := a.close(ctx); err != nil {
			return err
		}
	}
	return nil
}

// discard drops the rows that DuckDB has not been handed yet.
func (tx *tx) discard() {
	for _, a := range tx.open {
		a.clear()
		_ = a.close(context.Background())
	}
	clear(tx.open)
}

// Rollback drops what is not committed.
func (tx *tx) Rollback() error {
	if tx.done {
		return nil
	}
	tx.done = true
	tx.discard()
	tx.d.forget()
	// A commit that failed has ended the transaction already.
	if err := tx.d.conn.exec(context.Background(), "ROLLBACK"); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		return fmt.Errorf("roll back: %w", err)
	}
	err := tx.d.withListing(context.Background(), func() error {
		for _, t := range tx.d.tables {
			if err := tx.d.findStage(context.Background(), t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	if tx.widened {
		if err := tx.d.narrow(context.Background()); err != nil {
			return fmt.Errorf("roll back: %w", err)
		}
	}
	return nil
}

// forget makes the next transaction read again what is staged.
func (d *Destination) forget() {
	d.known, d.generation, d.started, d.staged = false, 0, time.Time{}, nil
	for _, t := range d.tables {
		t.forget()
	}
}
