package topology

import "testing"

func TestSlot(t *testing.T) {
	// What redis-server 7.0 answers to CLUSTER KEYSLOT.
	for key, want := range map[string]int{
		"":                     0,
		"foo":                  12182,
		"bar":                  5061,
		"123456789":            12739,
		"{foo}":                12182,
		"x{foo}y":              12182,
		"{foo}{bar}":           12182,
		"foo{}{bar}":           8363,
		"foo{{bar}}zap":        4015,
		"{user1000}.following": 3443,
		"{user1000}.followers": 3443,
		"{":                    4092,
		"}{":                   12793,
		"naïve":                2847,
	} {
		if got := Slot([]byte(key)); got != want {
			t.Errorf("%q is in slot %d, want %d", key, got, want)
		}
	}
}

func TestSlots(t *testing.T) {
	var a, b Slots
	if !a.IsEmpty() || a.String() != "" {
		t.Errorf("the zero Slots holds %q", a)
	}
	a.AddRange(0, 100)
	a.Add(16383)
	b.AddRange(50, 200)
	for _, tt := range []struct {
		name string
		got  Slots
		want string
		len  int
	}{
		{"a", a, "0-100,16383", 102},
		{"union", a.Union(b), "0-200,16383", 202},
		{"minus", a.Minus(b), "0-49,16383", 51},
		{"intersect", a.Intersect(b), "50-100", 51},
		{"all", All(), "0-16383", 16384},
		{"all but a", All().Minus(a), "101-16382", 16282},
	} {
		if got := tt.got.String(); got != tt.want || tt.got.Len() != tt.len {
			t.Errorf("%s: %d slots %q, want %d slots %q", tt.name, tt.got.Len(), got, tt.len, tt.want)
		}
		var back Slots
		if err := back.UnmarshalText([]byte(tt.want)); err != nil || back != tt.got {
			t.Errorf("%s: %q is read as %q (%v)", tt.name, tt.want, back, err)
		}
	}
	if !a.Has(100) || a.Has(101) || !a.Has(16383) {
		t.Error("Has is wrong about 100, 101 or 16383")
	}
}

func TestSlots_UnmarshalText(t *testing.T) {
	for _, text := range []string{"x", "1-", "-1", "5-4", "16384", "0-16384", "1,,2", " 1", "+1"} {
		var s Slots
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %q, want an error", text, s)
		}
	}
}
