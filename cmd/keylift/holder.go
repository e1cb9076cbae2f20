package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/duckdb"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/row"
)

// A holder is what a sync tells of itself beside the file that it writes to, which
// nobody else may open meanwhile.
type holder struct {
	PID      int          `json:"pid"`
	Sync     string       `json:"sync"`
	Follows  bool         `json:"follows"`
	Keys     int64        `json:"keys"` // about, in the server; 0: not known
	RowsRead int64        `json:"rows_read"`
	Position row.Position `json:"position"` // behind what is published
	ReadAt   time.Time    `json:"read_at"`  // when that had been read; zero: nothing is published yet
}

const (
	holderSuffix = ".status"
	tellEvery    = time.Second
)

// tell keeps the file that says how far the sync has come, until stop is called.
func tell(ctx context.Context, cfg *config.Config, dst destination.Store, p *engine.Progress, keys int64) (stop func()) {
	if cfg.Destination.Path == "" {
		return func() {}
	}
	h := holder{PID: os.Getpid(), Sync: syncName(cfg), Follows: cfg.Follow, Keys: keys}
	if cfg.Follow { // it may be long before there is something to publish
		if st, err := dst.Status(ctx, h.Sync); err == nil && st.Published {
			h.Position, h.ReadAt = st.Position, st.CheckpointAt
		}
	}
	path := duckdb.Place(cfg.Destination.Path) + holderSuffix
	// Whoever cannot write here has more to say when rows are written.
	_ = h.write(path)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			was := h
			if h.RowsRead = p.Rows(); p.Published() != nil {
				h.Position, h.ReadAt = p.Published().Position, p.Published().ReadAt
			}
			if h != was {
				_ = h.write(path)
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		_ = os.Remove(path)
	}
}

// write replaces the file whole.
func (h *holder) write(path string) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, path)
}

// holderOf returns who holds the destination, so that it cannot be opened, as err
// says; nil where that is not known. What a process left behind that was killed
// tells of no other.
func holderOf(cfg *config.Config, err error) *holder {
	held, ok := errors.AsType[interface {
		error
		Holder() int
	}](err)
	if !ok {
		return nil
	}
	text, err := os.ReadFile(duckdb.Place(cfg.Destination.Path) + holderSuffix)
	if err != nil {
		return nil
	}
	var h holder
	if err := json.Unmarshal(text, &h); err != nil || h.PID != held.Holder() || h.Sync != syncName(cfg) {
		return nil
	}
	return &h
}

// heldError says, for a command that cannot do without the destination, who holds it.
func heldError(cfg *config.Config, err error) error {
	h := holderOf(cfg, err)
	if h == nil {
		return err
	}
	if !h.Follows {
		return fmt.Errorf("%s is held by process %d, which is a sync into it; wait for its end and run this again", filepath.Clean(cfg.Destination.Path), h.PID)
	}
	return fmt.Errorf("%s is held by process %d, which follows the server into it; end that process, run this, and start it again: it goes on where it was",
		filepath.Clean(cfg.Destination.Path), h.PID)
}
