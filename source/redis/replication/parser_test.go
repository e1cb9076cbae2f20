package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// show writes a command as one line.
func show(c *Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d %s", c.Start, c.End, c.Database, [...]string{"", "begins", "within", "ends"}[c.Transaction])
	for _, arg := range c.Args {
		if arg == nil {
			b.WriteString(" <left out>")
		} else {
			fmt.Fprintf(&b, " %q", arg)
		}
	}
	if c.Cut > 0 {
		fmt.Fprintf(&b, " and %d more", c.Cut)
	}
	return b.String()
}

// parseAll parses until an error and returns the commands as lines.
func parseAll(r io.Reader, from Position) (lines []string, err error) {
	p := NewParser(r, from, 0)
	for {
		c, err := p.Next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, show(c))
	}
}

func TestParser_Next(t *testing.T) {
	const text = "*1\r\n$4\r\nPING\r\n" +
		"*2\r\n$6\r\nSELECT\r\n$2\r\n11\r\n" +
		"*3\r\n$3\r\nset\r\n$0\r\n\r\n$4\r\n\r\n\r\n\r\n" +
		"\n*1\r\n$5\r\nmulti\r\n" +
		"*2\r\n$6\r\nselect\r\n$1\r\n0\r\n" +
		"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n" +
		"*1\r\n$4\r\nEXEC\r\n" +
		"\r\n*0\r\n*-1\r\n*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
	want := []string{
		`100 114 3  "PING"`,
		`114 138 11  "SELECT" "11"`,
		`138 167 11  "set" "" "\r\n\r\n"`,
		`167 183 11 begins "multi"`,
		`183 206 0 within "select" "0"`,
		`206 226 0 within "DEL" "a"`,
		`226 240 0 ends "EXEC"`,
		`240 288 0  "REPLCONF" "GETACK" "*"`,
	}
	for name, r := range map[string]io.Reader{
		"whole":        strings.NewReader(text),
		"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"by halves":    iotest.HalfReader(strings.NewReader(text)),
		"with EOF":     iotest.DataErrReader(strings.NewReader(text)),
	} {
		got, err := parseAll(r, Position{100, 3})
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: error %v, want EOF", name, err)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestParser_Next_truncated(t *testing.T) {
	const text = "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"
	for n := 1; n < len(text); n++ {
		if got, err := parseAll(strings.NewReader(text[:n]), Position{}); len(got) > 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %q and %v, want an unexpected EOF", text[:n], got, err)
		}
	}
	broken := errors.New("the cable was cut")
	if _, err := parseAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), Position{}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestParser_Next_broken(t *testing.T) {
	tests := map[string]string{
		"PING\r\n":                      `a command begins with 'P'`,
		"*1\n$4\nPING\n":                `a length of "1\n"`,
		"*x\r\n":                        `a length of "x\r\n"`,
		"*1\r\n:1\r\n":                  `':' where '$' was due`,
		"*1\r\n$-1\r\n":                 `an argument of -1 bytes`,
		"*1\r\n$2000000000000\r\n":      `an argument of 2000000000000 bytes`,
		"*1\r\n$4\r\nPINGS\r\n":         `'S' where '\r' was due`,
		"*1\r\n$4\r\nPING\r\r":          `'\r' where '\n' was due`,
		"\r\r":                          `'\r' where '\n' was due`,
		"*1\r\n$6\r\nSELECT\r\n":        `SELECT with 0 arguments`,
		"*2\r\n$6\r\nSELECT\r\n$1\r\nx": `SELECT of database "x"`,
		"*" + strings.Repeat("1", 5000): `a length without end`,
	}
	for text, reason := range tests {
		if strings.HasSuffix(text, "x") {
			text += "\r\n"
		}
		_, err := parseAll(strings.NewReader("*1\r\n$4\r\nPING\r\n"+text), Position{Offset: 7})
		var broken *SyntaxError
		if !errors.As(err, &broken) || *broken != (SyntaxError{21, reason}) {
			t.Errorf("%.40q: error %v, want reason %s at 21", text, err, reason)
		}
	}
}

