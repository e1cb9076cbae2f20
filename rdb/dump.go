// Package rdb decodes Redis's serialised values: the payloads that the DUMP
// command answers with, in every encoding that Redis up to 8 and Valkey up to 9
// write. It feeds what it decodes to a value.Visitor, element by element. It
// does no I/O of its own, and it does not encode.
package rdb

import (
	"fmt"

	"github.com/keylift/keylift/value"
)

// A Decoder decodes serialised values. Its zero value is ready. It keeps scratch
// memory between calls; one goroutine at a time may use it.
type Decoder struct{}

// Dump decodes a DUMP payload and feeds v. Type, Module and Elements of k are
// filled in from the payload, the rest is the caller's. It returns an
// *UnsupportedError or a *CorruptError where the payload is at fault; an error of
// v is returned as it is.
func (d *Decoder) Dump(payload []byte, k value.Key, v value.Visitor) error {
	return &UnsupportedError{}
}

// DumpType returns the type of the value in a DUMP payload without decoding it.
func DumpType(payload []byte) (value.Type, error) {
	return value.Unknown, &UnsupportedError{}
}

// An UnsupportedError says that a value is of a type or an encoding newer than
// this decoder: typed commands may still read it.
type UnsupportedError struct {
	Opcode  byte // the type byte of the value
	Version int  // the RDB version that the payload states
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("serialised value of type %d, RDB version %d, is newer than this decoder", e.Opcode, e.Version)
}

// A CorruptError says that a serialised value contradicts itself.
type CorruptError struct {
	At   int    // index of the byte in the payload where decoding stopped
	What string // a clause: "listpack entry exceeds the listpack"
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt serialised value at byte %d: %s", e.At, e.What)
}
