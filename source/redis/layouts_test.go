package redis

import (
	"fmt"
	"maps"
	"strconv"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// layouts are tables of every layout, for every type.
func layouts(t *testing.T) []table.Spec {
	t.Helper()
	var specs []table.Spec
	for _, kind := range []value.Type{value.Hash, value.List, value.Set, value.SortedSet, value.Stream} {
		specs = append(specs, tableOf(t, kind.String()+":{name}", table.Spec{Name: kind.String() + "s", Layout: table.Elements, Type: kind}))
	}
	return append(
		specs,
		tableOf(t, "player:{id:int}", table.Spec{Name: "players", Layout: table.Columns, Fields: []table.Field{
			{Name: "name", Format: table.Text}, {Name: "level", Format: table.Whole},
		}}),
		tableOf(t, "player:{id:int}", table.Spec{Name: "names", Type: value.String}),
	)
}

// A world is what a server holds and the tables that should come of it.
type world struct {
	commands [][]string
	rows     map[string][]string
}

func (w *world) add(name, text string) { w.rows[name] = append(w.rows[name], text) }

// many is how many elements collections have that are not small.
const many = 700

func newWorld() *world {
	w := &world{rows: map[string][]string{}}
	do := func(command ...string) { w.commands = append(w.commands, command) }
	for _, id := range []string{"few", "many"} {
		n := 3
		if id == "many" {
			n = many
		}
		for i := range n {
			e := fmt.Sprintf("e%04d", i)
			do("HSET", "hash:"+id, e, strconv.Itoa(i))
			w.add("hashs", fmt.Sprintf("hash:%s %s %s %d -", id, e, id, i))
			do("RPUSH", "list:"+id, e)
			w.add("lists", fmt.Sprintf("list:%s %d %s %s", id, i, id, e))
			do("SADD", "set:"+id, e)
			w.add("sets", fmt.Sprintf("set:%s %s %s", id, e, id))
			do("ZADD", "zset:"+id, strconv.Itoa(i)+".5", e)
			w.add("zsets", fmt.Sprintf("zset:%s %s %s %d.5", id, e, id, i))
			do("XADD", "stream:"+id, strconv.Itoa(i+1000)+"-1", "n", strconv.Itoa(i+1000))
			w.add("streams", entryRow("stream:"+id, i+1000, strconv.Itoa(i+1000)))
		}
	}
	do("HSET", "hash:odd", "\xff", "\x00", "base64:", "é")
	w.add("hashs", "hash:odd base64:/w== odd base64:AA== -")
	w.add("hashs", "hash:odd base64:YmFzZTY0Og== odd é -")
	do("ZADD", "zset:odd", "-inf", "low", "inf", "high")
	w.add("zsets", "zset:odd low odd -Inf")
	w.add("zsets", "zset:odd high odd +Inf")
	do("HSET", "player:1", "name", "Ada", "level", "12", "guild", "g")
	w.add("players", `player:1 1 Ada 12 {"guild":"g"}`)
	do("HSET", "player:2", "level", "twelve")
	w.add("players", `player:2 2 - - {"level":"twelve"}`)
	do("SET", "player:3", "Bob")
	w.add("names", "player:3 3 Bob string - 3")
	do("HSET", "player:x", "a", "b")
	w.add(DefaultTable, `player:x {"a":"b"} hash - 1`)
	do("SET", "hash:string", "v")
	w.add(DefaultTable, "hash:string v string - 1")
	do("RPUSH", "zset:list", "v")
	w.add(DefaultTable, `zset:list ["v"] list - 1`)
	do("SADD", "player:4", "m")
	w.add(DefaultTable, `player:4 ["m"] set - 1`)
	return w
}

// change changes a world: keys come and go, elements do, and types change.
func (w *world) change() [][]string {
	maps.Copy(w.rows, map[string][]string{
		"hashs":      {"hash:few e0000 few changed -", "hash:new f new v -"},
		"lists":      {"list:few 0 few e0001", "list:few 1 few e0002", "list:few 2 few last"},
		"sets":       {"set:few e0001 few", "set:few new few"},
		"zsets":      {"zset:few e0000 few 100", "zset:few e0001 few 1.5", "zset:list m list 1"},
		"players":    {`player:2 2 Cyd 3 -`},
		"names":      {"player:1 1 Ada string - 3"},
		DefaultTable: {"hash:few2 v string - 1", `player:x {"a":"c"} hash - 1`, "hash:string w string - 1", `player:4 ["m"] set - 1`, `set:odd {"f":"v"} hash - 1`},
	})
	for i := range many {
		e := fmt.Sprintf("e%04d", i)
		if i != 5 {
			w.add("zsets", fmt.Sprintf("zset:many %s many %d.5", e, i))
		}
	}
	w.add("zsets", "zset:many new many 0")
	w.rows["streams"] = append(w.rows["streams"], entryRow("stream:few", 5000, "new"))
	return [][]string{
		{"HDEL", "hash:few", "e0001", "e0002"},
		{"HSET", "hash:few", "e0000", "changed"},
		{"DEL", "hash:many", "hash:odd", "list:many", "set:many", "zset:odd"},
		{"HSET", "hash:new", "f", "v"},
		{"LPOP", "list:few"},
		{"RPUSH", "list:few", "last"},
		{"SREM", "set:few", "e0000", "e0002"},
		{"SADD", "set:few", "new"},
		{"ZADD", "zset:few", "100", "e0000"},
		{"ZREM", "zset:few", "e0002"},
		{"ZREM", "zset:many", "e0005"},
		{"ZADD", "zset:many", "0", "new"},
		{"XADD", "stream:few", "5000-1", "n", "new"},
		{"XTRIM", "stream:few", "MAXLEN", "2"},
		{"DEL", "zset:list", "player:1", "player:2", "player:3"},
		{"ZADD", "zset:list", "1", "m"},
		{"SET", "player:1", "Ada"},
		{"HSET", "player:2", "name", "Cyd", "level", "3"},
		{"SET", "hash:few2", "v"},
		{"HSET", "player:x", "a", "c"},
		{"SET", "hash:string", "w"},
		{"HSET", "set:odd", "f", "v"},
	}
}

func (w *world) check(t *testing.T, d *store, skip bool) {
	t.Helper()
	for name, rows := range w.rows {
		if skip && name == DefaultTable {
			rows = nil
		}
		d.want(t, name, rows...)
	}
}

// Every layout by every type, read whole, in chunks, by typed commands and as a
// replica, and read again when elements, keys and types have changed.
func TestReader_Next_layouts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Options)
		skip   bool
	}{
		"scan":          {func(*Options) {}, false},
		"in chunks":     {func(o *Options) { o.BigKeyBytes = 1 }, false},
		"partly":        {func(o *Options) { o.BigKeyBytes = 2000 }, false},
		"without DUMP":  {func(o *Options) { o.Username, o.Password = "reader", "pw" }, false},
		"small batches": {func(o *Options) { o.BatchSize, o.MemoryBytes = 2, 1 }, false},
		"skip":          {func(*Options) {}, true},
		"replica":       {replica, false},
		"replica, skip": {replica, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := testserver.Redis(t, testserver.Options{
				ACL: []string{"default on nopass ~* &* +@all", "reader on >pw ~* &* +@all -dump -memory -watch"},
			})
			client := clientOf(t, s)
			w := newWorld()
			fill(t, client, w.commands...)
			src := sourceOf(t, s, withTables(c.skip, layouts(t)...), c.change)
			d := &store{}
			for range 2 {
				d.run(t, src)
				w.check(t, d, c.skip)
			}
			fill(t, client, w.change()...)
			d.run(t, src)
			w.check(t, d, c.skip)
		})
	}
}

