package value_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/value"
)

// encode returns what an Encoder makes of the elements that feed adds.
func encode(kind value.Type, feed func(e *value.Encoder)) string {
	var e value.Encoder
	e.Begin([]byte("before "), kind)
	feed(&e)
	text, ok := strings.CutPrefix(string(e.End()), "before ")
	if !ok {
		panic("the encoder overwrote what was there")
	}
	return text
}

func TestEncoder(t *testing.T) {
	type field struct{ name, value string }
	fields := func(pairs ...field) func(e *value.Encoder) {
		return func(e *value.Encoder) {
			for _, p := range pairs {
				e.Field([]byte(p.name), []byte(p.value))
			}
		}
	}
	list := func(add func(e *value.Encoder, b []byte), elements ...string) func(e *value.Encoder) {
		return func(e *value.Encoder) {
			for _, s := range elements {
				add(e, []byte(s))
			}
		}
	}
	entry := func(ms, seq uint64, fields ...string) func(e *value.Encoder) {
		return func(e *value.Encoder) {
			var b [][]byte
			for _, f := range fields {
				b = append(b, []byte(f))
			}
			e.Entry(value.StreamID{Ms: ms, Seq: seq}, b)
		}
	}
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprint("f", i), "v")
	}
	element, member := (*value.Encoder).Element, (*value.Encoder).Member
	for _, c := range []struct {
		name string
		kind value.Type
		feed func(e *value.Encoder)
		want string
	}{
		{"empty hash", value.Hash, fields(), `{}`},
		{"empty list", value.List, list(element), `[]`},
		{"empty set", value.Set, list(member), `[]`},
		{"empty zset", value.SortedSet, list(member), `[]`},
		{"empty stream", value.Stream, func(*value.Encoder) {}, `[]`},
		{"empty time series", value.TimeSeries, func(*value.Encoder) {}, `[]`},

		{"hash", value.Hash, fields(field{"name", "ann"}, field{"level", "12"}, field{"guild", "red"}), `{"guild":"red","level":"12","name":"ann"}`},
		{"hash of empty strings", value.Hash, fields(field{"a", ""}, field{"", "b"}), `{"":"b","a":""}`},
		{"hash with quotes", value.Hash, fields(field{`a"`, "\n"}, field{`a`, `\`}), `{"a":"\\","a\"":"\n"}`},
		{"hash of bytes", value.Hash, fields(field{"b\x00", "\xff"}, field{"b", "base64:"}), `{"b":"base64:YmFzZTY0Og==","base64:YgA=":"base64:/w=="}`},
		// Sorted by the bytes, not by their text: "z" is less than 0xff.
		{"hash sorted by bytes", value.Hash, fields(field{"\xff", "2"}, field{"z", "1"}, field{"é", "3"}), `{"z":"1","é":"3","base64:/w==":"2"}`},
		{"prefixes first", value.Hash, fields(field{"aaaaaaaab", "3"}, field{"aaaaaaaa", "1"}, field{"aaaaaaaa\x01", "2"}, field{"b", "4"}), `{"aaaaaaaa":"1","aaaaaaaa\u0001":"2","aaaaaaaab":"3","b":"4"}`},

		{"list", value.List, list(element, "c", "a", "", "a", `"`, "\x00"), `["c","a","","a","\"","base64:AA=="]`},
		{"set", value.Set, list(member, "c", "a", "", "b", `"`, "\x00", "é", "\xff", "\n"), `["","base64:AA==","\n","\"","a","b","c","é","base64:/w=="]`},
		{"set in order", value.Set, list(member, "1", "2", "3"), `["1","2","3"]`},
		{"set of numbers", value.Set, list(member, "10", "9", "-1", "100"), `["-1","10","100","9"]`},

		{"zset", value.SortedSet, func(e *value.Encoder) {
			e.Scored([]byte("bob"), 20)
			e.Scored([]byte("ann"), 20)
			e.Scored([]byte("cid"), -1.5)
			e.Scored([]byte("eve"), math.Inf(1))
			e.Scored([]byte("dan"), math.Inf(-1))
			e.Scored([]byte(`q"`), 20)
			e.Scored([]byte("\xff"), 1e21)
		}, `[["dan","-inf"],["cid",-1.5],["ann",20],["bob",20],["q\"",20],["base64:/w==",1e+21],["eve","inf"]]`},
		{"zset of one score", value.SortedSet, func(e *value.Encoder) {
			for _, m := range []string{"c", "b", "", "a"} {
				e.Scored([]byte(m), 0)
			}
		}, `[["",0],["a",0],["b",0],["c",0]]`},

		{"stream entry", value.Stream, entry(1700000000000, 3, "type", "login", "player", "7"), `[["1700000000000-3",{"type":"login","player":"7"}]]`},
		{"stream entry without fields", value.Stream, entry(0, 1), `[["0-1",{}]]`},
		{"stream entry with a repeated field", value.Stream, entry(5, 0, "a", "1", "b", "2", "a", "3"), `[["5-0",[["a","1"],["b","2"],["a","3"]]]]`},
		{"largest stream ID", value.Stream, entry(math.MaxUint64, math.MaxUint64, "\x00", `"`), `[["18446744073709551615-18446744073709551615",{"base64:AA==":"\""}]]`},
		{"stream", value.Stream, func(e *value.Encoder) {
			entry(2, 0, "b", "1", "a", "2")(e)
			entry(2, 1, "b", "1", "b", "1")(e)
			entry(3, 0, "a", "")(e)
		}, `[["2-0",{"b":"1","a":"2"}],["2-1",[["b","1"],["b","1"]]],["3-0",{"a":""}]]`},
		{"entry with many fields", value.Stream, entry(1, 1, many...), `[["1-1",{"` + strings.Join(alternate(many, `":"`, `","`), "") + `"}]]`},
		{"entry with many fields, one repeated", value.Stream, entry(1, 1, append(slices.Clone(many), "f0", "w")...), `[["1-1",[["` + strings.Join(alternate(append(slices.Clone(many), "f0", "w"), `","`, `"],["`), "") + `"]]]]`},

		{"time series", value.TimeSeries, func(e *value.Encoder) {
			e.Sample(time.UnixMilli(1700000000123), 1.5)
			e.Sample(time.UnixMilli(0), math.NaN())
			e.Sample(time.UnixMilli(-1), -0.25)
		}, `[[1700000000123,1.5],[0,"nan"],[-1,-0.25]]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := encode(c.kind, c.feed)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

// alternate puts a and b in turn between elements.
func alternate(elements []string, a, b string) []string {
	var out []string
	for i, e := range elements {
		if i > 0 {
			out = append(out, []string{b, a}[i%2])
		}
		out = append(out, e)
	}
	return out
}

// TestEncoder_permutations: equal content gives equal bytes, whatever the order
// in which it arrives and whatever the encoder was used for before.
func TestEncoder_permutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var used value.Encoder
	for round := range 300 {
		n := r.IntN(60)
		names := map[string]bool{}
		for len(names) < n {
			names[randomBytes(r)] = true
		}
		var members []string
		for m := range names {
			members = append(members, m)
		}
		slices.Sort(members)
		scores := make([]float64, n)
		for i := range scores {
			scores[i] = []float64{0, 1, -2.5, 1e30, math.Inf(1), r.NormFloat64()}[r.IntN(6)]
		}
		for kind, add := range map[value.Type]func(e *value.Encoder, i int){
			value.Hash:      func(e *value.Encoder, i int) { e.Field([]byte(members[i]), []byte(members[n-1-i])) },
			value.Set:       func(e *value.Encoder, i int) { e.Member([]byte(members[i])) },
			value.SortedSet: func(e *value.Encoder, i int) { e.Scored([]byte(members[i]), scores[i]) },
		} {
			in := func(order []int) func(e *value.Encoder) {
				return func(e *value.Encoder) {
					for _, i := range order {
						add(e, i)
					}
				}
			}
			order := make([]int, n)
			for i := range order {
				order[i] = i
			}
			want := encode(kind, in(order))
			if !json.Valid([]byte(want)) {
				t.Fatalf("round %d: not JSON: %s", round, want)
			}
			slices.Reverse(order)
			if got := encode(kind, in(order)); got != want {
				t.Fatalf("round %d, %v reversed: got\n%s\nwant\n%s", round, kind, got, want)
			}
			r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
			used.Begin(nil, kind)
			in(order)(&used)
			if got := string(used.End()); got != want {
				t.Fatalf("round %d, %v shuffled: got\n%s\nwant\n%s", round, kind, got, want)
			}
		}
	}
}

func randomBytes(r *rand.Rand) string {
	b := make([]byte, r.IntN(20))
	for i := range b {
		if b[i] = "ab\"\\\n0_é"[r.IntN(9)]; r.IntN(30) == 0 {
			b[i] = byte(r.IntN(256))
		}
	}
	return string(b)
}

func TestEncoder_order(t *testing.T) {
	type scored struct {
		member string
		score  float64
	}
	r := rand.New(rand.NewPCG(3, 4))
	var all []scored
	for i := range 500 {
		all = append(all, scored{strconv.Itoa(i * 7919 % 1000), float64(r.IntN(40)) / 4})
	}
	got := encode(value.SortedSet, func(e *value.Encoder) {
		for _, s := range all {
			e.Scored([]byte(s.member), s.score)
		}
	})
	slices.SortFunc(all, func(a, b scored) int {
		if a.score != b.score {
			return int(4*a.score) - int(4*b.score)
		}
		return strings.Compare(a.member, b.member)
	})
	var want []any
	for _, s := range all {
		want = append(want, []any{s.member, s.score})
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(text) {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
}

// TestEncoder_Len: Len is the length of the text, but for what closes it.
func TestEncoder_Len(t *testing.T) {
	for kind, add := range map[value.Type]func(e *value.Encoder){
		value.Hash:       func(e *value.Encoder) { e.Field([]byte("field\x00"), []byte(`va"lue`)) },
		value.List:       func(e *value.Encoder) { e.Element([]byte("élement")) },
		value.Set:        func(e *value.Encoder) { e.Member([]byte("member")) },
		value.SortedSet:  func(e *value.Encoder) { e.Scored([]byte("member"), 1.5) },
		value.Stream:     func(e *value.Encoder) { e.Entry(value.StreamID{Ms: 1}, [][]byte{[]byte("a"), []byte("b")}) },
		value.TimeSeries: func(e *value.Encoder) { e.Sample(time.UnixMilli(5), 2.5) },
	} {
		var e value.Encoder
		e.Begin([]byte("before"), kind)
		for n := range 5 {
			var prefix value.Encoder
			prefix.Begin(nil, kind)
			for range n {
				add(&prefix)
			}
			want := len(prefix.End()) - 1
			if got := e.Len(); got != want {
				t.Errorf("%v of %d elements: Len is %d, want %d", kind, n, got, want)
			}
			add(&e)
		}
	}
}

