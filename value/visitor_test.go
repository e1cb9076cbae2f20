package value_test

import (
	"math"
	"testing"

	"github.com/keylift/keylift/value"
)

func TestType_String(t *testing.T) {
	for typ, want := range map[value.Type]string{
		value.Unknown: "unknown", value.String: "string", value.Hash: "hash", value.List: "list", value.Set: "set",
		value.SortedSet: "zset", value.Stream: "stream", value.JSON: "json", value.TimeSeries: "timeseries",
		value.VectorSet: "vectorset", value.Module: "module",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type %d is %q, want %q", uint8(typ), got, want)
		}
	}
}

func TestStreamID_Append(t *testing.T) {
	for id, want := range map[value.StreamID]string{
		{}:                        "0-0",
		{Ms: 1700000000123}:       "1700000000123-0",
		{Ms: 5, Seq: 18}:          "5-18",
		{math.MaxUint64, 1 << 63}: "18446744073709551615-9223372036854775808",
	} {
		if got := string(id.Append([]byte("id "))); got != "id "+want {
			t.Errorf("%+v: got %q, want %q", id, got, "id "+want)
		}
	}
}
