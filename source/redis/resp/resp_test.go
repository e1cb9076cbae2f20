package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAppendCommand(t *testing.T) {
	got := AppendCommand([]byte("x"), "GET", "", strings.Repeat("k", 12), "\r\n\x00")
	want := "x*4\r\n$3\r\nGET\r\n$0\r\n\r\n$12\r\nkkkkkkkkkkkk\r\n$3\r\n\r\n\x00\r\n"
	if string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// say tells a reply in full.
func say(r Reply) string {
	if e, err := r.Elements(); err == nil {
		parts := make([]string, 0, e.Len())
		for e.Len() > 0 {
			parts = append(parts, say(e.Next()))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	if n, err := r.Int(); err == nil {
		return fmt.Sprint(n)
	}
	b, err := r.Bytes()
	if err != nil {
		return "<" + err.Error() + ">"
	}
	return fmt.Sprintf("%q", b)
}

const (
	many  = "+OK\r\n:-12\r\n$5\r\na\r\nb\x00\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n-ERR no\r\n*3\r\n$1\r\n7\r\n*2\r\n:1\r\n$-1\r\n+x\r\n"
	saids = `"OK" -12 "a\r\nb\x00" "" <the server answered nil> <the server answered nil> [] <ERR no> ["7" [1 <the server answered nil>] "x"]`
)

// However the bytes arrive, and whatever is already there, the replies are the
// same.
func TestReader_Read(t *testing.T) {
	ways := map[string]func(io.Reader) io.Reader{
		"at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"halves":       iotest.HalfReader,
		"with its end": iotest.DataErrReader,
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			r := NewReader(way(strings.NewReader(strings.Repeat(many, 3))), 100)
			var replies Replies
			for _, n := range []int{9, 4, 5, 9} {
				if err := r.Read(n, &replies); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 3 {
				var got []string
				for range 9 {
					got = append(got, say(replies.Next()))
				}
				if s := strings.Join(got, " "); s != saids {
					t.Errorf("round %d: %s\nwant %s", round, s, saids)
				}
			}
			if replies.Len() != 0 {
				t.Errorf("%d replies too many", replies.Len())
			}
			replies.Reset(0)
			if err := r.Read(1, &replies); !errors.Is(err, io.EOF) {
				t.Errorf("behind the end: %v", err)
			}
		})
	}
}

func TestReader_Read_long(t *testing.T) {
	bulk := "$300000\r\n" + strings.Repeat("b", 300_000) + "\r\n"
	array := "*30\r\n" + strings.Repeat("*2\r\n$3\r\nabc\r\n:1\r\n", 30)
	fits := "$70\r\n" + strings.Repeat("c", 70) + "\r\n"
	for _, way := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader} {
		r := NewReader(way(strings.NewReader(bulk+fits+array+"*2\r\n:1\r\n"+bulk+fits)), 100)
		var replies Replies
		if err := r.Read(5, &replies); err != nil {
			t.Fatal(err)
		}
		for i, want := range []bool{false, true, false, false, true} {
			b, err := replies.Next().Bytes()
			if want != (err == nil) || !want && !errors.Is(err, ErrTooLong) || want && string(b) != strings.Repeat("c", 70) {
				t.Errorf("reply %d: %.10q, %v", i, b, err)
			}
		}
		if n := cap(replies.text); n > 1<<20 {
			t.Errorf("%d bytes kept of replies that were too long", n)
		}
	}
}

func TestReader_Read_errors(t *testing.T) {
	for _, text := range []string{"HTTP/1.1 400\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n", ":\r\n", ":1x\r\n", "+OK\n", "\r\n", "$99999999999999\r\n", "*1\r\n!\r\n", "$3\r\nabcde\r\n", "$5\r\nabc\r\n:1\r\n", "$120\r\n" + strings.Repeat("x", 123) + "\r\n", strings.Repeat("+", 70_000)} {
		var replies Replies
		err := NewReader(strings.NewReader(text), 100).Read(1, &replies)
		if err == nil || !strings.Contains(err.Error(), "not the Redis protocol") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, text := range []string{"", "+", "$3\r\nab", "*2\r\n:1\r\n", "$3\r\nabc"} {
		var replies Replies
		if err := NewReader(strings.NewReader(text), 100).Read(1, &replies); !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReply_errors(t *testing.T) {
	for _, tt := range []struct{ reply, ints, elements string }{
		{"$2\r\n12\r\n", `the server answered "$2\r\n12\r\n" where an integer belongs`, `the server answered "$2\r\n12\r\n" where an array belongs`},
		{"$-1\r\n", "the server answered nil", "the server answered nil"},
		{"*1\r\n:1\r\n", `the server answered "*1\r\n:1\r\n" where an integer belongs`, "<nil>"},
		{"-ERR no\r\n", "ERR no", "ERR no"},
		{tooLong, "the server's answer is too long", "the server's answer is too long"},
		{":9223372036854775807\r\n", "<nil>", `the server answered ":9223372036854775807\r\n" where an array belongs`},
	} {
		r := Reply(tt.reply)
		if _, err := r.Int(); fmt.Sprint(err) != tt.ints {
			t.Errorf("%q: int: %v, want %s", tt.reply, err, tt.ints)
		}
		if _, err := r.Elements(); fmt.Sprint(err) != tt.elements {
			t.Errorf("%q: elements: %v, want %s", tt.reply, err, tt.elements)
		}
	}
}

// A length that is a lie takes no memory before the bytes have come.
func TestReader_Read_lie(t *testing.T) {
	var replies Replies
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := NewReader(strings.NewReader("$999999999\r\nabc"), 1<<30).Read(1, &replies)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d bytes for a reply of 3", n)
	}
}

// Whatever arrives, Read neither fails to end nor returns a reply that cannot be
// walked, and it does not matter in which portions the bytes come.
func FuzzReader(f *testing.F) {
	f.Add([]byte(many))
	f.Add([]byte("*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"))
	f.Add([]byte("$200\r\n" + strings.Repeat("b", 200) + "\r\n:1\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func(from io.Reader) (said []string) {
			r := NewReader(from, 100)
			for {
				var replies Replies
				if err := r.Read(1, &replies); err != nil {
					return said
				}
				said = append(said, say(replies.Next()))
			}
		}
		whole, single := read(bytes.NewReader(text)), read(iotest.OneByteReader(bytes.NewReader(text)))
		if strings.Join(whole, "\n") != strings.Join(single, "\n") {
			t.Errorf("%q, byte by byte %q", whole, single)
		}
	})
}

func BenchmarkReader_Read(b *testing.B) {
	one := []byte("*20\r\n" + strings.Repeat("$12\r\nabcdefghijkl\r\n", 20))
	const n = 100
	text := bytes.Repeat(one, n)
	from := bytes.NewReader(text)
	r := NewReader(from, 1<<20)
	var replies Replies
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(text)
		replies.Reset(1 << 20)
		if err := r.Read(n, &replies); err != nil {
			b.Fatal(err)
		}
		for replies.Len() > 0 {
			e, err := replies.Next().Elements()
			if err != nil {
				b.Fatal(err)
			}
			for e.Len() > 0 {
				if v, err := e.Bytes(); err != nil || len(v) != 12 {
					b.Fatal(v, err)
				}
			}
		}
	}
}
