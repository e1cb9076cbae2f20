package main

import "testing"

func TestVisible(t *testing.T) {
	for s, want := range map[string]string{
		"Ada ключ 🙂 �":        "Ada ключ 🙂 �",
		"a\nb\tc\x00\x7f":     `a\x0ab\x09c\x00\x7f`,
		"\x1b[31m\u009b1m":    `\x1b[31m\u009b1m`,
		"\u202ertl\U000e0001": `\u202ertl\U000e0001`,
		"caf\xc3\xff":         `caf\xc3\xff`,
	} {
		if got := visible(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	if got := shorten("\x1b\x1b\x1b", 2); got != `\x1b\x1b…` {
		t.Error(got)
	}
}

// What discover writes is what the configuration reads.
func TestYAMLText(t *testing.T) {
	if got := yamlText("${HOME}:\x1b$$"); got != `"$${HOME}:\x1b$$$$"` {
		t.Error(got)
	}
}
