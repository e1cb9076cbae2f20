package selection_test

import (
	"testing"

	"github.com/keylift/keylift/selection"
)

func TestFilter_Key(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"player:*", "player:7", true},
		{"player:*", "player:", true},
		{"player:*", "players:7", false},
		{"*", "", true},
		{"**", "", false},
		{"h?llo", "hello", true},
		{"h?llo", "hllo", false},
		{"h[ae]llo", "hallo", true},
		{"h[^e]llo", "hello", false},
		{"h[a-c]llo", "hbllo", true},
		{"h[c-a]llo", "hbllo", true},
		{"h[ab", "ha", true},
		{`a\*b`, "a*b", true},
		{`a\*b`, "axb", false},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"\xff?", "\xff\x00", true},
	} {
		f := selection.Filter{Patterns: []string{c.pattern}}
		if got := f.Key(c.key); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.pattern, c.key, got, c.want)
		}
	}
}

func TestFilter(t *testing.T) {
	f := selection.Filter{Patterns: []string{"a:*", "b:*"}, Exclude: []string{"*:tmp"}, Types: []string{"hash"}}
	for key, want := range map[string]bool{"a:1": true, "b:1": true, "c:1": false, "a:tmp": false} {
		if got := f.Key(key); got != want {
			t.Errorf("%s: %t, want %t", key, got, want)
		}
	}
	if !f.Type("hash") || f.Type("set") || f.AnyKey() {
		t.Errorf("hash %t, set %t, any key %t", f.Type("hash"), f.Type("set"), f.AnyKey())
	}
	var all selection.Filter
	if !all.Key("x") || !all.Type("set") || !all.AnyKey() {
		t.Error("the zero filter leaves keys out")
	}
	if f := (selection.Filter{Exclude: []string{"x"}}); f.AnyKey() {
		t.Error("a filter with exclusions reads any key")
	}
}
