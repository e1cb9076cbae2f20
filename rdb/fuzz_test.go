package rdb_test

import (
	"bytes"
	"errors"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/value"
)

// A counter counts what it is fed and reads every byte of it.
type counter struct {
	state    string
	elements int
	sum      byte
}

func (c *counter) read(texts ...[]byte) error {
	if c.state != "begun" {
		return errors.New("an element before Begin")
	}
	c.elements++
	for _, text := range texts {
		if len(text) > 0 {
			c.sum += text[0] + text[len(text)-1]
		}
	}
	return nil
}

func (c *counter) Begin(value.Key) error                      { c.state = "begun"; return nil }
func (c *counter) String(b []byte) error                      { return c.read(b) }
func (c *counter) Field(field, val []byte, _ time.Time) error { return c.read(field, val) }
func (c *counter) Element(b []byte) error                     { return c.read(b) }
func (c *counter) Member(b []byte) error                      { return c.read(b) }
func (c *counter) Scored(member []byte, _ float64) error      { return c.read(member) }
func (c *counter) Entry(_ value.StreamID, f [][]byte) error   { return c.read(f...) }
func (c *counter) Sample(time.Time, float64) error            { return errors.New("a sample") }
func (c *counter) End() error                                 { c.state = "ended"; return nil }

// maxExpansion is how many times longer than compressed a string can be.
const maxExpansion = 88

