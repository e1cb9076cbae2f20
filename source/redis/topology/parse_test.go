package topology

import (
	"reflect"
	"testing"
)

// slotsOf reads slots from their text.
func slotsOf(t testing.TB, text string) Slots {
	t.Helper()
	var s Slots
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	idA = "e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca"
	idB = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"
	idC = "292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f"
	idR = "07c37dfeb235213a872192d90877d0cd55635b91"
	idS = "6ec23923021cf3ffec47632106199cb7f496ce01"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []Node
	}{
		{
			"redis 3.2",
			idA + " 127.0.0.1:7000 myself,master - 0 0 1 connected 0-16383\n",
			[]Node{{ID: idA, Address: "127.0.0.1:7000", Slots: slotsOf(t, "0-16383"), ConfigEpoch: 1}},
		},
		{
			"redis 5",
			idR + " 127.0.0.1:30004@31004 slave " + idA + " 0 1426238317239 4 connected\n" +
				idB + " 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922\n" +
				idC + " 127.0.0.1:30003@31003 master - 0 1426238318243 3 connected 10923-16383\n" +
				idS + " 127.0.0.1:30005@31005 slave,fail " + idB + " 1426238316232 1426238315000 5 disconnected\n" +
				idA + " 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460\n",
			[]Node{
				{ID: idC, Address: "127.0.0.1:30003", Slots: slotsOf(t, "10923-16383"), ConfigEpoch: 3},
				{
					ID: idB, Address: "127.0.0.1:30002", Slots: slotsOf(t, "5461-10922"), ConfigEpoch: 2,
					Replicas: []Replica{{ID: idS, Address: "127.0.0.1:30005", Failed: true}},
				},
				{
					ID: idA, Address: "127.0.0.1:30001", Slots: slotsOf(t, "0-5460"), ConfigEpoch: 1,
					Replicas: []Replica{{ID: idR, Address: "127.0.0.1:30004"}},
				},
			},
		},
		{
			"redis 7.0 with open slots, seen by the node that gives one and takes another",
			idA + " 10.0.0.1:6379@16379 myself,master - 0 1700000000000 7 connected 0-99 101 [77->-" + idB + "] [12000-<-" + idB + "]\n" +
				idB + " 10.0.0.2:6379@16379 master - 0 1700000000500 6 connected 100 102-16383\n",
			[]Node{
				{ID: idB, Address: "10.0.0.2:6379", Slots: slotsOf(t, "100,102-16383"), ConfigEpoch: 6},
				{
					ID: idA, Address: "10.0.0.1:6379", Slots: slotsOf(t, "0-99,101"), ConfigEpoch: 7,
					Migrating: map[int]string{77: idB}, Importing: map[int]string{12000: idB},
				},
			},
		},
		{
			"redis 7.2 with hostnames, of a node that does not know its own address",
			idA + " :6379@16379,a.cache.example myself,master - 0 0 3 connected 0-8191\n" +
				idB + " 10.0.0.2:6379@16379,b.cache.example master - 0 1700000000500 6 connected 8192-16383\n" +
				idR + " 10.0.0.3:6379@16379,r.cache.example slave " + idB + " 0 1700000000500 6 connected\n",
			[]Node{
				{
					ID: idB, Address: "10.0.0.2:6379", Hostname: "b.cache.example", Slots: slotsOf(t, "8192-16383"), ConfigEpoch: 6,
					Replicas: []Replica{{ID: idR, Address: "10.0.0.3:6379", Hostname: "r.cache.example"}},
				},
				{ID: idA, Address: "asked.example:6379", Hostname: "a.cache.example", Slots: slotsOf(t, "0-8191"), ConfigEpoch: 3},
			},
		},
		{
			"valkey 8 with fields behind an empty hostname, IPv6, a failed primary and one that may have failed",
			idA + " 2001:db8::1:6379@16379,,tls-port=0,shard-id=" + idS + " myself,master - 0 0 3 connected 0-5000\n" +
				idB + " 2001:db8::2:6379@16379,,tls-port=0,shard-id=" + idR + " master,fail - 1700000000500 1700000000400 6 disconnected 5001-10000\n" +
				idC + " 2001:db8::3:6379@16379,,tls-port=0,shard-id=" + idR + " master,fail? - 1700000000500 1700000000400 5 disconnected 10001-16383\n",
			[]Node{
				{ID: idC, Address: "[2001:db8::3]:6379", Slots: slotsOf(t, "10001-16383"), ConfigEpoch: 5},
				{ID: idB, Address: "[2001:db8::2]:6379", Slots: slotsOf(t, "5001-10000"), ConfigEpoch: 6, Failed: true},
				{ID: idA, Address: "[2001:db8::1]:6379", Slots: slotsOf(t, "0-5000"), ConfigEpoch: 3},
			},
		},
		{
			"nodes that are not part of it yet, or that nobody can reach",
			idA + " 127.0.0.1:7000@17000 myself,master - 0 0 0 connected 0-16383\n" +
				idB + " 127.0.0.1:7001@17001 handshake - 1700000000500 0 0 disconnected\n" +
				idC + " :0@0 master,noaddr - 1700000000500 1700000000400 2 disconnected\n" +
				idR + " 127.0.0.1:7002@17002 noflags - 0 0 0 connected\n",
			[]Node{{ID: idA, Address: "127.0.0.1:7000", Slots: slotsOf(t, "0-16383")}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse(tt.text, "asked.example")
			if err != nil {
				t.Fatal(err)
			}
			if m.Asked != idA {
				t.Errorf("%s was asked, want %s", m.Asked, idA)
			}
			if !reflect.DeepEqual(m.Nodes, tt.want) {
				t.Errorf("got  %+v\nwant %+v", m.Nodes, tt.want)
			}
		})
	}
}

