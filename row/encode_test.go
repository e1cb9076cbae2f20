package row_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keylift/keylift/row"
)

func TestAppendText(t *testing.T) {
	for _, c := range []struct{ name, bytes, text string }{
		{"empty", "", ""},
		{"ASCII", "player:1", "player:1"},
		{"control characters", "\x01\t\r\n\x1f\x7f", "\x01\t\r\n\x1f\x7f"},
		{"quotes", `"\'`, `"\'`},
		{"UTF-8", "é日本語😀\ufeff\ufffd\U0010ffff", "é日本語😀\ufeff\ufffd\U0010ffff"},
		{"NUL", "\x00", "base64:AA=="},
		{"NUL inside", "a\x00b", "base64:YQBi"},
		{"NUL at the end", "player:1\x00", "base64:cGxheWVyOjEA"},
		{"not UTF-8", "\xff\xfe", "base64://4="},
		{"UTF-8 cut off", "caf\xc3", "base64:Y2Fmww=="},
		{"surrogate", "\xed\xa0\x80", "base64:7aCA"},
		{"overlong", "\xc0\x80", "base64:wIA="},
		{"beyond Unicode", "\xf4\x90\x80\x80", "base64:9JCAgA=="},
		{"the prefix", "base64:", "base64:YmFzZTY0Og=="},
		{"what looks encoded", "base64:AA==", "base64:YmFzZTY0OkFBPT0="},
		{"almost the prefix", "base64", "base64"},
		{"another case", "Base64:AA==", "Base64:AA=="},
		{"the prefix later", " base64:AA==", " base64:AA=="},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := row.AppendText([]byte("x"), []byte(c.bytes)); string(got) != "x"+c.text {
				t.Errorf("AppendText(%q) = %q, want %q", c.bytes, got[1:], c.text)
			}
			if got := row.IsText([]byte(c.bytes)); got != (c.bytes == c.text) {
				t.Errorf("IsText(%q) = %t", c.bytes, got)
			}
			got, err := row.ParseText([]byte(c.text))
			if err != nil || string(got) != c.bytes {
				t.Errorf("ParseText(%q) = %q, %v, want %q", c.text, got, err, c.bytes)
			}
		})
	}
}

