package destinationtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// members is a table with a composite key.
var members = &row.Table{Name: "members", Keys: 2, Columns: []row.Column{
	{Name: "database", Type: row.Int},
	{Name: "member", Type: row.String},
	{Name: "score", Type: row.Double},
	{Name: "active", Type: row.Boolean},
}}

// boards has several rows per key: the members of a sorted set. boardVersions keeps
// their versions, playerVersions those of players.
var (
	boards = &row.Table{Name: "boards", Keys: 3, Group: 2, ByName: true, Ranked: true, Columns: []row.Column{
		{Name: "database", Type: row.Int},
		{Name: "key", Type: row.String},
		{Name: "member", Type: row.String},
		{Name: "season", Type: row.Int, InScope: true},
		{Name: "score", Type: row.Double},
		{Name: "expires_at", Type: row.UTCDateTime, Compare: row.ByValue},
	}}
	boardVersions  = withHistory(boards, "board_versions")
	playerVersions = withHistory(players, "player_versions")
)

// withHistory returns t with versions, under another name.
func withHistory(t *row.Table, name string) *row.Table {
	h := *t
	h.Name, h.History = name, true
	return &h
}

// testRandom does random things in a random order, and compares what the
// destination then holds with the model.
func testRandom(t *testing.T, newPlace NewPlace) {
	for seed, deletes := range []destination.Deletes{soft, hard, ignore} {
		for name, tables := range map[string][]*row.Table{
			"rows":     {players, members, boards, ranks},
			"versions": {playerVersions, boardVersions},
		} {
			t.Run(string(deletes)+" "+name, func(t *testing.T) {
				w := &walk{
					run:  start(t, newPlace, deletes, tables...),
					rand: rand.New(rand.NewPCG(uint64(seed), 1)),
					m:    newModel(deletes, tables...),
				}
				w.m.giveUp() // to generation 1
				const operations = 250
				for range operations {
					w.step()
					if t.Failed() {
						t.Fatalf("seed %d; the last operations:\n%s", seed, strings.Join(w.trace[max(0, len(w.trace)-60):], "\n"))
					}
				}
				w.rollback()
				w.compare()
			})
		}
	}
}

// A walk is a run of random operations on a destination and its model.
type walk struct {
	*run
	rand  *rand.Rand
	m     *model
	tx    destination.Tx // nil until something is written
	n     int            // positions given out
	unit  int64          // publications
	trace []string
}

func (w *walk) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *walk) step() {
	switch p := w.rand.IntN(100); {
	case p < 55:
		w.writeLines()
	case p < 70:
		w.stageAll()
	case p < 82:
		w.publish()
	case p < 87:
		w.rollback()
	case p < 91:
		w.rollback()
		w.note("reopen")
		w.reopen()
		w.wantCheckpoint(w.m.committed.position)
	case p < 94:
		w.m.giveUp()
		w.note("give up: generation %d", w.m.open.position.Generation)
	default:
		w.compare()
	}
}

func (w *walk) stageAll() {
	p := w.next()
	w.note("stage %v", p)
	w.stage(w.transaction(), p)
	w.m.stage(p)
	w.tx = nil
}

// next is a position in the current generation.
func (w *walk) next() row.Position {
	w.n++
	return position(w.m.open.position.Generation, w.n)
}

func (w *walk) transaction() destination.Tx {
	if w.tx == nil {
		w.tx = w.begin()
	}
	return w.tx
}

func (w *walk) rollback() {
	w.note("rollback")
	if err := w.transaction().Rollback(); err != nil {
		w.t.Fatalf("rollback: %v", err)
	}
	w.tx = nil
	w.m.rollback()
	if w.m.open.position.Generation == 0 {
		w.m.giveUp()
	}
}

func (w *walk) writeLines() {
	table := pick(w, w.tables)
	random := map[*row.Table]func() line{
		players: w.player, playerVersions: w.player, members: w.member, boards: w.boardMember, boardVersions: w.boardMember,
		ranks: w.rank,
	}[table]
	var lines []line
	for range w.rand.IntN(10) {
		lines = append(lines, random())
	}
	w.note("write %s generation %d %v", table.Name, w.m.open.position.Generation, lines)
	w.write(w.transaction(), table, w.next(), lines...)
	w.m.write(table, lines)
}

