//go:build !linux

package wire

// GiveWay does nothing: only on Linux does keylift lower its priority by itself.
func GiveWay() {}
