package redis

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/value"
)

// dumpOf returns the payload of a value of a module's type: an id made of the
// nine characters of its name and a version, one part, and the end of parts.
func dumpOf(name string) []byte {
	id := uint64(0)
	for _, c := range []byte(name) {
		id = id<<6 | uint64(strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c))
	}
	b := binary.BigEndian.AppendUint64([]byte{7, 0x81}, id<<10|1)
	b = append(b, 2, 42, 0) // an unsigned number, the end
	b = binary.LittleEndian.AppendUint16(b, 10)
	crc := uint64(0) // the Jones polynomial, reflected
	for _, c := range b {
		crc ^= uint64(c)
		for range 8 {
			crc = crc>>1 ^ -(crc&1)&0x95ac9329ac4bc9b5
		}
	}
	return binary.LittleEndian.AppendUint64(b, crc)
}

// Values of modules' types are NULL, under the name of the type, and said so once.
func TestFetcher_takeDump_module(t *testing.T) {
	var log strings.Builder
	o := Options{Address: "x:1", Types: []string{"json", "MBbloom--"}}
	logTo(&log)(&o)
	src, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r := src.readerOf(&session{})
	f := r.newFetcher()
	f.page = &page{}
	for i, name := range []string{"ReJSON-RL", "MBbloom--", "ReJSON-RL", "TSDB-TYPE"} {
		key := "k" + string(rune('0'+i))
		k := value.Key{Name: []byte(key), TTL: -1, ReadAt: time.Now()}
		if err := f.takeDump(&job{name: key}, k, dumpOf(name)); err != nil || len(f.values) > 0 {
			t.Fatal(err, f.values)
		}
	}
	rows := map[string]aRow{}
	rowsOf(t, f.shaper.Take()[0], rows)
	sameRows(t, rows, map[string]aRow{
		"k0": {Op: row.Upsert, Type: "json", Null: true, TTL: -1},
		"k1": {Op: row.Upsert, Type: "MBbloom--", Null: true, TTL: -1},
		"k2": {Op: row.Upsert, Type: "json", Null: true, TTL: -1},
	}, 0)
	if n := strings.Count(log.String(), "module's type are not read"); n != 2 {
		t.Errorf("%d lines about modules: %s", n, &log)
	}
}
