package redis

import (
	"context"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
)

// TestReader_Next_clock: a clock that was set, here or there, since it was compared with
// the server's makes no key expired, nor one that has expired a row.
func TestReader_Next_clock(t *testing.T) {
	s := primary(t)
	c := clientOf(t, s)
	fill(t, c, []string{"SET", "short", "v", "PX", "600000"}, []string{"SET", "long", "v", "PX", "864000000"}, []string{"SET", "always", "v"})
	want := oracle(t, c)
	// What a replica is told of them.
	told := &replication.Changes{Databases: []replication.DatabaseChanges{{Keys: []replication.Change{{Key: "gone", Outcome: replication.Text, Value: []byte("v"), ExpiresAt: 1}}}}}
	for name, w := range want {
		told.Databases[0].Keys = append(told.Databases[0].Keys, replication.Change{Key: name, Outcome: replication.Text, Value: []byte("v"), ExpiresAt: w.Expires})
	}
	for name, off := range map[string]time.Duration{"ahead": 24 * time.Hour, "behind": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			src := sourceOf(t, s)
			session := func() *session {
				ss, err := src.connect(t.Context(), &src.node)
				if err != nil {
					t.Fatal(err)
				}
				ss.server.at = ss.server.at.Add(off)
				return ss
			}
			r, err := src.newReader(t.Context(), session(), row.Position{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			changes := src.newRereader(session(), 1)
			if err := changes.begin(t.Context(), func(ctx context.Context) error {
				defer close(changes.work)
				return changes.reread(ctx, told, row.Position{}, row.Position{})
			}); err != nil {
				t.Fatal(err)
			}
			defer changes.Close()
			for how, r := range map[string]source.Reader{"read": r, "told": changes} {
				got := map[string]aRow{}
				for closes := row.None; closes != row.Snapshot && closes != row.Changes; {
					b, err := r.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					rowsOf(t, b, got)
					closes = b.Closes
				}
				if gone, there := got["gone"]; there && gone.Op != row.Delete {
					t.Errorf("%s: %v has expired", how, gone)
				}
				delete(got, "gone")
				if n := differing(withoutTTL(got), withoutTTL(want)); n > 0 {
					t.Errorf("%s: %d keys differ: %v, want %v", how, n, got, want)
				}
			}
		})
	}
}
