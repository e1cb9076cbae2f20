package fivetran

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
)

// A stream is the response of one Update as a destination: rows become records,
// positions become checkpoints. What was sent cannot be taken back, and need not:
// records are keyed, and sending them again changes nothing.
type stream struct {
	out       batcher
	selection selection
	state     state // of the last checkpoint
	log       *slog.Logger
	warnings  *warnings

	tables     []*tableEncoder // those selected
	byName     map[string]*tableEncoder
	tablesID   string // their fingerprint
	generation int64  // of the rows sent; 0 before the first
	goesOn     bool   // from a place of the last sync
	starts     bool   // the generation has begun, and older rows are not marked deleted yet
	rows       bool   // some are not marked deleted

	checkpoints int64
	setAside    int64 // keys of this generation
}

var (
	_ destination.Destination = (*stream)(nil)
	_ destination.Tx          = (*stream)(nil)
)

// Prepare notes the tables that were selected.
func (s *stream) Prepare(_ context.Context, tables []*row.Table) error {
	s.tables, s.byName = nil, map[string]*tableEncoder{}
	for _, t := range tables {
		if e := s.selection.encoder(t); e != nil {
			s.tables = append(s.tables, e)
			s.byName[t.Name] = e
		}
	}
	s.tablesID = fingerprint(s.tables)
	return nil
}

// Checkpoint returns the position that the platform has kept. It has no place if
// other tables or columns were sent then: all rows are sent again.
func (s *stream) Checkpoint(context.Context, string) (row.Position, error) {
	p := s.state.position()
	if p.IsZero() {
		return p, nil
	}
	s.rows = s.state.Rows
	if s.state.Tables != s.tablesID {
		s.log.Warn("the selected columns have changed since the last sync: a new snapshot starts")
		return row.Position{Generation: p.Generation}, nil
	}
	s.generation, s.goesOn = p.Generation, p.Token != ""
	return p, nil
}

// Begin returns the stream itself: it has no transactions.
func (s *stream) Begin(context.Context, string) (destination.Tx, error) { return s, nil }

// Write sends the rows of b. The first of a generation come behind a record that
// marks all older rows deleted.
func (s *stream) Write(_ context.Context, b *row.Batch) error {
	if b.After.Generation != s.generation {
		s.generation, s.setAside, s.starts = b.After.Generation, 0, true
	}
	if b.Len() > 0 {
		if err := s.markOlder(); err != nil {
			return err
		}
	}
	e := s.byName[b.Table.Name]
	if e == nil {
		return nil
	}
	if e.table != b.Table && len(e.table.Columns) != len(b.Table.Columns) {
		return fmt.Errorf("send rows of table %q: its columns have changed", b.Table.Name)
	}
	for i, op := range b.Ops {
		typ := sdk.RecordType_UPSERT
		switch op {
		case row.Keep:
			s.setAside++
			continue
		case row.Stay:
			continue
		case row.Delete:
			typ = sdk.RecordType_DELETE
		case row.Upsert:
			s.rows = true
		}
		if err := s.out.row(e, b, i, typ); err != nil {
			return fmt.Errorf("send records: %w", err)
		}
	}
	return nil
}

// markOlder sends, once a generation, the record that marks all older rows deleted.
func (s *stream) markOlder() error {
	if !s.starts {
		return nil
	}
	if err := s.sendWarnings(); err != nil {
		return err
	}
	s.starts, s.rows = false, false
	for _, e := range s.tables {
		if e.table.Appends && s.goesOn {
			s.rows = true
			continue // what was sent before is not sent again
		}
		if err := s.out.truncate(e); err != nil {
			return fmt.Errorf("send records: %w", err)
		}
	}
	return nil
}

// Stage sends what was written, and behind it the checkpoint. As long as a generation
// has no row there is none: the next run would not know that older rows are to be
// marked deleted.
func (s *stream) Stage(_ context.Context, p row.Position) error {
	if s.starts {
		return nil
	}
	if err := s.sendWarnings(); err != nil {
		return err
	}
	s.state = newState(p, s.tablesID, s.rows)
	err := s.out.send(&sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Checkpoint{Checkpoint: &sdk.Checkpoint{StateJson: s.state.json()}}})
	if err != nil {
		return fmt.Errorf("send checkpoint: %w", err)
	}
	s.checkpoints++
	return nil
}

// errNoRows says that a snapshot would delete all rows.
var errNoRows = &destination.DeleteShareError{}

// PublishChanges is Stage: the platform decides what is visible when.
func (s *stream) PublishChanges(ctx context.Context, p row.Position) (destination.Counts, error) {
	return destination.Counts{Kept: s.setAside}, s.Stage(ctx, p)
}

// PublishSnapshot is Stage: rows that the snapshot did not send again stay marked
// deleted, whatever its scope. How many the warehouse holds is not known, but whether
// all would be deleted.
func (s *stream) PublishSnapshot(ctx context.Context, p row.Position, _ row.Scope, mayDelete float64) (destination.Counts, error) {
	if s.starts && s.rows && mayDelete < destination.AnyShare {
		return destination.Counts{}, errNoRows
	}
	if err := s.markOlder(); err != nil {
		return destination.Counts{}, err
	}
	if n := s.setAside; n > 0 {
		s.warnings.add(fmt.Sprintf("%d keys could not be read and were set aside. Their rows keep their values but count as deleted until a later sync can read them; "+
			"the connector's log names the reason", n))
	}
	if n := s.out.shortened; n > 0 {
		s.warnings.add(fmt.Sprintf("%d rows were longer than a message may be: their longest value is NULL. Leave such keys out by the exclude pattern, or lower the largest value", n))
	}
	if n := s.out.dropped; n > 0 {
		s.warnings.add(fmt.Sprintf("%d rows could not be sent, for their key alone is longer than a message may be. Leave such keys out by the exclude pattern", n))
	}
	return destination.Counts{Kept: s.setAside}, s.Stage(ctx, p)
}

// Rollback does nothing: records that were sent or gathered are right, and the
// position behind them is not sent.
func (s *stream) Rollback() error { return nil }

// Close does nothing: the request ends the stream.
func (s *stream) Close() error { return nil }

// sendWarnings sends the records gathered and the warnings that are waiting.
func (s *stream) sendWarnings() error {
	if err := s.out.flush(); err != nil {
		return fmt.Errorf("send records: %w", err)
	}
	for _, text := range s.warnings.take() {
		if err := s.out.send(&sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Warning{Warning: &sdk.Warning{Message: text}}}); err != nil {
			return fmt.Errorf("send warning: %w", err)
		}
	}
	return nil
}

// task asks the user to act, which ends the sync.
func (s *stream) task(text string) error {
	if err := s.sendWarnings(); err != nil {
		return err
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	return s.out.send(&sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Task{Task: &sdk.Task{Message: text}}})
}
