package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source/redis"
	"github.com/keylift/keylift/wire"
)

// What keylift takes by default, in bytes.
const (
	followMemory = 256 << 20
	followShare  = followMemory / wire.SourceShare
)

// runFollow follows the server into a file that a sync has filled, for followFor
// from its first publication on, and tells the longest time that a write waited
// until it was published.
func runFollow(ctx context.Context, address string, args []string) (lag time.Duration, err error) {
	if len(args) != 1 {
		return 0, errors.New("follow needs a file")
	}
	wire.GiveWay() // as keylift does
	src, err := redis.Open(redis.Options{
		Address: address, Patterns: []string{"*"}, // as the sync before had it
		Replica: true, Follow: true, MemoryBytes: followShare,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	store, err := duckdb.Open(ctx, duckdb.Options{
		Path: args[0], Schema: "main", Deletes: destination.SoftDeletes, MemoryBytes: followMemory - 2*followShare,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	m := &meter{first: make(chan struct{})}
	following, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		sum, err := engine.Run(following, engine.Options{
			Sync: "main", Source: src, Destination: &timed{store, m}, QueueBytes: followShare,
			CheckpointRows: 1000, CheckpointEvery: time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		if len(sum.StartedOver) > 0 {
			err = fmt.Errorf("a new snapshot was read: %s", sum.StartedOver[0])
		}
		ended <- err
	}()
	select {
	case <-m.first:
		err = m.watch(following, address)
	case err = <-ended:
		return 0, fmt.Errorf("it ended before anything was published: %w", err)
	}
	stop()
	if ran := <-ended; !errors.Is(ran, engine.ErrInterrupted) {
		err = errors.Join(err, ran)
	}
	return m.lag, err
}

// A meter finds how long writes wait until they are published.
type meter struct {
	first chan struct{} // closed by the first publication

	mu      sync.Mutex
	begun   bool
	waiting []mark // in order
	lag     time.Duration
}

// A mark says when the server's history had come to an offset.
type mark struct {
	at     time.Time
	offset int64
}

const markEvery = 20 * time.Millisecond

// watch asks the server how far it is, again and again.
func (m *meter) watch(ctx context.Context, address string) error {
	client, err := connect(address)
	if err != nil {
		return err
	}
	defer client.Close()
	s := &server{client: client}
	end := time.After(followFor)
	for {
		select {
		case <-time.After(markEvery):
			text, err := s.info(ctx, "replication", "master_repl_offset")
			if err != nil {
				return err
			}
			offset, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return err
			}
			m.written(mark{time.Now(), offset})
		case <-end:
			m.end()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *meter) written(k mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, k)
}

// published notes that everything up to offset is.
func (m *meter) published(offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.begun {
		m.begun = true
		close(m.first)
	}
	for len(m.waiting) > 0 && m.waiting[0].offset <= offset {
		m.lag = max(m.lag, time.Since(m.waiting[0].at))
		m.waiting = m.waiting[1:]
	}
}

// end counts what is not published yet.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) > 0 {
		m.lag = max(m.lag, time.Since(m.waiting[0].at))
	}
}

// timed is a destination whose publications a meter sees.
type timed struct {
	destination.Destination
	meter *meter
}

func (t *timed) Begin(ctx context.Context, sync string) (destination.Tx, error) {
	tx, err := t.Destination.Begin(ctx, sync)
	return &timedTx{tx, t.meter}, err
}

type timedTx struct {
	destination.Tx
	meter *meter
}

func (t *timedTx) PublishChanges(ctx context.Context, p row.Position) (destination.Counts, error) {
	counts, err := t.Tx.PublishChanges(ctx, p)
	if err != nil {
		return counts, err
	}
	var place struct{ Offset int64 }
	if err := json.Unmarshal([]byte(p.Token), &place); err != nil {
		return counts, err
	}
	t.meter.published(place.Offset)
	return counts, nil
}
