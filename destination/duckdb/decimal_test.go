package duckdb

import "testing"

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		want decimal
	}{
		{"0", decimal{0, 0}},
		{"-0", decimal{0, 0}},
		{"1", decimal{1_000_000_000_000, 0}},
		{"0.000000000001", decimal{1, 0}},
		{"-0.000000000001", decimal{1<<64 - 1, 1<<64 - 1}},
		{"0000000000000000000000000000000001.50", decimal{1_500_000_000_000, 0}},
		{"18446744.073709551616", decimal{0, 1}},
		{"-18446744.073709551616", decimal{0, 1<<64 - 1}},
		{"99999999999999999999999999.999999999999", decimal{0x098a223fffffffff, 0x4b3b4ca85a86c47a}},
	} {
		if got, ok := parseDecimal([]byte(c.text)); !ok || got != c.want {
			t.Errorf("%s: %x, %v; want %x", c.text, got, ok, c.want)
		}
	}
	for _, text := range []string{"", "-", "1e3", "+1", "1.2.3", "0.0000000000001", "100000000000000000000000000", "x"} {
		if got, ok := parseDecimal([]byte(text)); ok {
			t.Errorf("%q is taken for %x", text, got)
		}
	}
}
