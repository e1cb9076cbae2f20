// Package value is the seam between reading and shaping: whatever delivers a
// key (a DUMP payload, a typed reply, a chunk of a big key, an RDB file) feeds
// one Visitor, element by element; whatever shapes it (canonical JSON, typed
// columns, element rows) is one. It reads nothing itself.
package value

import (
	"strconv"
	"time"
)

// A Type is the type of a key. The zero Type is unknown.
type Type uint8

// The types of keys. Module types that keylift cannot read are Module.
const (
	Unknown Type = iota
	String
	Hash
	List
	Set
	SortedSet
	Stream
	JSON
	TimeSeries
	VectorSet
	Module
)

var typeNames = [...]string{"unknown", "string", "hash", "list", "set", "zset", "stream", "json", "timeseries", "vectorset", "module"}

// String returns the type's name as the data_type column writes it.
func (t Type) String() string { return typeNames[t] }

// A Key is what is known of a key beside its elements.
type Key struct {
	Database  int
	Name      []byte
	Type      Type
	Module    string    // name of the type when Type is Module
	ExpiresAt time.Time // zero: no expiry
	TTL       int64     // seconds left when read; -1: no expiry
	ReadAt    time.Time // when the value was read
	Elements  int       // number of elements to expect, or of bytes of a string; -1: not known beforehand
}

// A StreamID is the ID of a stream entry.
type StreamID struct{ Ms, Seq uint64 }

// Append appends the ID as Redis writes it, ms-seq.
func (id StreamID) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, id.Ms, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

// A Visitor receives one key's value as it is decoded: Begin, then the elements
// by the method of the key's type, then End. A JSON document arrives by one call
// of String; a Module key has no elements. Byte slices, the key's name among
// them, are valid only during the call. After an error, from the Visitor or its
// caller, End is not called and the next Begin starts afresh.
type Visitor interface {
	Begin(k Key) error
	// String receives the next piece of a string: a string may arrive in several.
	String(b []byte) error
	// Field receives one field of a hash, in any order; the zero time means that
	// the field has no expiry of its own.
	Field(field, val []byte, expiresAt time.Time) error
	// Element receives the next element of a list, from the head on.
	Element(b []byte) error
	// Member receives one member of a set, in any order.
	Member(b []byte) error
	// Scored receives one member of a sorted set, in any order.
	Scored(member []byte, score float64) error
	// Entry receives the next entry of a stream, in order of ID; fields alternates
	// names and values.
	Entry(id StreamID, fields [][]byte) error
	// Sample receives the next sample of a time series, in order of time.
	Sample(at time.Time, v float64) error
	End() error
}
