package snapshot_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/snapshot"
	"github.com/keylift/keylift/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A file is an RDB file in the making.
type file struct{ bytes.Buffer }

func newFile() *file {
	f := &file{}
	f.WriteString("REDIS0011")
	return f
}

func (f *file) database(n byte) { f.Write([]byte{0xFE, n}) }

// expires makes the next key one that expires.
func (f *file) expires(at time.Time) {
	f.WriteByte(0xFC)
	f.Write(binary.LittleEndian.AppendUint64(nil, uint64(at.UnixMilli())))
}

func (f *file) str(s string) {
	f.WriteByte(0x80)
	f.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
	f.WriteString(s)
}

func (f *file) set(key, value string) {
	f.WriteByte(0)
	f.str(key)
	f.str(value)
}

// end returns the file, complete with its checksum: CRC-64 as Jones has it, which
// begins with 0 and is not inverted in the end.
func (f *file) end() []byte {
	f.WriteByte(0xFF)
	sum := ^crc64.Update(^uint64(0), crc64.MakeTable(0x95ac9329ac4bc9b5), f.Bytes())
	f.Write(binary.LittleEndian.AppendUint64(nil, sum))
	return f.Bytes()
}

func options(t *testing.T) snapshot.Options {
	t.Helper()
	plan, err := table.NewPlan(nil, table.Options{Default: "redis_data", MaxValueBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot.Options{Plan: plan, Generation: 3, MemoryBytes: 64 << 20, Notices: silent{}}
}

// read reads to the end and returns the keys in the order in which they came, each
// with the length of its value.
func read(t *testing.T, r *snapshot.Reader) (keys []string, err error) {
	t.Helper()
	defer func() {
		if err := r.Close(); err != nil {
			t.Error("close:", err)
		}
	}()
	for {
		b, err := r.Next(t.Context())
		if err != nil {
			return keys, err
		}
		if b.After != (row.Position{Generation: 3}) || b.Closes != row.None {
			t.Fatalf("a batch closes %v at %+v", b.Closes, b.After)
		}
		key := b.Table.Column("key")
		for i := range b.Len() {
			keys = append(keys, fmt.Sprint(string(b.TextAt(key, i)), " ", len(b.TextAt(key+1, i))))
		}
		b.Release()
	}
}

// The rows come in the file's order, whoever decodes them: keys in blocks, and keys
// too large for one.
func TestReader_Next_order(t *testing.T) {
	f := newFile()
	f.database(0)
	var want []string
	set := func(key string, size int) {
		f.set(key, strings.Repeat("v", size))
		want = append(want, fmt.Sprint(key, " ", size))
	}
	for i := range 30_000 {
		if i == 15_000 {
			set(fmt.Sprint("large", i), 9<<20)
		}
		set(fmt.Sprint("k", i), i%300)
	}
	now := time.Now()
	f.expires(now.Add(-time.Millisecond))
	f.set("expired", "x")
	f.expires(now.Add(time.Hour))
	set("expiring", 1)
	f.database(1)
	f.set("elsewhere", "x")
	f.database(0)
	set("last", 1)

	o := options(t)
	o.Databases, o.ReadAt = []int{0}, now
	got, err := read(t, snapshot.NewReader(bytes.NewReader(f.end()), o))
	if !errors.Is(err, io.EOF) || len(got) != len(want) {
		t.Fatalf("%d keys, %v, want %d", len(got), err, len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("key %d is %s, want %s", i, got[i], want[i])
		}
	}
}

// A file that is cut off or changed, or cannot be read, does not end well, however
// many of its rows have come.
func TestReader_Next_broken(t *testing.T) {
	f := newFile()
	f.database(0)
	for i := range 5_000 {
		f.set(fmt.Sprint("k", i), strings.Repeat("v", 200))
	}
	whole := f.end()
	if keys, err := read(t, snapshot.NewReader(bytes.NewReader(whole), options(t))); !errors.Is(err, io.EOF) || len(keys) != 5_000 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 1
	for name, b := range map[string][]byte{
		"nothing": nil, "the header": whole[:9], "half": whole[:len(whole)/2], "all but a byte": whole[:len(whole)-1],
		"no checksum": whole[:len(whole)-8], "a bit changed": changed, "something behind": append(bytes.Clone(whole), 'x'),
	} {
		_, err := read(t, snapshot.NewReader(bytes.NewReader(b), options(t)))
		if _, corrupt := errors.AsType[*rdb.CorruptError](err); !corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	lost := errors.New("the line is dead")
	cut := io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(lost))
	if _, err := read(t, snapshot.NewReader(cut, options(t))); !errors.Is(err, lost) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// An endless reader is a file without end. It counts what was read of it.
type endless struct {
	begun bool
	rest  []byte
	read  int64
}

func (e *endless) Read(b []byte) (int, error) {
	if len(e.rest) == 0 {
		f := &file{}
		if !e.begun {
			e.begun = true
			f = newFile()
			f.database(0)
		}
		for range 100 {
			f.set("key", strings.Repeat("v", 1000))
		}
		e.rest = f.Bytes()
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	e.read += int64(n)
	return n, nil
}

// Of a file whose rows nobody takes, no more is read than MemoryBytes; and it can be
// left at any time.
func TestReader_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, o := &endless{}, options(t)
		o.MemoryBytes = 16 << 20
		r := snapshot.NewReader(e, o)
		synctest.Wait() // until all its goroutines are blocked
		least := e.read
		if least < 1<<20 || least > o.MemoryBytes {
			t.Errorf("%d bytes were read ahead, want up to %d", least, o.MemoryBytes)
		}
		for taken := int64(0); taken < 2*o.MemoryBytes; {
			b, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			taken += b.Bytes()
			b.Release()
			synctest.Wait()
			if e.read > taken+o.MemoryBytes {
				t.Fatalf("%d bytes were read for %d", e.read, taken)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for {
			b, err := r.Next(gone)
			if errors.Is(err, context.Canceled) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b.Release() // what is at hand may still come
			synctest.Wait()
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Next(t.Context()); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a closed reader: %v", err)
		}
	})
}

// silent takes no notice.
type silent struct{}

func (silent) Oversized(string)      {}
func (silent) Module(string, string) {}