func (w *walk) publish() {
	p, tx := w.next(), w.transaction()
	w.tx = nil
	w.unit++
	if w.m.open.changing {
		w.note("publish changes %v", p)
		w.wantCounts(w.publishChanges(tx, p), w.m.publish(p, nil))
		return
	}
	modulus, mayDelete := 1+w.rand.IntN(3), pick(w, []float64{0, 0.3, 1, 1, 1})
	w.note("publish snapshot %v of keys whose length is a multiple of %d, deleting %g at the most", p, modulus, mayDelete)
	got, err := tx.PublishSnapshot(w.t.Context(), p, func(b *row.Batch, i int) bool {
		return len(b.TextAt(b.Table.Owner()-1, i))%modulus == 0
	}, mayDelete)
	want, refused := w.m.publishGuarded(p, func(table *row.Table, cells []any) bool {
		return len(cells[table.Owner()-1].(string))%modulus == 0
	}, mayDelete)
	if refused != nil {
		if found, ok := errors.AsType[*destination.DeleteShareError](err); !ok || *found != *refused {
			w.t.Errorf("got %v, want %v", err, refused)
		}
		w.tx = tx
		w.rollback()
		w.m.giveUp() // what was written may be staged
		w.stageAll()
		return
	}
	if err != nil {
		w.t.Fatalf("publish snapshot: %v", err)
	}
	w.wantCounts(got, want)
}

func (w *walk) compare() {
	w.note("compare")
	for _, table := range w.tables {
		w.want(table, w.m.visible(table)...)
	}
	w.wantVersions(w.m.versions(w.tables)...)
	w.wantCheckpoint(w.m.committed.position)
}

// op is what to do with a key. A key that may be deleted is never kept: which
// of the two wins is left open.
func (w *walk) op(key int) row.Op {
	switch p := w.rand.IntN(10); {
	case p < 8:
		return row.Upsert
	case key%2 == 0:
		return row.Delete
	}
	return []row.Op{row.Keep, row.Stay}[key/2%2]
}

// player is a random row. Of rows that differ only in columns that are never
// compared, any may be the one that is published: between two publications these
// columns do not vary.
func (w *walk) player() line {
	i := w.rand.IntN(15)
	key := strings.Repeat("k", i+1)
	values := []any{nil, "", "1", "a text longer than twelve bytes", "another text longer than twelve bytes"}
	expiries := []any{nil, at(100), at(100) + 700_000, at(101) + 400_000, at(200)}
	switch op := w.op(i); op {
	case row.Upsert:
		return upsert(key, pick(w, values), w.unit, pick(w, expiries), at(w.unit))
	default:
		return line{op, []any{key}}
	}
}

func (w *walk) member() line {
	i := w.rand.IntN(12)
	database, member := int64(i%2), strings.Repeat("m", i/2)
	switch op := w.op(i / 2); op {
	case row.Upsert:
		return upsert(database, member, pick(w, []any{nil, 0.0, 1.5}), pick(w, []any{nil, int64(0), int64(1)}))
	default:
		return line{op, []any{database, member}}
	}
}

// boardMember is a row of boards, or a mark of one of its keys.
func (w *walk) boardMember() line {
	key := w.rand.IntN(6)
	owner := []any{int64(key % 2), strings.Repeat("b", key/2)}
	switch w.rand.IntN(9) {
	case 0:
		return line{row.Delete, owner}
	case 1:
		return line{row.Keep, owner}
	case 2:
		return line{row.Stay, owner}
	}
	member := strings.Repeat("m", w.rand.IntN(4))
	return upsert(append(owner, member, int64(7), pick(w, []any{nil, 1.0, 2.5}), pick(w, []any{nil, at(100)}))...)
}

// rank is a row of ranks, or a mark of one of its keys, which are keys of players too.
func (w *walk) rank() line {
	i := w.rand.IntN(15)
	owner := []any{strings.Repeat("k", i+1)}
	if op := w.op(i); op != row.Upsert {
		return line{op, owner}
	}
	return upsert(owner[0], strings.Repeat("m", w.rand.IntN(2)), pick(w, []any{nil, 1.0}))
}

func pick[T any](w *walk, from []T) T { return from[w.rand.IntN(len(from))] }
