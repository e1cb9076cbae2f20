//go:build !amd64

package rdb

// fold is not worth while.
func fold(_ uint64, b []byte) (folded [16]byte, rest []byte, ok bool) { return folded, b, false }
