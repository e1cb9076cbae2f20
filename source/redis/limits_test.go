package redis

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// A large hash, a large sorted set and keys of hundreds of templates, element by
// element: what docs/limits.md has, in a smaller form.
func TestReader_limits(t *testing.T) {
	t.Parallel()
	const fields, members, templates, players = 100_000, 300_000, 500, 3
	s := testserver.Redis(t, testserver.Options{})
	send(t, clientOf(t, s), "EVAL", `
		for i=1,ARGV[1] do redis.call("HSET","inventory:7","item:"..i,i) end
		for i=1,ARGV[2] do redis.call("ZADD","leaderboard:all",i%1000,"player:"..i) end
		for i=0,ARGV[3]-1 do for k=1,ARGV[4] do redis.call("HSET","tenant"..i..":player:"..k,"level",i); end; end`, "0",
		strconv.Itoa(fields), strconv.Itoa(members), strconv.Itoa(templates), strconv.Itoa(players))
	specs := []table.Spec{
		tableOf(t, "inventory:{player}", table.Spec{Name: "inventories", Layout: table.Elements, Type: value.Hash}),
		tableOf(t, "leaderboard:{board}", table.Spec{Name: "boards", Layout: table.Elements, Type: value.SortedSet}),
	}
	for i := range templates {
		specs = append(specs, tableOf(t, fmt.Sprintf("tenant%d:player:{player}", i), table.Spec{
			Name: "tenant" + strconv.Itoa(i), Layout: table.Columns, Type: value.Hash, Fields: []table.Field{{Name: "level", Format: table.Whole}},
		}))
	}
	r, err := sourceOf(t, s, withTables(true, specs...)).Open(t.Context(), row.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	seen := map[string]map[string]float64{} // by table and what tells rows apart: SCAN may return a key twice
	note := func(b *row.Batch, i int, column string, n float64) {
		if seen[b.Table.Name] == nil {
			seen[b.Table.Name] = map[string]float64{}
		}
		seen[b.Table.Name][string(b.TextAt(b.Table.Column(column), i))] = n
	}
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, op := range b.Ops {
			if op != row.Upsert {
				continue // in a table of elements, what was there before is gone
			}
			switch b.Table.Name {
			case "inventories":
				n, err := strconv.Atoi(string(b.TextAt(b.Table.Column("value"), i)))
				if err != nil {
					t.Fatal(err)
				}
				note(b, i, "field", float64(n))
			case "boards":
				note(b, i, "member", b.Vectors[b.Table.Column("score")].Floats[i])
			default:
				note(b, i, "key", float64(b.Vectors[b.Table.Column("level")].Ints[i]))
			}
		}
		b.Release()
	}
	rows, sums := map[string]int{}, map[string]float64{}
	for name, all := range seen {
		rows[name] = len(all)
		for _, n := range all {
			sums[name] += n
		}
	}
	if rows["inventories"] != fields || sums["inventories"] != 5_000_050_000 {
		t.Errorf("hash: %d fields, their values %v in all", rows["inventories"], sums["inventories"])
	}
	if rows["boards"] != members || sums["boards"] != 149_850_000 {
		t.Errorf("sorted set: %d members, their scores %v in all", rows["boards"], sums["boards"])
	}
	for i := range templates {
		if name := "tenant" + strconv.Itoa(i); rows[name] != players || sums[name] != float64(players*i) {
			t.Errorf("table %s: %d rows, their levels %v in all", name, rows[name], sums[name])
		}
	}
}