func TestParse_faults(t *testing.T) {
	for _, text := range []string{
		"",
		"ERR This instance has cluster support disabled",
		idA + " 127.0.0.1:7000@17000 master - 0 0 0 connected 0-16383\n", // of another node alone
		idA + " 127.0.0.1@17000 myself,master - 0 0 0 connected\n",
		idA + " 127.0.0.1:x@17000 myself,master - 0 0 0 connected\n",
		idA + " 127.0.0.1:7000@17000 myself,master - 0 0 x connected\n",
		idA + " 127.0.0.1:7000@17000 myself,master - 0 0 0 connected 0-16384\n",
		idA + " 127.0.0.1:7000@17000 myself,master - 0 0 0 connected [12]\n",
		idA + " 127.0.0.1:7000@17000 myself,master - 0 0 0 connected [x->-" + idB + "]\n",
		idA + " 127.0.0.1:7000@17000 myself,master - 0 0 0 connected [16384-<-" + idB + "]\n",
	} {
		if m, err := Parse(text, "h"); err == nil {
			t.Errorf("%q is read as %+v, want an error", text, m.Nodes)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(idA + " 10.0.0.1:6379@16379,h,x=1 myself,master - 0 0 7 connected 0-99 101 [77->-" + idB + "] [12000-<-" + idB + "]\n" +
		idB + " :6379@16379 slave,fail " + idA + " 0 0 6 connected\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text, "h")
		if err != nil {
			return
		}
		// Each slot has one owner at the most, who has it among its own.
		n := 0
		for i := range m.Nodes {
			n += m.Nodes[i].Slots.Len()
		}
		if owned := m.Owned(); owned.Len() != n {
			t.Errorf("%d slots are owned, by nodes with %d", owned.Len(), n)
		}
		for slot := range Count {
			if o := m.Owner(slot); o != nil && !o.Slots.Has(slot) {
				t.Errorf("slot %d belongs to %s, which does not have it", slot, o.ID)
			}
		}
		if changed := Changed(m, m); !changed.IsEmpty() {
			t.Errorf("nothing happened, and %s changed", changed)
		}
		for _, n := range Merge(m, m).Nodes {
			if was := m.Node(n.ID); was == nil || was.Slots != n.Slots {
				t.Errorf("%s is another one when merged with itself", n.ID)
			}
		}
	})
}
