package rdb

import (
	"math/rand/v2"
	"testing"
)

// bitwiseCRC64 computes a checksum bit by bit.
func bitwiseCRC64(crc uint64, b []byte) uint64 {
	for _, c := range b {
		crc ^= uint64(c)
		for range 8 {
			crc = crc>>1 ^ crc&1*crcPolynomial
		}
	}
	return crc
}

// TestCRC64: the example is that of Redis's own test.
func TestCRC64(t *testing.T) {
	if got := crc64([]byte("123456789")); got != 0xe9c6d914c4b8d9ca {
		t.Errorf("got %x, want e9c6d914c4b8d9ca", got)
	}
}

// TestAppendCRC64_lengths: whatever the length and where it lies in memory.
func TestAppendCRC64_lengths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 16+400)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	for start := range 16 {
		crc := r.Uint64()
		want := crc
		for n := range 400 {
			if got := appendCRC64(crc, b[start:start+n]); got != want {
				t.Fatalf("%d bytes from %d: got %x, want %x", n, start, got, want)
			}
			if got := tableCRC64(crc, b[start:start+n]); got != want {
				t.Fatalf("%d bytes from %d, by tables: got %x, want %x", n, start, got, want)
			}
			want = bitwiseCRC64(want, b[start+n:start+n+1])
		}
	}
}

func FuzzAppendCRC64(f *testing.F) {
	f.Add(uint64(0), []byte("123456789"))
	f.Add(^uint64(0), make([]byte, 300))
	f.Fuzz(func(t *testing.T, crc uint64, b []byte) {
		if got, want := appendCRC64(crc, b), bitwiseCRC64(crc, b); got != want {
			t.Errorf("%x and %x: got %x, want %x", crc, b, got, want)
		}
	})
}

func BenchmarkAppendCRC64(b *testing.B) {
	data := make([]byte, 512<<10)
	b.SetBytes(int64(len(data)))
	var crc uint64
	for b.Loop() {
		crc = appendCRC64(crc, data)
	}
}

func BenchmarkTableCRC64(b *testing.B) {
	data := make([]byte, 512<<10)
	b.SetBytes(int64(len(data)))
	var crc uint64
	for b.Loop() {
		crc = tableCRC64(crc, data)
	}
}
