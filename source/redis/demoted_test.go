package redis

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// demote makes a server the replica of another, and waits until it has its data.
func demote(t *testing.T, s, to *testserver.Server) {
	t.Helper()
	host, port, _ := strings.Cut(to.Address(), ":")
	send(t, clientOf(t, s), "REPLICAOF", host, port)
	untilInfo(t, s, "master_link_status:up")
}

// TestReader_Next_demoted: a server that becomes a replica while it is read has other data
// from then on, and what was read before is not published with them. One that becomes a
// primary has the same.
func TestReader_Next_demoted(t *testing.T) {
	t.Parallel()
	s, other := testserver.Redis(t, testserver.Options{}), primary(t)
	c, there := clientOf(t, s), clientOf(t, other)
	fillStrings(t, c, 20_000)
	send(t, there, "SET", "new", "1")
	rows := map[string]aRow{}
	r := openReader(t, sourceOf(t, s, unread), row.Position{})
	next := func() (closes row.Boundary, err error) {
		b, err := r.Next(t.Context())
		if err != nil {
			return row.None, err
		}
		rowsOf(t, b, rows)
		return b.Closes, nil
	}
	if _, err := next(); err != nil {
		t.Fatal(err)
	}
	demote(t, s, other)
	var err error
	for err == nil {
		_, err = next()
	}
	// While the server loads, it may have said so.
	if lost, ok := errors.AsType[*source.PositionLostError](err); !retryable(err) && (!ok || !strings.Contains(lost.Reason, "has taken over the data of another")) {
		t.Fatal(err)
	}
	if got := readAll(t, sourceOf(t, s), row.Position{}); len(got.rows) != 1 {
		t.Errorf("%d keys, want that of the other server", len(got.rows))
	}

	fillStrings(t, there, 20_000)
	until(t, func() bool { return size(t, c) == 20_001 }, "the replica has the keys")
	rows, r = map[string]aRow{}, openReader(t, sourceOf(t, s, unread), row.Position{})
	if _, err := next(); err != nil {
		t.Fatal(err)
	}
	send(t, c, "REPLICAOF", "NO", "ONE")
	for closes := row.None; closes != row.Snapshot; {
		if closes, err = next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(rows) != 20_001 {
		t.Errorf("%d keys", len(rows))
	}
}

// TestNotified_demoted: nothing notifies of the data that a server takes over.
func TestNotified_demoted(t *testing.T) {
	s, other := notifying(t), primary(t)
	c := clientOf(t, s)
	fillStrings(t, c, 100)
	send(t, clientOf(t, other), "SET", "new", "1")
	m := &mirror{}
	src := sourceOf(t, s, notified)
	r := openReader(t, src, row.Position{})
	if _, err := m.until(t.Context(), t, r, "s:99"); err != nil {
		t.Fatal(err)
	}
	demote(t, s, other)
	_, err := m.until(t.Context(), t, r, "never")
	if lost, ok := errors.AsType[*source.PositionLostError](err); !retryable(err) && (!ok || !strings.Contains(lost.Reason, "has taken over the data of another")) {
		t.Fatal(err)
	}
	m.at.Token = ""
	if snapshots, err := m.until(t.Context(), t, openReader(t, src, m.at), "new"); err != nil || snapshots != 1 || len(m.rows) != 1 {
		t.Errorf("%d rows of %d snapshots, %v", len(m.rows), snapshots, err)
	}
}

func TestLineage(t *testing.T) {
	const a, b, none = "aaaa", "bbbb", "0000"
	of := func(role, id, before string) lineage {
		return lineageOf(map[string]string{"role": role, "master_replid": id, "master_replid2": before})
	}
	for i, tt := range []struct {
		was, is lineage
		want    bool
	}{
		{of("master", a, none), of("master", a, none), false},
		{of("slave", a, none), of("master", b, a), false},   // promoted
		{of("master", a, none), of("slave", b, a), false},   // demoted, and kept its data
		{of("master", a, none), of("slave", b, none), true}, // and took over others
		{of("master", a, none), of("master", "cccc", b), true},
		{of("master", a, none), of("master", b, none), false}, // gave its backlog up
		{of("", "", ""), of("slave", b, none), false},
	} {
		if got := tt.is.replaces(tt.was); got != tt.want {
			t.Error("case " + strconv.Itoa(i))
		}
	}
}
