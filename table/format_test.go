package table

import "testing"

func TestCell_decimals(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "-0.00": "0", "000": "0", "1": "1", "100": "100", "1.50": "1.5", "-1.50": "-1.5", "007.0": "7", "-00.250": "-0.25",
		"0.000000000001": "0.000000000001", "12345678901234567890123456.5": "12345678901234567890123456.5",
	} {
		var v cell
		if ok := v.parse(DecimalText, []byte(text)); !ok || string(v.text) != want {
			t.Errorf("%q is %q (%t), want %q", text, v.text, ok, want)
		}
	}
	for _, text := range []string{"", "-", ".5", "1.", "1e3", "+1", "1,5", "123456789012345678901234567", "0.0000000000001"} {
		var v cell
		if v.parse(DecimalText, []byte(text)) {
			t.Errorf("%q is taken for the decimal %q", text, v.text)
		}
	}
}
