package destinationtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

const (
	soft   = destination.SoftDeletes
	hard   = destination.HardDeletes
	ignore = destination.IgnoreDeletes
)

func testFirstSnapshot(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.want(players)
	n := r.snapshot(1, player("a", "1", 10), expiring("b", "2", 60, 70*time.Second, 10*time.Second))
	r.wantCounts(n, destination.Counts{New: 2})
	r.wantCheckpoint(position(1, 1))
	want := []line{player("a", "1", 10), expiring("b", "2", 60, 70*time.Second, 10*time.Second)}
	r.want(players, want...)
	r.reopen()
	r.want(players, want...)
	r.wantCheckpoint(position(1, 1))
	if s := r.system("a"); s.Deleted {
		t.Error("a row of the snapshot is marked deleted")
	}
}

func testUnchanged(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", "1", 10), expiring("b", "2", 60, 70*time.Second, 10*time.Second), player("c", "3", 10))
	before := r.system("b")
	r.nextRun()
	n := r.snapshot(2, player("c", "3", 20), player("a", "1", 20), expiring("b", "2", 50, 70*time.Second, 20*time.Second))
	r.wantCounts(n, destination.Counts{Unchanged: 3})
	r.wantCheckpoint(position(2, 1))
	r.want(players, player("a", "1", 10), expiring("b", "2", 60, 70*time.Second, 10*time.Second), player("c", "3", 10))
	if after := r.system("b"); !after.Synced.Equal(before.Synced) {
		t.Errorf("an unchanged row says that it was written: synced %v, before %v", after.Synced, before.Synced)
	}
}

func testChanged(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", "1", 10), player("b", "", 10), upsert("c", nil, int64(-1), nil, at(10)), player("d", "4", 10))
	before := r.system("a")
	r.nextRun()
	n := r.snapshot(
		2,
		player("a", "one", 20),
		upsert("b", nil, int64(-1), nil, at(20)),
		player("c", "", 20),
		player("d", "4", 20),
		player("e", "5", 20),
	)
	r.wantCounts(n, destination.Counts{New: 1, Changed: 3, Unchanged: 1})
	r.want(
		players,
		player("a", "one", 20),
		upsert("b", nil, int64(-1), nil, at(20)),
		player("c", "", 20),
		player("d", "4", 10),
		player("e", "5", 20),
	)
	if after := r.system("a"); !after.Synced.After(before.Synced) {
		t.Errorf("a changed row: synced %v, want later than %v", after.Synced, before.Synced)
	}
	if a, e := r.system("a"), r.system("e"); !a.Synced.Equal(e.Synced) {
		t.Errorf("rows written by one sync: synced %v and %v, want the start of the sync for both", a.Synced, e.Synced)
	}
}

// testExpiry moves an expiry by each of some amounts: players tolerates one second.
func testExpiry(t *testing.T, newPlace NewPlace) {
	const expires, first, second = 100 * time.Second, 10 * time.Second, 20 * time.Second
	stored := expiring("a", "1", 90, expires, first)
	never := player("a", "1", 20)
	for _, c := range []struct {
		name          string
		before, after line
		changed       bool
	}{
		{"same", stored, expiring("a", "1", 80, expires, second), false},
		{"a second later", stored, expiring("a", "1", 80, expires+time.Second, second), false},
		{"a second earlier", stored, expiring("a", "1", 80, expires-time.Second, second), false},
		{"more than a second later", stored, expiring("a", "1", 80, expires+time.Second+time.Microsecond, second), true},
		{"more than a second earlier", stored, expiring("a", "1", 80, expires-time.Second-time.Microsecond, second), true},
		{"given up", stored, never, true},
		{"set", never, expiring("a", "1", 0, 0, second), true},
		{"none", never, player("a", "1", 30), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, newPlace, soft, players)
			r.snapshot(1, c.before)
			n := r.snapshot(2, c.after)
			if c.changed {
				r.wantCounts(n, destination.Counts{Changed: 1})
				r.want(players, c.after)
				return
			}
			r.wantCounts(n, destination.Counts{Unchanged: 1})
			r.want(players, c.before)
		})
	}
}