func TestEncoder_Reset(t *testing.T) {
	var e value.Encoder
	for _, kind := range []value.Type{value.Set, value.List} {
		dst := make([]byte, 6, 100)
		copy(dst, "before")
		e.Begin(dst, kind)
		e.Member([]byte("a"))
		e.Reset()
		if e.Len() != 0 {
			t.Errorf("after Reset: Len is %d", e.Len())
		}
		if string(dst) != "before" {
			t.Errorf("what was there became %q", dst)
		}
		e.Begin(dst, value.Hash)
		e.Field([]byte("a"), []byte("b"))
		if got := string(e.End()); got != `before{"a":"b"}` {
			t.Errorf("after Reset: got %s", got)
		}
	}
}

func BenchmarkEncoder(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
		}
		return out
	}
	// Many values of each kind: one alone would teach the processor its order.
	const variants = 256
	var texts [variants][][]byte
	var scores, cents [variants][]float64
	for v := range variants {
		for range 200 {
			texts[v] = append(texts[v], text(10+r.IntN(11)))
		}
		for range 100 {
			scores[v] = append(scores[v], r.Float64()*100_000)
		}
		slices.Sort(scores[v])
		for _, s := range scores[v] {
			cents[v] = append(cents[v], math.Round(s*100)/100)
		}
	}
	for _, c := range []struct {
		name string
		kind value.Type
		feed func(e *value.Encoder, v int)
	}{
		{"hash of 10", value.Hash, func(e *value.Encoder, v int) {
			for i := range 10 {
				e.Field(texts[v][i], texts[v][100+i])
			}
		}},
		{"hash of 10 of one shape", value.Hash, func(e *value.Encoder, v int) {
			for i := range 10 {
				e.Field(texts[0][i], texts[v][100+i])
			}
		}},
		{"list of 20", value.List, func(e *value.Encoder, v int) {
			for _, t := range texts[v][:20] {
				e.Element(t)
			}
		}},
		{"set of 20", value.Set, func(e *value.Encoder, v int) {
			for _, t := range texts[v][:20] {
				e.Member(t)
			}
		}},
		{"set of 200", value.Set, func(e *value.Encoder, v int) {
			for _, t := range texts[v] {
				e.Member(t)
			}
		}},
		{"zset of 100, cents", value.SortedSet, func(e *value.Encoder, v int) {
			for i, s := range cents[v] {
				e.Scored(texts[v][i], s)
			}
		}},
		{"zset of 100, all digits", value.SortedSet, func(e *value.Encoder, v int) {
			for i, s := range scores[v] {
				e.Scored(texts[v][i], s)
			}
		}},
		{"zset of 100, highest first", value.SortedSet, func(e *value.Encoder, v int) {
			for i := range cents[v] {
				e.Scored(texts[v][i], cents[v][99-i])
			}
		}},
		{"stream of 20", value.Stream, func(e *value.Encoder, v int) {
			for i := range 20 {
				e.Entry(value.StreamID{Ms: 1700000000000, Seq: uint64(i)}, texts[v][4*i:4*i+4])
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var e value.Encoder
			var out []byte
			v := 0
			for b.Loop() {
				e.Begin(out[:0], c.kind)
				c.feed(&e, v%variants)
				out = e.End()
				v++
			}
			b.SetBytes(int64(len(out)))
			b.ReportAllocs()
		})
	}
}
