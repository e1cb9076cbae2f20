package wire_test

import (
	"log/slog"
	"testing"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/wire"
)

// What only the tables themselves can tell is a mistake of the configuration, too.
func TestSource_tableMistakes(t *testing.T) {
	cfg, err := config.Load([]byte(`host: h
tables:
- {name: a, keys: "a:{id"}
- {name: b, keys: "b:{id}"}
- {name: c, keys: "c:{id}", layout: columns, columns: [{field: level, type: int, default: many}]}
- {name: d, keys: "d:{level}", layout: columns, columns: [{field: Level}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = wire.Source(cfg, slog.New(slog.DiscardHandler), false)
	const want = `tables[a].keys has no } behind "{id": close the capture, or write \{ for the character
tables[c]: the default "many" of column "level" is no int: write one that is, or another type
tables[d]: capture {level} and field "Level" would both be column "level": name one of them otherwise`
	if _, ok := err.(*config.Error); !ok || err.Error() != want { //nolint:errorlint // documented so, unwrapped
		t.Errorf("got %v\nwant %s", err, want)
	}
}
