package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/row"
)

// A Format says how the text of a field or a capture is read, and with it the
// type of its column. The zero Format is invalid.
type Format uint8

// The formats.
const (
	Text         Format = iota + 1 // STRING: any bytes, by their text form
	Bool                           // BOOLEAN: true, false, 1 or 0
	Whole                          // INT: decimal digits, of 64 bits
	Float                          // DOUBLE
	DecimalText                    // DECIMAL: up to 26 digits before the point and 12 behind it
	Timestamp                      // UTC_DATETIME: RFC 3339
	Seconds                        // UTC_DATETIME: Unix time in seconds, with decimals or without
	Milliseconds                   // UTC_DATETIME: Unix time in milliseconds
	JSONText                       // JSON
)

var formatNames = [...]string{"", "string", "boolean", "int", "double", "decimal", "utc_datetime", "unix_s", "unix_ms", "json"}

// ParseFormat returns the format of a name: string, boolean, int, double, decimal,
// utc_datetime, unix_s, unix_ms or json.
func ParseFormat(name string) (Format, bool) {
	i := slices.Index(formatNames[1:], name)
	return Format(i + 1), i >= 0
}

// String returns the format's name.
func (f Format) String() string { return formatNames[f] }

// Type returns the type of a column of the format.
func (f Format) Type() row.Type {
	switch f {
	case Bool:
		return row.Boolean
	case Whole:
		return row.Int
	case Float:
		return row.Double
	case DecimalText:
		return row.Decimal
	case Timestamp, Seconds, Milliseconds:
		return row.UTCDateTime
	case JSONText:
		return row.JSON
	}
	return row.String
}

// A cell is one value on its way to a column.
type cell struct {
	whole int64
	float float64
	text  []byte // of types that are text; may share what was parsed
}

// parse reads b, and reports whether it fits the format.
func (v *cell) parse(f Format, b []byte) bool {
	switch f {
	case Text:
		v.text = b
		return true
	case Bool:
		return v.parseBool(b)
	case Whole:
		n, err := strconv.ParseInt(string(b), 10, 64)
		v.whole = n
		return err == nil && b[0] != '+'
	case Float:
		n, err := strconv.ParseFloat(string(b), 64)
		v.float = n
		return err == nil && bytes.IndexByte(b, '_') < 0
	case DecimalText:
		if !isDecimal(b) {
			return false
		}
		v.text = canonicalDecimal(b)
		return true
	case Timestamp:
		at, err := time.Parse(time.RFC3339Nano, string(b))
		return err == nil && v.at(at)
	case Seconds:
		return v.parseUnix(b, 6)
	case Milliseconds:
		return v.parseUnix(b, 3)
	case JSONText:
		text, ok := canonicalJSON(b)
		v.text = text
		return ok
	}
	return false
}

func (v *cell) parseBool(b []byte) bool {
	switch strings.ToLower(string(b)) {
	case "true", "1":
		v.whole = 1
	case "false", "0":
		v.whole = 0
	default:
		return false
	}
	return true
}

var firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

// at takes a time that warehouses have.
func (v *cell) at(t time.Time) bool {
	v.whole = t.UnixMicro()
	return !t.Before(firstTime) && !t.After(lastTime)
}

// parseUnix reads a time of the unit that has 10^decimals microseconds.
func (v *cell) parseUnix(b []byte, decimals int) bool {
	if !isDecimal(b) {
		return false
	}
	before, behind, _ := strings.Cut(string(b), ".")
	n, err := strconv.ParseInt(before, 10, 64)
	scale := int64(math.Pow10(decimals))
	if err != nil || n > math.MaxInt64/scale || n < math.MinInt64/scale {
		return false
	}
	behind = (behind + "000000")[:decimals]
	part, err := strconv.ParseInt(behind, 10, 64)
	if err != nil {
		return false
	}
	if strings.HasPrefix(before, "-") {
		part = -part
	}
	return v.at(time.UnixMicro(n*scale + part))
}

const (
	decimalWhole    = 26 // digits before the point
	decimalFraction = 12
)

// isDecimal reports whether b is a decimal number without an exponent that a
// column of type DECIMAL holds exactly.
func isDecimal(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	before, behind, pointed := bytes.Cut(b, []byte("."))
	if pointed && len(behind) == 0 || len(before) == 0 || len(bytes.TrimLeft(before, "0")) > decimalWhole || len(behind) > decimalFraction {
		return false
	}
	return isDigits(before) && isDigits(behind)
}

// canonicalDecimal writes a decimal number, which b is, without zeros that say
// nothing: equal numbers give equal texts.
func canonicalDecimal(b []byte) []byte {
	digits := bytes.TrimPrefix(b, []byte("-"))
	if bytes.IndexByte(digits, '.') >= 0 {
		digits = bytes.TrimSuffix(bytes.TrimRight(digits, "0"), []byte("."))
	}
	if rest := bytes.TrimLeft(digits, "0"); len(rest) == 0 || rest[0] == '.' {
		digits = digits[len(digits)-len(rest)-1:]
	} else {
		digits = rest
	}
	if b[0] != '-' || string(digits) == "0" {
		return digits
	}
	return append([]byte{'-'}, digits...)
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// canonicalJSON returns a JSON text with the names of its objects sorted and no
// insignificant space; numbers stay as they are written.
func canonicalJSON(b []byte) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return appendJSON(nil, v), true
}

// appendJSON appends a decoded JSON value.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case json.Number:
		return append(dst, v...)
	case string:
		return row.AppendString(dst, []byte(v))
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		dst = append(dst, '{')
		for i, name := range names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(row.AppendString(dst, []byte(name)), ':')
			dst = appendJSON(dst, v[name])
		}
		return append(dst, '}')
	}
	return dst
}

// append adds the cell to column c.
func (v *cell) append(b *row.Batch, c int) {
	switch b.Table.Columns[c].Type {
	case row.Boolean, row.Int, row.UTCDateTime:
		b.AppendInt(c, v.whole)
	case row.Double:
		b.AppendFloat(c, v.float)
	case row.String:
		start := len(b.Text)
		b.Text = row.AppendText(b.Text, v.text)
		b.AppendSpan(c, start)
	default:
		start := len(b.Text)
		b.Text = append(b.Text, v.text...)
		b.AppendSpan(c, start)
	}
}