func TestParser_Next_long(t *testing.T) {
	// A 32nd of 256 KiB are 8 KiB, of which an argument itself takes 24 bytes.
	short, most, long := strings.Repeat("s", 5000), strings.Repeat("m", 8<<10-24), strings.Repeat("l", 8<<10)
	text := string(encode(most, long, "key")) + string(encode("SET", "key", long+long+long))
	for range 60 {
		long += short
	}
	text += string(encode("SET", long, "", short)) + string(encode("PING"))
	got, err := parseAll(strings.NewReader(text), Position{})
	want := []string{
		`0 16391 0  "8168 m" <left out> "key"`,
		`16391 40999 0  "SET" "key" <left out>`,
		`40999 354230 0  "SET" <left out> "" "5000 s"`,
		`354230 354244 0  "PING"`,
	}
	runs := regexp.MustCompile("m{10,}|l{10,}|s{10,}")
	for i := range got {
		got[i] = runs.ReplaceAllStringFunc(got[i], func(run string) string { return fmt.Sprintf("%d %c", len(run), run[0]) })
	}
	if !errors.Is(err, io.EOF) || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestParser_Next_manyArguments(t *testing.T) {
	args := make([]string, 100_000)
	for i := range args {
		args[i] = "k"
	}
	p := NewParser(bytes.NewReader(append(encode(args...), encode("DEL", "k")...)), Position{}, 0)
	c, err := p.Next()
	if err != nil || len(c.Args)+c.Cut != len(args) || c.Cut == 0 || string(c.Args[10_000]) != "k" {
		t.Fatalf("%d arguments and %d more, %v", len(c.Args), c.Cut, err)
	}
	if c, err = p.Next(); err != nil || show(c) != `700009 700029 0  "DEL" "k"` {
		t.Errorf("%s, %v", show(c), err)
	}
}

// TestParser_Next_golden parses what a redis-server 7.0.15 sent to a replica.
func TestParser_Next_golden(t *testing.T) {
	stream, err := os.ReadFile("testdata/stream-7.0.15.resp")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/stream-7.0.15.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseAll(iotest.HalfReader(bytes.NewReader(stream)), Position{})
	if !errors.Is(err, io.EOF) || strings.Join(got, "\n")+"\n" != string(want) {
		t.Errorf("got, with %v:\n%s", err, strings.Join(got, "\n"))
	}
}

func FuzzParser(f *testing.F) {
	stream, err := os.ReadFile("testdata/stream-7.0.15.resp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stream)
	for part := range bytes.SplitAfterSeq(stream, []byte("EXEC\r\n")) {
		f.Add(part)
	}
	f.Add([]byte("\n*2\r\n$6\r\nselect\r\n$1\r\n7\r\n*0\r\n\r\n*1\r\n$4\r\nexec\r\n"))
	f.Add([]byte("*2\r\n$3\r\nDEL\r\n$99999\r\na\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, wholeErr := parseAll(bytes.NewReader(data), Position{})
		pieces, piecesErr := parseAll(iotest.OneByteReader(bytes.NewReader(data)), Position{})
		if strings.Join(whole, "\n") != strings.Join(pieces, "\n") || wholeErr.Error() != piecesErr.Error() {
			t.Fatalf("in one piece:\n%s\n%v\nbyte by byte:\n%s\n%v",
				strings.Join(whole, "\n"), wholeErr, strings.Join(pieces, "\n"), piecesErr)
		}
		p := NewParser(bytes.NewReader(data), Position{}, 0)
		end, open := int64(0), false
		for {
			c, err := p.Next()
			if err != nil {
				break
			}
			if c.Start != end || c.End <= c.Start || len(c.Args) == 0 {
				t.Fatalf("%s after offset %d", show(c), end)
			}
			if inside := c.Transaction == Within || c.Transaction == Ends; inside != open {
				t.Fatalf("%s, where a transaction is open: %t", show(c), open)
			}
			end, open = c.End, !c.Whole()
		}
		if end > int64(len(data)) || errors.Is(wholeErr, io.EOF) && end != int64(len(data)) {
			t.Fatalf("the last command ends at %d of %d, %v", end, len(data), wholeErr)
		}
	})
}

// BenchmarkParser parses commands as a server sends them and finds what they
// change: each key again and again, or a new one each time.
func BenchmarkParser(b *testing.B) {
	const commands = 100_000
	for _, keys := range []int{1000, commands} {
		var stream []byte
		for i := range commands {
			key := fmt.Sprintf("player:%d:profile", i%keys)
			switch i % 4 {
			case 0:
				stream = append(stream, encode("SET", key, "some text of a usual length, say fifty bytes long")...)
			case 1:
				stream = append(stream, encode("HSET", key, "field", "value", "other", "1234567")...)
			case 2:
				stream = append(stream, encode("ZADD", key, "1234.5", "member")...)
			case 3:
				stream = append(stream, encode("INCR", key)...)
			}
		}
		for _, window := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d keys, window %t", keys, window), func(b *testing.B) {
				table := tableOf(b, "set", "hset", "zadd", "incr")
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				for b.Loop() {
					p := NewParser(bytes.NewReader(stream), Position{}, DefaultHold)
					w := NewWindow(table, Position{}, 64<<20, nil)
					for range commands {
						c, err := p.Next()
						if err != nil {
							b.Fatal(err)
						}
						if window {
							w.Add(c)
						}
					}
				}
				b.ReportMetric(float64(b.N)*commands/b.Elapsed().Seconds(), "commands/s")
			})
		}
	}
}
