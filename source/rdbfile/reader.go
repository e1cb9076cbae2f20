package rdbfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/snapshot"
	"github.com/keylift/keylift/source"
)

// A position says that a file has been read whole: there is no place within one
// to go on from.
type position struct {
	Version int    `json:"v"`
	Mode    string `json:"mode"`
}

var endOfFile = position{Version: 1, Mode: "rdb"}

// Open starts to read the file, always from its beginning.
func (s *Source) Open(ctx context.Context, from row.Position) (source.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if from.Token != "" {
		var p position
		if err := json.Unmarshal([]byte(from.Token), &p); err != nil || p != endOfFile {
			return nil, &source.PositionLostError{Reason: "it is no place in an RDB file"}
		}
	}
	f, err := s.file()
	if err != nil {
		return nil, err
	}
	generation := from.Generation + 1
	return &reader{source: s, file: f, generation: generation, rows: snapshot.NewReader(f, snapshot.Options{
		Plan:   s.plan,
		Filter: s.options.Filter, Databases: s.options.Databases,
		Generation: generation, MemoryBytes: s.options.MemoryBytes,
		Notices: source.NewNotices(s.options.Logger, s.options.LogKeys),
	})}, nil
}

// A reader reads one file to its end.
type reader struct {
	source     *Source
	file       io.Closer
	rows       *snapshot.Reader
	generation int64
	ended      bool
}

// Next returns the next batch; the last one, without rows, closes the snapshot.
func (r *reader) Next(ctx context.Context) (*row.Batch, error) {
	if r.ended {
		return nil, io.EOF
	}
	b, err := r.rows.Next(ctx)
	if errors.Is(err, io.EOF) {
		r.ended = true
		return r.end(), nil
	}
	if err != nil && ctx.Err() == nil {
		return nil, r.source.access(explain(err))
	}
	return b, err
}

// end returns the batch that closes the snapshot.
func (r *reader) end() *row.Batch {
	token, err := json.Marshal(endOfFile)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	s := r.source
	b := row.NewBatch(s.plan.Tables()[0])
	b.After = row.Position{Generation: r.generation, Token: string(token)}
	b.Closes, b.Scope = row.Snapshot, s.options.Filter.Scope(s.options.Databases, s.plan.Types())
	return b
}

// explain says what is wrong with a file and what to do about it.
func explain(err error) error {
	if newer, ok := errors.AsType[*rdb.UnsupportedError](err); ok {
		return fmt.Errorf("it holds a value of type %d in RDB version %d, which this keylift does not know; use a newer one, or read the server itself with mode scan", newer.Opcode, newer.Version)
	}
	corrupt, ok := errors.AsType[*rdb.CorruptError](err)
	switch {
	case ok && corrupt.At == 0:
		return errors.New("it is no RDB file; name one in rdb_file")
	case ok:
		return fmt.Errorf("the file is damaged at byte %d: %s; nothing of it is published; make it anew, or name another in rdb_file", corrupt.At, corrupt.What)
	}
	return fmt.Errorf("reading fails: %w; nothing of it is published; check rdb_file", err)
}

// Close ends the reading and waits for its goroutines. Where the input is a
// terminal or a pipe that nobody writes to, that takes until it ends.
func (r *reader) Close() error {
	err := r.file.Close()
	return errors.Join(err, r.rows.Close())
}