// survive decodes a value that anyone may have written: it must end, with an end
// or an error that says what is wrong, and take memory in proportion to its input.
func survive(t *testing.T, version uint16, body []byte) {
	t.Helper()
	payload := seal(int(version), body)
	var d rdb.Decoder
	var c counter
	before := allocated()
	err := d.Dump(payload, keyOf(readAt), &c)
	// Scratch grows by doubling; the rest is for what else runs in the process.
	if got, limit := allocated()-before, uint64(4*maxExpansion*len(payload)+4<<20); got > limit {
		t.Errorf("%d bytes allocated for a payload of %d", got, len(payload))
	}
	if limit := 1 + maxExpansion*len(payload); c.elements > limit {
		t.Errorf("%d elements of a payload of %d bytes", c.elements, len(payload))
	}
	var corrupt *rdb.CorruptError
	var unsupported *rdb.UnsupportedError
	switch {
	case err == nil:
		if c.state != "ended" {
			t.Errorf("no error and no End, but %q", c.state)
		}
		if kind, err := rdb.DumpType(payload); err != nil || kind == value.Unknown {
			t.Errorf("decoded, but of type %v, %v", kind, err)
		}
	case errors.As(err, &corrupt):
		if corrupt.At < 0 || corrupt.At > len(payload) || corrupt.What == "" || c.state == "ended" {
			t.Errorf("%#v, the visitor %s", corrupt, c.state)
		}
	case !errors.As(err, &unsupported) || c.state != "":
		t.Errorf("error %v, the visitor %q", err, c.state)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func FuzzDecoder_Dump(f *testing.F) {
	for _, e := range append(encodings, streams...) {
		if len(e.body) < 1000 {
			f.Add(uint16(e.version), e.body)
		}
	}
	f.Fuzz(survive)
}

// entriesOf is what stands between the header of a packed string and its end.
func entriesOf(packed []byte, header int) []byte { return packed[header : len(packed)-1] }

// listpackOf gives entries a valid header, which most changes would spoil.
func listpackOf(count uint16, entries []byte) []byte {
	return join(little(4, uint64(len(entries)+7)), little(2, uint64(count)), entries, 0xff)
}

func ziplistOf(count uint16, entries []byte) []byte {
	return join(little(4, uint64(len(entries)+11)), little(4, 10), little(2, uint64(count)), entries, 0xff)
}

const uncounted = 0xffff

func FuzzListpack(f *testing.F) {
	f.Add(uint16(uncounted), entriesOf(listpack(listpackIntegers...), 6))
	f.Add(uint16(uncounted), entriesOf(listpack("", "a", "12", "1.5", middle, 0), 6))
	f.Add(uint16(2), entriesOf(listpack("a", "b"), 6))
	f.Fuzz(func(t *testing.T, count uint16, entries []byte) {
		blob := listpackOf(count, entries)
		for _, opcode := range []int{16, 17, 20} {
			survive(t, 12, join(opcode, str(blob)))
		}
		survive(t, 12, join(18, 2, 2, str(blob), 2, str(blob)))
		survive(t, 12, join(25, little(8, 1), str(blob)))
		survive(t, 15, join(29, 0, str(blob), str(blob)))
	})
}

func FuzzZiplist(f *testing.F) {
	f.Add(uint16(uncounted), entriesOf(ziplist(ziplistIntegers...), 10))
	f.Add(uint16(uncounted), entriesOf(ziplist("", "a", "12", "1.5", join(0x40, 100, middle), "z"), 10))
	f.Add(uint16(2), entriesOf(ziplist("a", "b"), 10))
	f.Fuzz(func(t *testing.T, count uint16, entries []byte) {
		blob := ziplistOf(count, entries)
		for _, opcode := range []int{10, 12, 13} {
			survive(t, 9, join(opcode, str(blob)))
		}
		survive(t, 9, join(14, 2, str(blob), str(blob)))
	})
}

func FuzzZipmap(f *testing.F) {
	f.Add(join(2, 1, "a", 1, 0, "b", 254, little(4, 3), "abc", 2, 3, "hi", "???", 255))
	f.Fuzz(func(t *testing.T, blob []byte) { survive(t, 2, join(9, str(blob))) })
}

func FuzzIntset(f *testing.F) {
	f.Add(join(little(4, 2), little(4, 2), 0xff, 0xff, 5, 0))
	f.Fuzz(func(t *testing.T, blob []byte) { survive(t, 6, join(11, str(blob))) })
}

func FuzzStreamNode(f *testing.F) {
	f.Add(entriesOf(listpack(2, 1, 2, "name", 7, 0, 2, 0, 0, "ann", "one", 5, 3, 1, -5, "gone", 9, 5, 0, 300, -1, 1, "x", "y", 6), 6))
	f.Fuzz(func(t *testing.T, entries []byte) {
		survive(t, 10, join(19, 1, str(idBytes(1000, 5)), str(listpackOf(uncounted, entries)), state2, 1, group2))
	})
}

func FuzzStreamState(f *testing.F) {
	f.Add(byte(15), join(state1, 1, group1))
	f.Add(byte(19), join(state2, 1, group2))
	f.Add(byte(21), join(state2, 1, group3))
	f.Add(byte(26), join(state2, 1, group3, producer))
	f.Add(byte(27), join(state2, 1, group5, producer))
	f.Fuzz(func(t *testing.T, opcode byte, state []byte) {
		survive(t, 14, join(int(opcode), 1, node, state))
	})
}

// FuzzLZF compares the decompression with one that goes byte by byte.
func FuzzLZF(f *testing.F) {
	f.Add(uint16(5), join(4, "abcde"))
	f.Add(uint16(1+264+3), join(0, "z", 0xe0, 255, 0, 0x20, 0))
	f.Add(uint16(40), join(19, "abcdefghijklmnopqrst", 0xe0, 9, 15, 1, "!?"))
	f.Fuzz(func(t *testing.T, n uint16, compressed []byte) {
		want, ok := decompress(compressed)
		got, err := decode(new(rdb.Decoder), seal(10, join(0, lzf(int(n), compressed))), time.Time{})
		if (err == nil) != (ok && len(want) == int(n)) {
			t.Fatalf("claims %d bytes; got %v; by bytes %d, %v", n, err, len(want), ok)
		}
		if err == nil {
			equal(t, "decompressed", got, visit{Type: "string", Elements: quoted(string(want))})
		}
	})
}

func decompress(in []byte) (out []byte, ok bool) {
	r := bytes.NewReader(in)
	next := func() int {
		b, err := r.ReadByte()
		ok = ok && err == nil
		return int(b)
	}
	ok = true
	for r.Len() > 0 && ok {
		control := next()
		if control < 32 {
			for range control + 1 {
				out = append(out, byte(next()))
			}
			continue
		}
		n := control >> 5
		if n == 7 {
			n += next()
		}
		from := len(out) - 1 - (control&31<<8 | next())
		if from < 0 {
			return nil, false
		}
		for i := range n + 2 {
			out = append(out, out[from+i])
		}
	}
	return out, ok
}