func testDeletes(t *testing.T, newPlace NewPlace) {
	for _, c := range []struct {
		deletes destination.Deletes
		counts  destination.Counts
		rows    []line
		status  destination.TableStatus
	}{
		{
			soft,
			destination.Counts{Unchanged: 1, Deleted: 1},
			[]line{player("a", "1", 10)},
			destination.TableStatus{Name: "players", Rows: 1, Deleted: 1},
		},
		{
			hard,
			destination.Counts{Unchanged: 1, Deleted: 1},
			[]line{player("a", "1", 10)},
			destination.TableStatus{Name: "players", Rows: 1},
		},
		{
			ignore,
			destination.Counts{Unchanged: 1},
			[]line{player("a", "1", 10), player("b", "2", 10)},
			destination.TableStatus{Name: "players", Rows: 2},
		},
	} {
		t.Run(string(c.deletes), func(t *testing.T) {
			r := start(t, newPlace, c.deletes, players)
			r.snapshot(1, player("a", "1", 10), player("b", "2", 10))
			before := r.system("b")
			r.nextRun()
			r.wantCounts(r.snapshot(2, player("a", "1", 20)), c.counts)
			r.want(players, c.rows...)
			if c.deletes == soft {
				if s := r.system("b"); !s.Deleted || !s.Synced.After(before.Synced) {
					t.Errorf("row of the deleted key: %+v, want deleted, and synced later than %v", s, before.Synced)
				}
				if s := r.system("a"); s.Deleted {
					t.Error("the row of a living key is marked deleted")
				}
			}
			r.wantCounts(r.snapshot(3, player("a", "1", 30)), destination.Counts{Unchanged: 1})
			r.want(players, c.rows...)
			s, _, _, _ := r.status()
			r.wantStatus(s, destination.Status{
				Position: position(3, 1), Published: true,
				Tables: []destination.TableStatus{c.status},
			})
		})
	}
}

func testRevival(t *testing.T, newPlace NewPlace) {
	for _, c := range []struct {
		deletes    destination.Deletes
		same, also destination.Counts
		rows       []line
	}{
		{soft, destination.Counts{New: 1}, destination.Counts{New: 1, Unchanged: 1}, []line{player("a", "1", 30), player("b", "two", 40)}},
		{hard, destination.Counts{New: 1}, destination.Counts{New: 1, Unchanged: 1}, []line{player("a", "1", 30), player("b", "two", 40)}},
		{ignore, destination.Counts{Unchanged: 1}, destination.Counts{Changed: 1, Unchanged: 1}, []line{player("a", "1", 10), player("b", "two", 40)}},
	} {
		t.Run(string(c.deletes), func(t *testing.T) {
			r := start(t, newPlace, c.deletes, players)
			r.snapshot(1, player("a", "1", 10), player("b", "2", 10))
			r.snapshot(2)
			r.wantCounts(r.snapshot(3, player("a", "1", 30)), c.same)
			if s := r.system("a"); s.Deleted {
				t.Error("the row of a key that came back is marked deleted")
			}
			r.wantCounts(r.snapshot(4, player("a", "1", 40), player("b", "two", 40)), c.also)
			r.want(players, c.rows...)
		})
	}
}

func testKeep(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a", "1", 10), player("b", "2", 10), player("c", "3", 10), player("d", "4", 10))
	before := r.system("a")
	r.nextRun()
	// Between the batches of a snapshot a key may become readable, or cease to be.
	tx := r.begin()
	r.write(tx, players, position(2, 0), keep("a"), keep("b"), player("c", "three", 20), keep("unknown"))
	r.stage(tx, position(2, 1))
	tx = r.begin()
	r.write(tx, players, position(2, 2), keep("a"), player("b", "two", 20), keep("c"))
	n := r.publishSnapshot(tx, position(2, 3), everything)
	r.wantCounts(n, destination.Counts{Changed: 2, Deleted: 1, Kept: 2})
	r.want(players, player("a", "1", 10), player("b", "two", 20), player("c", "three", 20))
	if s := r.system("a"); s.Deleted || !s.Synced.Equal(before.Synced) {
		t.Errorf("kept row: %+v, want %+v", s, before)
	}
	// A key that cannot be read does not bring its deleted row back.
	r.wantCounts(r.snapshot(3, keep("a"), keep("b"), keep("c"), keep("d")), destination.Counts{Kept: 4})
	r.want(players, player("a", "1", 10), player("b", "two", 20), player("c", "three", 20))
}

