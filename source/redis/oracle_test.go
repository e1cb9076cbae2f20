package redis

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/redis/rueidis"
)

// oracle returns the rows that a server should give, computed from what it
// answers to typed commands.
func oracle(tb testing.TB, c rueidis.Client) map[string]aRow {
	tb.Helper()
	names, err := send(tb, c, "KEYS", "*").AsStrSlice()
	if err != nil {
		tb.Fatal(err)
	}
	rows := map[string]aRow{}
	var mu sync.Mutex
	var asking sync.WaitGroup // many at once, so that the client sends them together
	for part := range slices.Chunk(names, len(names)/50+1) {
		asking.Go(func() {
			for _, name := range part {
				if r, ok := oracleRow(tb, c, name); ok {
					mu.Lock()
					rows[oracleText(name)] = r
					mu.Unlock()
				}
			}
		})
	}
	asking.Wait()
	return rows
}

func oracleRow(tb testing.TB, c rueidis.Client, name string) (r aRow, ok bool) {
	tb.Helper()
	r.Type, _ = send(tb, c, "TYPE", name).ToString()
	r.TTL, _ = send(tb, c, "TTL", name).AsInt64()
	if at, _ := send(tb, c, "PEXPIRETIME", name).AsInt64(); at > 0 {
		r.Expires = at
	}
	switch r.Type {
	case "none":
		return r, false
	case "string":
		text, err := send(tb, c, "GET", name).ToString()
		if err != nil {
			return r, false
		}
		r.Value, r.Size = oracleText(text), int64(len(text))
	case "hash":
		fields, _ := send(tb, c, "HGETALL", name).AsStrMap()
		var parts []string
		for _, f := range sortedKeys(fields) {
			parts = append(parts, quote(f)+":"+quote(fields[f]))
		}
		r.Value, r.Size = "{"+strings.Join(parts, ",")+"}", int64(len(fields))
	case "list", "set":
		command := []string{"LRANGE", name, "0", "-1"}
		if r.Type == "set" {
			command = []string{"SMEMBERS", name}
		}
		elements, _ := send(tb, c, command...).AsStrSlice()
		if r.Type == "set" {
			slices.Sort(elements)
		}
		r.Value, r.Size = array(elements, quote), int64(len(elements))
	case "zset":
		members, _ := send(tb, c, "ZRANGE", name, "0", "-1", "WITHSCORES").AsZScores()
		r.Value = array(members, func(z rueidis.ZScore) string { return "[" + quote(z.Member) + "," + number(z.Score) + "]" })
		r.Size = int64(len(members))
	case "stream":
		entries, _ := send(tb, c, "XRANGE", name, "-", "+").AsXRangeSlices()
		r.Value = array(entries, func(e rueidis.XRangeSlice) string {
			fields := make([]string, len(e.FieldValues))
			for i, fv := range e.FieldValues {
				fields[i] = quote(fv.Field) + ":" + quote(fv.Value)
			}
			return "[" + quote(e.ID) + ",{" + strings.Join(fields, ",") + "}]"
		})
		r.Size = int64(len(entries))
	default:
		tb.Fatalf("key %q has type %q", name, r.Type)
	}
	return r, true
}

func array[T any](elements []T, text func(T) string) string {
	parts := make([]string, len(elements))
	for i, e := range elements {
		parts[i] = text(e)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func oracleText(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") && !strings.HasPrefix(s, "base64:") {
		return s
	}
	return "base64:" + base64.StdEncoding.EncodeToString([]byte(s))
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(oracleText(s)); err != nil {
		panic(err)
	}
	text := strings.TrimSuffix(b.String(), "\n")
	// encoding/json escapes two separators that JSON does not ask to escape.
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(text)
}

func number(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return `"inf"`
	case math.IsInf(f, -1):
		return `"-inf"`
	case f == 0 && math.Signbit(f):
		return "-0"
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// everything returns commands that make keys of every type, encoding and oddity.
func everything() [][]string {
	var c [][]string
	add := func(command ...string) { c = append(c, command) }
	odd := []string{
		"plain", "", "\x00", "a\x00b", "base64:", "base64:AAA=", "\xff\xfe", "ünïcödé ✓ \U0001f600", "\xc3", "tab\tnl\nq\"b\\", "\u2028",
		"<&>", strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("x", 65), strings.Repeat("long ", 200), "0", "-1", "12", "4095", "4096", "-4096", "32767", "32768",
		"2147483647", "2147483648", "-2147483649", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "00012", "1.5", " 1", "\x7f", "\b\f\r",
	}
	for i, s := range odd {
		n := strconv.Itoa(i)
		add("SET", "string:"+n, s)
		add("SET", "key:"+s, "v"+n)
		add("RPUSH", "list:"+n, s, "x", s)
		add("SADD", "set:"+n, s, "x", "12")
		add("HSET", "hash:"+n, s, "v", "f", s)
		add("ZADD", "zset:"+n, n, s, "1.5", "x")
		add("XADD", "stream:"+n, "*", "f"+s, s, "g", "x")
		add("RPUSH", "list:odd", s)
		add("SADD", "set:odd", s)
		add("HSET", "hash:odd", s, s)
		add("ZADD", "zset:odd", strconv.Itoa(-i), s)
		add("XADD", "stream:odd", "5-"+strconv.Itoa(i+1), "a", s)
	}
	for _, n := range []int{1, 2, 127, 128, 129, 511, 512, 513, 1500} {
		for i := range n {
			e := strconv.Itoa(i * 7)
			add("RPUSH", "list:n"+strconv.Itoa(n), e)
			add("SADD", "intset:n"+strconv.Itoa(n), e)
			add("SADD", "set:n"+strconv.Itoa(n), "m"+e)
			add("HSET", "hash:n"+strconv.Itoa(n), "f"+e, e)
			add("ZADD", "zset:n"+strconv.Itoa(n), e+".25", "m"+e)
			add("XADD", "stream:n"+strconv.Itoa(n), "1-"+strconv.Itoa(i+1), "f", e)
		}
	}
	add("XDEL", "stream:n513", "1-1", "1-100", "1-513")
	add("XADD", "stream:empty", "1-1", "a", "b")
	add("XDEL", "stream:empty", "1-1")
	for i, score := range []string{"inf", "-inf", "0", "-0.0", "1e300", "-1e-300", "0.1", "3", "1e21", "123456789012345678", "1e-7", "5e-324"} {
		add("ZADD", "zset:scores", score, "m"+strconv.Itoa(i))
		add("ZADD", "zset:scores:long", score, strings.Repeat("m", 80)+strconv.Itoa(i))
	}
	add("ZADD", "zset:same", "1", "b", "1", "a", "1", "c")
	add("GEOADD", "geo", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")
	add("PFADD", "hll", "a", "b", "c")
	add("SETBIT", "bitmap", "1000", "1")
	add("SETRANGE", "padded", "20", "x")
	add("INCRBYFLOAT", "float", "10.5")
	add("APPEND", "appended", "abc")
	add("SET", "long", strings.Repeat("0123456789", 5000))
	add("SET", "expires:soon", "v", "EX", "1000")
	add("SET", "expires:exact", "v", "PXAT", "4102444800123")
	add("SET", "expires:late", "v", "PXAT", "99999999999999")
	add("HSET", "expires:hash", "a", "b")
	add("EXPIRE", "expires:hash", "5000")
	return c
}
