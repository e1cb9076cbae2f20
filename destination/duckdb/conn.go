package duckdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// A conn is an instance of DuckDB and the one connection to it, by DuckDB's C
// interface: rows come and go by whole vectors, which database/sql cannot.
type conn struct {
	db mapping.Database
	c  mapping.Connection
}

// connect starts DuckDB with these settings. It has no file yet.
func connect(settings map[string]string) (*conn, error) {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return nil, errors.New("no memory for DuckDB's settings")
	}
	defer mapping.DestroyConfig(&config)
	for name, value := range settings {
		if mapping.SetConfig(config, name, value) == mapping.StateError {
			return nil, fmt.Errorf("DuckDB does not take %s = %s", name, value)
		}
	}
	c := &conn{}
	var text string
	if mapping.OpenExt("", &c.db, config, &text) == mapping.StateError {
		c.close()
		return nil, plain(text)
	}
	if mapping.Connect(c.db, &c.c) == mapping.StateError {
		c.close()
		return nil, errors.New("DuckDB takes no connection")
	}
	if err := c.registerEach(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close stops DuckDB and releases its files.
func (c *conn) close() {
	mapping.Disconnect(&c.c)
	mapping.Close(&c.db)
}

// exec runs a statement.
func (c *conn) exec(ctx context.Context, q string, args ...any) error {
	return c.query(ctx, q, func(*chunk) error { return nil }, args...)
}

// query runs a statement and hands its result to f, chunk by chunk. f may run
// other statements: the result is held in memory whole.
func (c *conn) query(ctx context.Context, q string, f func(*chunk) error, args ...any) error {
	var statement mapping.PreparedStatement
	defer mapping.DestroyPrepare(&statement)
	if mapping.Prepare(c.c, q, &statement) == mapping.StateError {
		return plain(mapping.PrepareError(statement))
	}
	for i, arg := range args {
		if err := bind(statement, mapping.IdxT(i+1), arg); err != nil {
			return err
		}
	}
	var result mapping.Result
	defer mapping.DestroyResult(&result)
	err := c.interruptibly(ctx, func() error {
		if mapping.ExecutePrepared(statement, &result) == mapping.StateError {
			return plain(mapping.ResultError(&result))
		}
		return nil
	})
	for err == nil {
		part := mapping.FetchChunk(result)
		if part.Ptr == nil {
			return nil
		}
		err = f(newChunk(part))
		mapping.DestroyDataChunk(&part)
	}
	return err
}

// interruptibly runs a call of DuckDB, which it ends early when ctx is cancelled.
func (c *conn) interruptibly(ctx context.Context, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		mapping.Interrupt(c.c)
		close(interrupted)
	})
	err := call()
	if !stop() {
		<-interrupted // lest it end the next call
		if err != nil {
			err = errors.Join(ctx.Err(), err)
		}
	}
	return err
}

// bind sets a parameter of a statement. The zero time is NULL.
func bind(s mapping.PreparedStatement, i mapping.IdxT, arg any) error {
	var state mapping.State
	switch v := arg.(type) {
	case string:
		state = mapping.BindVarcharLength(s, i, v, mapping.IdxT(len(v)))
	case []byte:
		state = mapping.BindBlob(s, i, v)
	case int64:
		state = mapping.BindInt64(s, i, v)
	case bool:
		state = mapping.BindBoolean(s, i, v)
	case time.Time:
		if v.IsZero() {
			state = mapping.BindNull(s, i)
		} else {
			state = mapping.BindTimestampTZ(s, i, mapping.NewTimestamp(v.UnixMicro()))
		}
	default:
		panic(fmt.Sprintf("duckdb: a parameter of type %T", arg))
	}
	if state == mapping.StateError {
		return plain(mapping.PrepareError(s))
	}
	return nil
}

// plain makes one clear sentence of what DuckDB says in several.
func plain(text string) error {
	text, _, _ = strings.Cut(text, "\n")
	if strings.HasPrefix(text, "Out of Memory Error") || strings.Contains(text, "could not allocate block") {
		return fmt.Errorf("DuckDB has not enough memory; raise memory_limit (%s)", text)
	}
	for _, full := range []string{"No space left on device", "Disk quota exceeded", "File too large"} {
		if strings.Contains(text, full) {
			return fmt.Errorf("the disk is full; make room on it, and the sync goes on where it was (%s)", text)
		}
	}
	for _, denied := range []string{"Permission denied", "Operation not permitted", "Read-only file system"} {
		if strings.Contains(text, denied) {
			return fmt.Errorf("the system does not permit that (%s); check the permissions of the file and of its folder", text)
		}
	}
	return errors.New(text)
}
