package destinationtest

import (
	"reflect"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// status returns the status with its times apart.
func (r *run) status() (s destination.Status, started, checkpoint, published time.Time) {
	r.t.Helper()
	got, err := r.d.Status(r.t.Context(), syncName)
	if err != nil {
		r.t.Fatalf("status: %v", err)
	}
	s = *got
	started, checkpoint, published = s.StartedAt, s.CheckpointAt, s.PublishedAt
	s.StartedAt, s.CheckpointAt, s.PublishedAt = time.Time{}, time.Time{}, time.Time{}
	return s, started, checkpoint, published
}

func (r *run) wantStatus(got, want destination.Status) {
	r.t.Helper()
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("status: got %+v, want %+v", got, want)
	}
}

func testStatus(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players, scores)
	s, started, checkpoint, published := r.status()
	r.wantStatus(s, destination.Status{})
	if !started.IsZero() || !checkpoint.IsZero() || !published.IsZero() {
		t.Errorf("times before the first sync: %v, %v, %v, want none", started, checkpoint, published)
	}

	tx := r.begin()
	r.write(tx, players, position(1, 0), player("a", "1", 10), player("b", "2", 10))
	r.write(tx, scores, position(1, 0), upsert("x", 1.0))
	r.stage(tx, position(1, 1))
	r.reopen()
	s, started, checkpoint, published = r.status()
	r.wantStatus(s, destination.Status{
		Position: position(1, 1),
		Tables:   []destination.TableStatus{{Name: "players", Staged: 2}, {Name: "scores", Staged: 1}},
	})
	if started.IsZero() || checkpoint.IsZero() || !published.IsZero() {
		t.Errorf("times after a stage: %v, %v, %v, want two and none", started, checkpoint, published)
	}

	r.publishSnapshot(r.begin(), position(1, 2), everything)
	r.nextRun()
	r.snapshot(2, player("a", "1", 10))
	s, started, checkpoint, published = r.status()
	r.wantStatus(s, destination.Status{
		Position:  position(2, 1),
		Published: true,
		Tables:    []destination.TableStatus{{Name: "players", Rows: 1, Deleted: 1}, {Name: "scores", Deleted: 1}},
	})
	if started.IsZero() || checkpoint.Before(started) || published.Before(started) {
		t.Errorf("times after a publication: started %v, checkpoint %v, published %v", started, checkpoint, published)
	}
}

func testReset(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, hard, players)
	r.snapshot(1, player("a", "1", 10), player("b", "2", 10))
	tx := r.begin()
	r.write(tx, players, position(1, 2), player("c", "3", 20))
	r.stage(tx, position(1, 2))
	if err := r.d.Reset(t.Context(), syncName); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.wantCheckpoint(row.Position{})
		r.want(players, player("a", "1", 10), player("b", "2", 10))
		r.reopen()
	}
	r.wantCounts(r.snapshot(1, player("a", "1", 30)), destination.Counts{Unchanged: 1, Deleted: 1})
	r.want(players, player("a", "1", 10))
}
