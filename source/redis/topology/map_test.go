package topology

import "testing"

// mapOf parses what a node answered.
func mapOf(t *testing.T, text string) *Map {
	t.Helper()
	m, err := Parse(text, "h")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMerge(t *testing.T) {
	// A gives slot 77 to B. C took over from R, which has not heard of it.
	m := Merge(
		mapOf(t, idA+" h:1@2 myself,master - 0 0 1 connected 0-99 [77->-"+idB+"]\n"+
			idB+" h:2@2 master - 0 0 2 connected 100-199\n"+
			idC+" h:3@2 master - 0 0 5 connected 200-16383\n"+
			idR+" h:4@2 slave "+idC+" 0 0 5 connected\n"),
		mapOf(t, idB+" h:2@2 myself,master - 0 0 2 connected 100-199 [77-<-"+idA+"]\n"+
			idA+" h:1@2 master - 0 0 1 connected 0-99\n"+
			idR+" h:4@2 master - 0 0 3 connected 200-16383\n"+
			idC+" h:3@2 slave "+idR+" 0 0 3 connected\n"),
		mapOf(t, idR+" h:4@2 myself,master - 0 0 3 connected 200-16383\n"+
			idA+" h:1@2 master - 0 0 1 connected 0-99\n"),
	)
	if m.Epoch != 5 || m.Asked != "" {
		t.Errorf("the epoch is %d as %q tells, want 5 as all tell", m.Epoch, m.Asked)
	}
	if got := m.Open().String(); got != "77" {
		t.Errorf("%q are open, want 77", got)
	}
	if got := m.Owned().String(); got != "0-16383" {
		t.Errorf("%q belong to somebody, want all", got)
	}
	for slot, want := range map[int]string{0: idA, 77: idA, 100: idB, 200: idC, 16383: idC} {
		if got := m.Owner(slot); got == nil || got.ID != want {
			t.Errorf("slot %d belongs to %+v, want %s", slot, got, want)
		}
	}
	if n := m.Node(idR); n == nil || !n.Slots.IsEmpty() {
		t.Errorf("%+v was taken over from, and should have no slot", n)
	}
	if n := m.Node(idS); n != nil {
		t.Errorf("%+v was never told of", n)
	}
}

func TestMerge_failover(t *testing.T) {
	// B has taken over from A, as C has heard of both; A says that it is a replica now.
	a := mapOf(t, idA+" h:1@2 myself,slave "+idB+" 0 0 9 connected\n"+idB+" h:2@2 master - 0 0 9 connected 0-16383\n")
	c := mapOf(t, idC+" h:3@2 myself,master - 0 0 3 connected\n"+idB+" h:2@2 master - 0 0 9 connected 0-16383\n"+idA+" h:1@2 master - 0 0 1 connected\n")
	if m := Merge(c, a); m.Node(idA) != nil || !m.Told(idA) || !m.Told(idC) || m.Told(idB) || !m.Disputed.IsEmpty() {
		t.Errorf("%+v, of which A told %t, B %t and C %t, and %s are disputed", m.Nodes, m.Told(idA), m.Told(idB), m.Told(idC), m.Disputed)
	}
	// B tells of it before A has heard.
	b := mapOf(t, idB+" h:2@2 myself,master - 0 0 9 connected 0-16383\n")
	a = mapOf(t, idA+" h:1@2 myself,master - 0 0 1 connected 0-16383\n")
	if m := Merge(a, b); m.Disputed.String() != "0-16383" || m.Owner(5).ID != idB {
		t.Errorf("%s are disputed, and slot 5 belongs to %+v", m.Disputed, m.Owner(5))
	}
}

func TestChanged(t *testing.T) {
	const a, b = idA + " h:1@2 myself,master - 0 0 ", idB + " h:2@2 master - 0 0 "
	was := mapOf(t, a+"1 connected 0-99\n"+b+"2 connected 100-199\n")
	for _, tt := range []struct{ name, is, want string }{
		{"nothing", a + "1 connected 0-99\n" + b + "2 connected 100-199\n", ""},
		{"slots moved", a + "3 connected 0-99 110-111\n" + b + "2 connected 100-109 112-199\n", "110-111"},
		{"slots lost", a + "1 connected 0-9\n" + b + "2 connected 100-199\n", "10-99"},
		{"slots found", a + "3 connected 0-99 500\n" + b + "2 connected 100-199\n", "500"},
		{"taken over", a + "1 connected 0-99\n" + idC + " h:3@2 master - 0 0 3 connected 100-199\n", "100-199"},
		{"gone and come back", a + "4 connected 0-99\n" + b + "2 connected 100-199\n", "0-99"},
	} {
		if got := Changed(was, mapOf(t, tt.is)).String(); got != tt.want {
			t.Errorf("%s: %q changed, want %q", tt.name, got, tt.want)
		}
	}
}