func testDuplicates(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	for generation := int64(1); generation <= 2; generation++ {
		tx := r.begin()
		r.write(tx, players, position(generation, 0), player("a", "0", 9), player("b", "1", 9), player("a", "1", 9))
		r.write(tx, players, position(generation, 1), player("c", "1", 9), player("b", "2", 9), player("c", "1", 9))
		r.stage(tx, position(generation, 1))
		tx = r.begin()
		r.write(tx, players, position(generation, 2), player("d", "4", 9), player("c", "3", 9))
		n := r.publishSnapshot(tx, position(generation, 3), everything)
		if generation == 1 {
			r.wantCounts(n, destination.Counts{New: 4})
		} else {
			r.wantCounts(n, destination.Counts{Unchanged: 4})
		}
		r.want(players, player("a", "1", 9), player("b", "2", 9), player("c", "3", 9), player("d", "4", 9))
	}
	n := r.snapshot(3, player("a", "2", 10), player("b", "5", 10), player("a", "1", 11), player("b", "6", 11))
	r.wantCounts(n, destination.Counts{Changed: 1, Unchanged: 1, Deleted: 2})
	r.want(players, player("a", "1", 9), player("b", "6", 11))
}

func testScope(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	r.snapshot(1, player("a:1", "1", 10), player("a:2", "2", 10), player("b:1", "3", 10), player("b:2", "4", 10))
	tx := r.begin()
	r.write(tx, players, position(2, 0), player("a:1", "1", 20), keep("b:1"))
	var asked []string
	n := r.publishSnapshot(tx, position(2, 1), func(b *row.Batch, i int) bool {
		key := string(b.TextAt(b.Table.Column("key"), i))
		asked = append(asked, key)
		return key[0] == 'a'
	})
	r.wantCounts(n, destination.Counts{Unchanged: 1, Deleted: 1, Kept: 1})
	r.want(players, player("a:1", "1", 10), player("b:1", "3", 10), player("b:2", "4", 10))
	slices.Sort(asked)
	if want := []string{"a:2", "b:2"}; !slices.Equal(slices.Compact(asked), want) {
		t.Errorf("scope was asked about %q, want %q: the rows that the snapshot did not deliver", asked, want)
	}
}

func testScopeRows(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, hard, players)
	r.snapshot(1, player("a", "hash", 10), player("b", "list", 10), upsert("c", nil, int64(-1), nil, at(10)))
	tx := r.begin()
	n := r.publishSnapshot(tx, position(2, 1), func(b *row.Batch, i int) bool {
		return b.Table.Name == "players" && string(b.TextAt(b.Table.Column("value"), i)) == "list"
	})
	r.wantCounts(n, destination.Counts{Deleted: 1})
	r.want(players, player("a", "hash", 10), upsert("c", nil, int64(-1), nil, at(10)))
}

func testEmptySnapshot(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, soft, players)
	tx := r.begin()
	r.wantCounts(r.publishSnapshot(tx, position(1, 1), everything), destination.Counts{})
	r.wantCheckpoint(position(1, 1))
	r.want(players)
	r.snapshot(2, player("a", "1", 10), player("b", "2", 10))
	r.reopen()
	tx = r.begin()
	r.wantCounts(r.publishSnapshot(tx, position(3, 1), everything), destination.Counts{Deleted: 2})
	r.want(players)
	r.wantCheckpoint(position(3, 1))
}