func TestParseText(t *testing.T) {
	for _, text := range []string{"base64:A", "base64:AA", "base64:A===", "base64:____", "base64:AA==A"} {
		if got, err := row.ParseText([]byte(text)); err == nil {
			t.Errorf("ParseText(%q) = %q, want an error", text, got)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, c := range []struct{ bytes, want string }{
		{"", `""`},
		{"player:1", `"player:1"`},
		{"\"", `"\""`},
		{"\\", `"\\"`},
		{`say "hi" \o/`, `"say \"hi\" \\o/"`},
		{"\b\t\n\f\r", `"\b\t\n\f\r"`},
		{"\x01\x0b\x1f\x7f", "\"\\u0001\\u000b\\u001f\x7f\""},
		{"<a href='x'>&amp;</a>", `"<a href='x'>&amp;</a>"`},
		{"é日本語😀", `"é日本語😀"`},
		{"é\"日\\本\n語", `"é\"日\\本\n語"`},
		{"a\u2028b\u2029c", "\"a\u2028b\u2029c\""},
		{"\x00", `"base64:AA=="`},
		{"1234567\xff", `"base64:MTIzNDU2N/8="`},
		{"12345678\"", `"12345678\""`},
		{"12345678\x1f90123456", `"12345678\u001f90123456"`},
		{"base64:AA==", `"base64:YmFzZTY0OkFBPT0="`},
		{"base64", `"base64"`},
	} {
		if got := row.AppendString([]byte("x"), []byte(c.bytes)); string(got) != "x"+c.want {
			t.Errorf("AppendString(%q) = %s, want %s", c.bytes, got[1:], c.want)
		}
	}
	// Each byte at each place, however many words the string takes.
	const text = "0123456789abcdefghijklmnopqrstuvw"
	for _, n := range []int{1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33} {
		for c := range 256 {
			for at := range n {
				b := []byte(text[:n])
				b[at] = byte(c)
				want := marshal(t, string(b))
				if c == 0 || c >= 0x80 {
					want = `"base64:` + base64.StdEncoding.EncodeToString(b) + `"`
				}
				if got := row.AppendString([]byte("x"), b); string(got) != "x"+want {
					t.Errorf("AppendString(%q) = %s, want %s", b, got[1:], want)
				}
			}
		}
	}
}

// marshal returns what encoding/json makes of v, without escaping HTML and the
// two line separators, which it escapes for JavaScript's sake.
func marshal(t testing.TB, v any) string {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(out.String(), "\n"))
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\x00", "base64:", "base64:AA==", "\xff\xfe", `"\`, "\u2028", "12345678\xc3", "1234567\x1f", "日本語"} {
		f.Add([]byte(s), []byte("player:1"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		text := row.AppendText(nil, a)
		if !row.IsText(text) && !bytes.HasPrefix(text, []byte("base64:")) {
			t.Errorf("AppendText(%q) = %q, which is no text", a, text)
		}
		if back, err := row.ParseText(text); err != nil || !bytes.Equal(back, a) {
			t.Errorf("ParseText(AppendText(%q)) = %q, %v", a, back, err)
		}

		quoted := row.AppendString(nil, a)
		var inside string
		if err := json.Unmarshal(quoted, &inside); err != nil || inside != string(text) {
			t.Errorf("AppendString(%q) = %s, which holds %q, want %q: %v", a, quoted, inside, text, err)
		}
		if want := marshal(t, string(text)); string(quoted) != want {
			t.Errorf("AppendString(%q) = %s, want %s", a, quoted, want)
		}
		if same := bytes.Equal(quoted, row.AppendString(nil, b)); same != bytes.Equal(a, b) {
			t.Errorf("the strings of %q and %q: same %t", a, b, same)
		}
		if same := bytes.Equal(text, row.AppendText(nil, b)); same != bytes.Equal(a, b) {
			t.Errorf("the texts of %q and %q: same %t", a, b, same)
		}
	})
}

func TestAppendNumber(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "-0"},
		{1, "1"},
		{-1, "-1"},
		{42, "42"},
		{1e15 - 1, "999999999999999"},
		{1e15, "1000000000000000"},
		{-1e15, "-1000000000000000"},
		{1 << 53, "9007199254740992"},
		{1<<53 + 2, "9007199254740994"},
		{1e17, "100000000000000000"},
		{1e20, "100000000000000000000"},
		{123456789012345680000, "123456789012345680000"},
		{1e21, "1e+21"},
		{-1.5e300, "-1.5e+300"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
		{math.SmallestNonzeroFloat64, "5e-324"},
		{math.MaxInt64, "9223372036854776000"},
		{math.MinInt64, "-9223372036854776000"},
		{0.5, "0.5"},
		{-0.5, "-0.5"},
		{1.1, "1.1"},
		{99.95, "99.95"},
		{100.001, "100.001"},
		{-1234.5678, "-1234.5678"},
		{0.1, "0.1"},
		{0.3, "0.3"},
		{0.30000000000000004, "0.30000000000000004"},
		{0.001, "0.001"},
		{0.0001, "0.0001"},
		{0.000001, "0.000001"},
		{0.00000123, "0.00000123"},
		{0.0000012345, "0.0000012345"},
		{9.99e-7, "9.99e-7"},
		{1e-7, "1e-7"},
		{1.5e-10, "1.5e-10"},
		{1e-100, "1e-100"},
		{math.Pi, "3.141592653589793"},
		{999999999.999999, "999999999.999999"},
		{999999999999.999, "999999999999.999"},
		{9999999999999.999, "9999999999999.998"},
		{123456789.125, "123456789.125"},
		{1700000000.123456, "1700000000.123456"},
		{52 * 13.361389338970184, "694.7922456264496"},
		{math.Inf(1), `"inf"`},
		{math.Inf(-1), `"-inf"`},
		{math.NaN(), `"nan"`},
	} {
		if got := row.AppendNumber([]byte("x"), c.f); string(got) != "x"+c.want {
			t.Errorf("AppendNumber(%g) = %s, want %s", c.f, got[1:], c.want)
		}
	}
}

// checkNumber compares with encoding/json, which writes finite numbers as
// JavaScript does.
func checkNumber(t *testing.T, f float64) {
	t.Helper()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	if got, want := string(row.AppendNumber(nil, f)), marshal(t, f); got != want {
		t.Errorf("AppendNumber(%b) = %s, want %s", f, got, want)
	}
}

func TestAppendNumber_random(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	powers := []float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e9, 1e12}
	for range 20_000 {
		checkNumber(t, math.Float64frombits(r.Uint64()))
		// Decimals, their neighbours, and what arithmetic makes of them.
		whole := float64(r.Int64N(1<<uint(1+r.IntN(55)))) * float64(1-2*r.IntN(2))
		decimal := whole / powers[r.IntN(len(powers))]
		checkNumber(t, decimal)
		checkNumber(t, math.Nextafter(decimal, math.Inf(1)))
		checkNumber(t, math.Nextafter(decimal, math.Inf(-1)))
		checkNumber(t, decimal*powers[r.IntN(len(powers))])
		checkNumber(t, r.NormFloat64()*1000)
		checkNumber(t, math.Ldexp(1+r.Float64(), r.IntN(70)-20)) // of every size that has decimals
		checkNumber(t, math.Ldexp(1, r.IntN(70)-20))
	}
}

func FuzzNumber(f *testing.F) {
	for _, v := range []float64{0, 1, 0.1, 1e21, 1e-7, math.Pi, 1e15, 123456.789} {
		f.Add(math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, bits uint64) { checkNumber(t, math.Float64frombits(bits)) })
}

func BenchmarkAppendString(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"field of 8", "strength"},
		{"value of 16", "d3f4a6c09b1e2f77"},
		{"text of 120", strings.Repeat("the quick brown fox jumps over ", 4)[:120]},
		{"quotes", `{"name":"ann","level":12,"guild":"red"}`},
		{"UTF-8", "Überraschung für Jürgen, 日本"},
		{"binary of 16", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"},
	} {
		b.Run(c.name, func(b *testing.B) {
			in, out := []byte(c.text), make([]byte, 0, 1024)
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				out = row.AppendString(out[:0], in)
			}
		})
	}
}

func BenchmarkAppendNumber(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		next func() float64
	}{
		{"whole", func() float64 { return float64(r.IntN(1_000_000)) }},
		{"cents", func() float64 { return float64(r.IntN(100_000_000)) / 100 }},
		{"micros", func() float64 { return float64(r.Int64N(1e15)) / 1e6 }},
		{"all digits", func() float64 { return r.Float64() * 1_000_000 }},
		{"tiny", func() float64 { return r.Float64() * 1e-9 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			numbers := make([]float64, 1024)
			for i := range numbers {
				numbers[i] = c.next()
			}
			out, i := make([]byte, 0, 64), 0
			for b.Loop() {
				out = row.AppendNumber(out[:0], numbers[i&1023])
				i++
			}
		})
	}
}
