package rdb

import "github.com/keylift/keylift/value"

// The parts of a module's value, each after a byte that says what it is.
const (
	modulePartEnd      = 0
	modulePartSigned   = 1
	modulePartUnsigned = 2
	modulePartFloat    = 3
	modulePartDouble   = 4
	modulePartString   = 5
)

// module passes over the value of a module's type, whose meaning only the module
// knows, and feeds its name alone.
func (d *Decoder) module() error { return d.moduleOf(d.c.number()) }

// moduleOf passes over what follows the id of a module's type.
func (d *Decoder) moduleOf(id uint64) error {
	d.c.skipModuleValue()
	if d.c.err != nil {
		return d.c.err
	}
	d.k.Module = moduleName(id)
	return d.begin(value.Module, -1)
}

// skipModuleValue passes over the parts of a value.
func (c *cursor) skipModuleValue() {
	for {
		switch c.number() {
		case modulePartEnd: // or a failure
			return
		case modulePartSigned, modulePartUnsigned:
			c.number()
		case modulePartFloat:
			c.skip(4)
		case modulePartDouble:
			c.skip(8)
		case modulePartString:
			c.skipString()
		default:
			c.fail("a module's value has a part of an unknown form")
		}
	}
}

// moduleNames are the names of types that are better known by others.
var moduleNames = map[string]string{
	"ReJSON-RL": value.JSON.String(),
	"TSDB-TYPE": value.TimeSeries.String(),
	"vectorset": value.VectorSet.String(),
}

// moduleName returns the name of a module's type. Its id holds nine characters
// of 6 bits and a version of 10. (Redis: module.c.)
func moduleName(id uint64) string {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var name [9]byte
	id >>= 10
	for i := len(name) - 1; i >= 0; i-- {
		name[i] = characters[id&63]
		id >>= 6
	}
	if known, ok := moduleNames[string(name[:])]; ok {
		return known
	}
	return string(name[:])
}