func testChanges(t *testing.T, newPlace NewPlace) {
	for _, c := range []struct {
		deletes destination.Deletes
		counts  destination.Counts
		rows    []line
	}{
		{soft, destination.Counts{New: 1, Changed: 1, Unchanged: 1, Deleted: 1, Kept: 1}, nil},
		{hard, destination.Counts{New: 1, Changed: 1, Unchanged: 1, Deleted: 1, Kept: 1}, nil},
		{ignore, destination.Counts{New: 1, Changed: 1, Unchanged: 1, Kept: 1}, []line{player("gone", "4", 10)}},
	} {
		t.Run(string(c.deletes), func(t *testing.T) {
			r := start(t, newPlace, c.deletes, players)
			r.snapshot(1, player("same", "1", 10), player("other", "2", 10), player("kept", "3", 10), player("gone", "4", 10), player("untouched", "5", 10))
			n := r.changes(
				position(1, 2),
				player("same", "1", 20),
				player("other", "two", 20),
				keep("kept"),
				remove("gone"),
				remove("never there"),
				player("new", "6", 20),
				player("brief", "7", 20),
				remove("brief"),
			)
			r.wantCounts(n, c.counts)
			r.wantCheckpoint(position(1, 2))
			rows := append([]line{
				player("same", "1", 10),
				player("other", "two", 20),
				player("kept", "3", 10),
				player("untouched", "5", 10),
				player("new", "6", 20),
			}, c.rows...)
			r.want(players, rows...)

			// Deleted and written again, in one run of changes and in two.
			r.changes(position(1, 3), remove("same"), player("same", "1", 30))
			r.changes(position(1, 4), remove("other"))
			r.changes(position(1, 5), player("other", "two", 30))
			if c.deletes != ignore {
				rows[1] = player("other", "two", 30)
			}
			r.want(players, rows...)
		})
	}
}

func testTwoTables(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, hard, players, scores)
	tx := r.begin()
	r.write(tx, players, position(1, 0), player("a", "1", 10), player("b", "2", 10))
	r.write(tx, scores, position(1, 1), upsert("a", 1.5), upsert("c", 2.5))
	r.wantCounts(r.publishSnapshot(tx, position(1, 2), everything), destination.Counts{New: 4})
	r.want(players, player("a", "1", 10), player("b", "2", 10))
	r.want(scores, upsert("a", 1.5), upsert("c", 2.5))

	tx = r.begin()
	r.write(tx, scores, position(2, 0), upsert("a", 1.5))
	r.wantCounts(r.publishSnapshot(tx, position(2, 1), everything), destination.Counts{Unchanged: 1, Deleted: 3})
	r.want(players)
	r.want(scores, upsert("a", 1.5))
}

// testEarlierTable: a table that a run does not name is none of its business.
func testEarlierTable(t *testing.T, newPlace NewPlace) {
	r := start(t, newPlace, hard, players)
	r.snapshot(1, player("a", "1", 10))
	guilds := *players
	guilds.Name = "guilds"
	r.tables = []*row.Table{&guilds}
	r.reopen()
	r.wantCounts(r.snapshot(2, player("g", "2", 20)), destination.Counts{New: 1})
	r.want(&guilds, player("g", "2", 20))
	r.tables = []*row.Table{players}
	r.reopen()
	r.want(players, player("a", "1", 10))
}

// testManyRows writes more rows than an implementation is likely to treat as
// one chunk.
func testManyRows(t *testing.T, newPlace NewPlace) {
	const rows, perBatch = 25_000, 1000
	r := start(t, newPlace, hard, players)
	fill := func(generation int64, value func(i int) string) destination.Counts {
		tx := r.begin()
		for first := 0; first < rows; first += perBatch {
			var lines []line
			for i := first; i < first+perBatch; i++ {
				if v := value(i); v != "" {
					lines = append(lines, player(fmt.Sprintf("player:%05d", i), v, generation))
				}
			}
			r.write(tx, players, position(generation, first), lines...)
			if first%(8*perBatch) == 0 {
				r.stage(tx, position(generation, first))
				tx = r.begin()
			}
		}
		return r.publishSnapshot(tx, position(generation, rows), everything)
	}
	n := fill(1, func(i int) string { return fmt.Sprint("v", i) })
	r.wantCounts(n, destination.Counts{New: rows})
	n = fill(2, func(i int) string {
		switch i % 1000 {
		case 0:
			return ""
		case 1:
			return "changed"
		}
		return fmt.Sprint("v", i)
	})
	r.wantCounts(n, destination.Counts{Changed: 25, Deleted: 25, Unchanged: rows - 50})
	var want []line
	for i := range rows {
		switch i % 1000 {
		case 0:
		case 1:
			want = append(want, player(fmt.Sprintf("player:%05d", i), "changed", 2))
		default:
			want = append(want, player(fmt.Sprintf("player:%05d", i), fmt.Sprint("v", i), 1))
		}
	}
	r.want(players, want...)
}
