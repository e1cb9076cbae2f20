package rdb

import (
	"bytes"
	"testing"
)

// TestLZF_runs: literals and matches of every length, as far back as they may
// overlap, with more behind them or none.
func TestLZF_runs(t *testing.T) {
	text := []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
	for distance := 1; distance <= lzfMaxLiteral+4; distance++ {
		for n := 3; n <= 60; n++ {
			for behind := range 3 {
				var src, want []byte
				for _, literal := range [][]byte{text[:distance-distance/2], text[distance-distance/2 : distance]} {
					if len(literal) > 0 {
						src = append(append(src, byte(len(literal)-1)), literal...)
						want = append(want, literal...)
					}
				}
				if n < 7+2 {
					src = append(src, byte(n-2)<<5, byte(distance-1))
				} else {
					src = append(src, 7<<5, byte(n-2-7), byte(distance-1))
				}
				for range n {
					want = append(want, want[len(want)-distance])
				}
				if behind > 0 {
					src = append(append(src, byte(behind-1)), text[:behind]...)
					want = append(want, text[:behind]...)
				}
				got, ok := appendLZF([]byte("before"), src, len(want))
				if !ok || !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Fatalf("%d bytes from %d back: got %q, %t, want %q", n, distance, got, ok, want)
				}
			}
		}
	}
}