// The same by notifications.
func TestNotified_layouts(t *testing.T) {
	s := notifying(t)
	c := clientOf(t, s)
	w := newWorld()
	fill(t, c, w.commands...)
	r := openReader(t, sourceOf(t, s, notified, withTables(false, layouts(t)...)), row.Position{})
	d := &store{}
	d.until(t, r, "hash:string")
	w.check(t, d, false)
	fill(t, c, append(w.change(), []string{"SET", "end", "v"})...)
	d.until(t, r, "end")
	w.add(DefaultTable, "end v string - 1")
	w.check(t, d, false)
}

// The rows of a key of many elements are handed on while it is read, whatever its
// type, in every way of reading.
func TestReader_Next_spills(t *testing.T) {
	t.Parallel()
	const elements = 50_000
	specs := []table.Spec{
		tableOf(t, "zset:{name}", table.Spec{Name: "zsets", Layout: table.Elements, Type: value.SortedSet}),
		tableOf(t, "set:{name}", table.Spec{Name: "sets", Layout: table.Elements, Type: value.Set}),
	}
	s := primary(t)
	fill(t, clientOf(t, s), []string{"EVAL", `for i = 1, tonumber(ARGV[1]) do
		redis.call("ZADD", "zset:many", i, "member:" .. i)
		redis.call("SADD", "set:many", "member:" .. i)
	end return 1`, "0", strconv.Itoa(elements)})
	for name, change := range map[string]func(*Options){
		"scan":      func(*Options) {},
		"in chunks": func(o *Options) { o.BigKeyBytes = 1 << 20 },
		"replica":   replica,
	} {
		t.Run(name, func(t *testing.T) {
			r := openReader(t, sourceOf(t, s, withTables(true, specs...), change), row.Position{})
			for rows, more := 0, true; more; {
				b, err := r.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				rows += b.Len()
				if b.Bytes() > 2*maxBatchBytes {
					t.Errorf("a batch of %d bytes", b.Bytes())
				}
				if more = b.Closes != row.Snapshot; !more && rows != 2*elements {
					t.Errorf("%d rows, want %d", rows, 2*elements)
				}
			}
		})
	}
}
