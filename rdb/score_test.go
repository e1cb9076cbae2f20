package rdb_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/keylift/keylift/rdb"
)

// Scores as text are the numbers that strconv makes of them, to the last bit.
func TestDecoder_Dump_scores(t *testing.T) {
	texts := []string{
		"0", "-0", "0.0", "5.", ".5", "-.5", "1", "12345678", "1234567.8", "12345678.12345678", "0.000000000000000001",
		"9007199254740991", "9007199254740992", "9007199254740993", "900719925474099.3", "9007199254740993.5", "9223372036854775808",
		"9999999999999999999", "99999999999999999999", "1.8446744073709551615", "18446744073709551615", "18446744073709551616",
		"0.1", "0.30000000000000004", "5042.8837890625001", "123456789012345678.9", "1e5", "1E-5", "-1.5e+300", "inf", "-inf", "Infinity",
		"4.9406564584124654e-324", "1.7976931348623157e+308", "2.2250738585072011e-308", "0.00000000000000000000001",
		"", "-", ".", "-.", "--1", "1.2.3", "1..2", "1-", "12345678-", "1234567:", "1234567/", "\xb1234567", "1,5", " 1", "1 ", "1e999", "x",
	}
	r := rand.New(rand.NewPCG(11, 12))
	for range 20_000 {
		f := r.NormFloat64() * math.Pow(10, float64(r.IntN(20)-6))
		texts = append(texts, strconv.FormatFloat(f, 'g', 1+r.IntN(17), 64), strconv.FormatFloat(f, 'f', r.IntN(18), 64))
	}
	// Halfway between two floats, and a little off.
	for range 2_000 {
		n := 1<<53 + r.Uint64N(1<<10)*2 + 1
		text := strconv.FormatUint(n, 10)
		texts = append(texts, text, text+".0", text+".01", text[:15]+"."+text[15:], text[:1]+"."+text[1:])
	}
	var d rdb.Decoder
	for _, text := range texts {
		if len(text) >= 253 {
			continue
		}
		got, err := decode(&d, seal(6, join(3, 1, str("m"), len(text), text)), time.Time{})
		want, wantErr := strconv.ParseFloat(text, 64)
		if (err == nil) != (wantErr == nil) {
			t.Errorf("%q: %v, want %v", text, err, wantErr)
		} else if err == nil && got.Elements[0] != scoredOf([]byte("m"), want) {
			t.Errorf("%q: got %s, want %v", text, got.Elements[0], want)
		}
	}
}
