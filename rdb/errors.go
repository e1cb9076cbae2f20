package rdb

import "fmt"

// An UnsupportedError says that a value is of a type or an encoding newer than
// this decoder: typed commands may still read it.
type UnsupportedError struct {
	Opcode  byte // the type byte of the value
	Version int  // the RDB version that the payload states
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("serialised value of type %d, RDB version %d, is unknown to this decoder", e.Opcode, e.Version)
}

// A CorruptError says that a serialised value contradicts itself.
type CorruptError struct {
	// At is the index in the payload of the byte where decoding stopped, or of the
	// first byte after the packed string that holds it.
	At   int
	What string // a clause: "the listpack's size is not its length"
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt serialised value at byte %d: %s", e.At, e.What)
}
