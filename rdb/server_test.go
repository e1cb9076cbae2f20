package rdb_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/rdb"
)

// A client sends commands to a real server and fails the test on an error reply.
type client struct {
	t testing.TB
	c rueidis.Client
}

func connect(t testing.TB, args ...string) client {
	t.Helper()
	s := testserver.Redis(t, testserver.Options{Args: append([]string{"--enable-debug-command", "yes"}, args...)})
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address()}, AlwaysRESP2: true, DisableCache: true, ConnWriteTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return client{t, c}
}

// do sends a command whose arguments are strings, integers and slices of strings.
func (c client) do(command string, args ...any) rueidis.RedisResult {
	c.t.Helper()
	var flat []string
	for _, a := range args {
		if texts, ok := a.([]string); ok {
			flat = append(flat, texts...)
		} else {
			flat = append(flat, fmt.Sprint(a))
		}
	}
	r := c.c.Do(context.Background(), c.c.B().Arbitrary(command).Args(flat...).Build())
	if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
		c.t.Fatalf("%s %.100q: %v", command, flat, err)
	}
	return r
}

func (c client) text(command string, args ...any) string {
	c.t.Helper()
	s, err := c.do(command, args...).ToString()
	if err != nil {
		c.t.Fatalf("%s %.100q: %v", command, args, err)
	}
	return s
}

func (c client) texts(command string, args ...any) []string {
	c.t.Helper()
	s, err := c.do(command, args...).AsStrSlice()
	if err != nil {
		c.t.Fatalf("%s %.100q: %v", command, args, err)
	}
	return s
}

// config sets options given as alternating names and values.
func (c client) config(options ...string) {
	c.t.Helper()
	c.do("CONFIG", "SET", options)
}

// typed returns what the server answers to the typed commands for a key.
func (c client) typed(key string) visit {
	c.t.Helper()
	v := visit{Type: c.text("TYPE", key)}
	switch v.Type {
	case "string":
		v.Elements = []string{strconv.Quote(c.text("GET", key))}
	case "list":
		for _, e := range c.texts("LRANGE", key, "0", "-1") {
			v.Elements = append(v.Elements, strconv.Quote(e))
		}
	case "set":
		for _, e := range c.texts("SMEMBERS", key) {
			v.Elements = append(v.Elements, strconv.Quote(e))
		}
	case "hash":
		for pair := range slices.Chunk(c.texts("HGETALL", key), 2) {
			v.Elements = append(v.Elements, fieldOf([]byte(pair[0]), []byte(pair[1]), time.Time{}))
		}
	case "zset":
		for pair := range slices.Chunk(c.texts("ZRANGE", key, "0", "-1", "WITHSCORES"), 2) {
			score, err := strconv.ParseFloat(pair[1], 64)
			if err != nil {
				c.t.Fatal(err)
			}
			v.Elements = append(v.Elements, scoredOf([]byte(pair[0]), score))
		}
	case "stream":
		v.Elements = c.entries(key)
	}
	if v.Type == "set" || v.Type == "hash" || v.Type == "zset" {
		slices.Sort(v.Elements)
	}
	return v
}

func (c client) entries(key string) []string {
	c.t.Helper()
	entries, err := c.do("XRANGE", key, "-", "+").ToArray()
	if err != nil {
		c.t.Fatal(err)
	}
	var elements []string
	for _, e := range entries {
		parts, err := e.ToArray()
		if err != nil {
			c.t.Fatal(err)
		}
		id, err := parts[0].ToString()
		if err != nil {
			c.t.Fatal(err)
		}
		texts, err := parts[1].AsStrSlice()
		if err != nil {
			c.t.Fatal(err)
		}
		fields := make([][]byte, len(texts))
		for i := range texts {
			fields[i] = []byte(texts[i])
		}
		elements = append(elements, entryOf(id, fields))
	}
	return elements
}

// compare decodes the payload of every key, compares it with the typed commands
// and returns how many keys there were of each opcode.
func (c client) compare(t *testing.T, d *rdb.Decoder) map[byte]int {
	t.Helper()
	opcodes := map[byte]int{}
	for _, key := range c.texts("KEYS", "*") {
		payload := []byte(c.text("DUMP", key))
		before := slices.Clone(payload)
		opcodes[payload[0]]++
		got, err := decode(d, payload, time.Now())
		if err != nil {
			t.Errorf("%.100q, opcode %d: %v", key, payload[0], err)
			continue
		}
		if !slices.Equal(payload, before) {
			t.Errorf("%.100q: the decoder wrote to the payload", key)
		}
		equal(t, fmt.Sprintf("%.100q, opcode %d", key, payload[0]), got, c.typed(key))
		if kind, err := rdb.DumpType(payload); err != nil || kind.String() != got.Type {
			t.Errorf("%.100q: DumpType says %v, %v, want %s", key, kind, err, got.Type)
		}
	}
	return opcodes
}

var boundaries = []int64{
	0, 1, 12, 13, 127, 128, 255, 256, 4095, 4096, 8191, 8192, 32767, 32768, 65535, 65536, 1<<23 - 1, 1 << 23, 1<<24 - 1, 1 << 24,
	1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<53 + 1, math.MaxInt64, -1, -12, -13, -128, -129, -4096, -4097, -8192, -8193, -32768, -32769,
	-(1 << 23), -(1 << 23) - 1, -(1 << 31), -(1 << 31) - 1, math.MinInt64 + 1, math.MinInt64,
}

// texts that lie at the borders of what encodings hold.
func oddTexts() []string {
	texts := []string{
		"", " ", "\x00", "\xff\xfe", "007", "+5", "-0", "1.5", "9223372036854775808", "-9223372036854775809", "18446744073709551615",
		"日本語", "base64:x", "a\r\nb", `"quoted"`, strings.Repeat("ab", 2048),
	}
	for _, n := range []int{10, 11, 12, 20, 21, 62, 63, 64, 65, 126, 127, 128, 253, 254, 255, 256, 4094, 4095, 4096, 16383, 16384} {
		texts = append(texts, strings.Repeat("x", n), noise(uint64(n), n))
	}
	for _, n := range boundaries {
		texts = append(texts, strconv.FormatInt(n, 10))
	}
	return texts
}

// noise is text that does not compress, of any bytes.
func noise(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// wide and narrow are settings under which collections stay packed, or never are.
var (
	wide = []string{
		"hash-max-listpack-entries", "100000", "hash-max-listpack-value", "100000", "set-max-intset-entries", "100000",
		"zset-max-listpack-entries", "100000", "zset-max-listpack-value", "100000", "list-max-listpack-size", "-5", "list-compress-depth", "0",
	}
	narrow = []string{
		"hash-max-listpack-entries", "0", "hash-max-listpack-value", "0", "set-max-intset-entries", "0",
		"zset-max-listpack-entries", "0", "zset-max-listpack-value", "0", "list-max-listpack-size", "4", "list-compress-depth", "1",
	}
)

func TestDecoder_Dump_asTheServerAnswers(t *testing.T) {
	c := connect(t)
	for name, fill := range map[string]func(c client){
		"strings": fillStrings, "lists": fillLists, "sets": fillSets, "hashes": fillHashes, "sorted sets": fillSortedSets,
		"streams": fillStreams, "random": fillRandom,
	} {
		for settings, options := range map[string][]string{"wide": wide, "narrow": narrow} {
			for _, compression := range []string{"yes", "no"} {
				t.Run(name+"/"+settings+"/compression "+compression, func(t *testing.T) {
					c := client{t, c.c}
					c.do("FLUSHALL")
					c.config(options...)
					c.config("rdbcompression", compression)
					fill(c)
					var d rdb.Decoder
					opcodes := c.compare(t, &d)
					for _, want := range wantOpcodes[name+"/"+settings] {
						if opcodes[want] == 0 && (want != opStream || opcodes[opStreamLater] == 0) {
							t.Errorf("no key of opcode %d among %v", want, opcodes)
						}
					}
				})
			}
		}
	}
}

// The opcode of streams in Redis 7.0, and from 7.2 on.
const (
	opStream      = 19
	opStreamLater = 21
)

// wantOpcodes are the encodings that the keys of each case must have, so that the
// comparison shows what it is meant to.
var wantOpcodes = map[string][]byte{
	"strings/wide": {0}, "strings/narrow": {0},
	"lists/wide": {18}, "lists/narrow": {18},
	"sets/wide": {2, 11}, "sets/narrow": {2},
	"hashes/wide": {16}, "hashes/narrow": {4},
	"sorted sets/wide": {17}, "sorted sets/narrow": {5},
	"streams/wide": {opStream}, "streams/narrow": {opStream},
	"random/wide": {0, 2, 11, 16, 17, 18, opStream}, "random/narrow": {0, 2, 4, 5, 18, opStream},
}

func fillStrings(c client) {
	for i, s := range oddTexts() {
		c.do("SET", fmt.Sprint("text", i), s)
	}
	c.do("SET", "long", strings.Repeat("all work and no play ", 50_000))
	c.do("SET", "noise", noise(1, 300_000))
	c.do("SET", "zeros", strings.Repeat("\x00", 1_000_000))
	c.do("APPEND", "appended", "12")
	c.do("APPEND", "appended", "34")
	c.do("INCRBYFLOAT", "float", "3.25")
	c.do("SETBIT", "bitmap", "123456", "1")
	for i := range 2000 {
		c.do("PFADD", "loglog", fmt.Sprint(i))
	}
	c.do("PFADD", "sparse loglog", "a", "b")
}

func fillLists(c client) {
	c.do("RPUSH", "odd", oddTexts())
	c.do("RPUSH", "empty", "")
	many := make([]string, 3000)
	for i := range many {
		many[i] = fmt.Sprintf("match %d won by player %d", i, i*7%13)
	}
	c.do("RPUSH", "many", many)
	numbers := make([]string, 70_000) // more than a listpack's header can count
	for i := range numbers {
		numbers[i] = strconv.Itoa(i % 100)
	}
	for part := range slices.Chunk(numbers, 10_000) {
		c.do("RPUSH", "numbers", part)
	}
	c.do("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "200b")
	c.do("RPUSH", "plain nodes", "a", strings.Repeat("compressible ", 100), noise(2, 5000), "b", "", noise(3, 201), "7")
	c.do("LPUSH", "plain nodes", strings.Repeat("0", 300))
	c.do("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")
}

func fillSets(c client) {
	c.do("SADD", "odd", oddTexts())
	for i, n := range boundaries {
		for _, b := range boundaries[i:] {
			c.do("SADD", fmt.Sprint("ints from ", n), strconv.FormatInt(b, 10))
		}
	}
	for _, width := range []int{1, 40_000, 5_000_000_000} {
		for i := range 500 {
			c.do("SADD", fmt.Sprint("ints times ", width), strconv.Itoa((i-250)*width))
		}
	}
}

func fillHashes(c client) {
	for i, s := range oddTexts() {
		c.do("HSET", "odd fields", s, strconv.Itoa(i))
		c.do("HSET", "odd values", strconv.Itoa(i), s)
		c.do("HSET", fmt.Sprint("odd", i), s, s)
	}
	for i := range 512 {
		c.do("HSET", "profile", fmt.Sprint("attribute:", i), fmt.Sprint("value ", i*i))
	}
	for part := range slices.Chunk(strings.Fields(strings.Repeat("1 ", 40_000)), 10_000) {
		for i := range part {
			part[i] = strconv.Itoa(i)
		}
		c.do("HSET", "numbers", part)
	}
}

func fillSortedSets(c client) {
	scores := []string{
		"0", "-0", "1", "-1", "inf", "-inf", "+inf", "0.1", "-0.1", "3.14159265358979", "1e300", "-1e300", "5e-324", "1.7976931348623157e308",
		"2.2250738585072014e-308", "9007199254740993", "123456789012345678", "1e17", "1e21", "1e22", "0.30000000000000004", "1e-7", "100.5",
		"4611686018427387904", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "12.000000000000002",
	}
	for i, s := range scores {
		c.do("ZADD", "odd scores", s, fmt.Sprint("member ", i))
		c.do("ZADD", "integer members", s, strconv.Itoa(i))
	}
	for _, n := range boundaries {
		c.do("ZADD", "boundaries", strconv.FormatInt(n, 10), strconv.FormatInt(n, 10))
	}
	for i, s := range oddTexts() {
		c.do("ZADD", "odd members", strconv.Itoa(i), s)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 1000 {
		c.do("ZADD", "floats", strconv.FormatFloat(math.Float64frombits(r.Uint64()&^(1<<62)), 'g', -1, 64), fmt.Sprint(i))
		c.do("ZADD", "cents", strconv.FormatFloat(float64(r.IntN(1_000_000))/100, 'f', 2, 64), fmt.Sprint("player:", i))
	}
	c.do("GEOADD", "places", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")
}

func fillStreams(c client) {
	xadd := func(key, id string, fields ...string) {
		c.do("XADD", key, id, fields)
	}
	c.config("stream-node-max-entries", "10")
	for i := range 95 {
		id := fmt.Sprintf("%d-%d", 1000+i/3, i%3)
		xadd("events", id, "player", fmt.Sprint(i), "score", fmt.Sprint(i*i))
		xadd("changing fields", id, fmt.Sprint("field", i%4), fmt.Sprint(i), "n", "1")
		xadd("wide", id, strings.Fields(strings.Repeat("f v ", 50))...)
	}
	xadd("repeated", "1-1", "a", "1", "a", "2", "a", "1")
	xadd("odd ids", "0-1", "a", "b")
	xadd("odd ids", "0-18446744073709551615", "a", "b")
	xadd("odd ids", "9223372036854775808-0", "a", "b")
	xadd("odd ids", "18446744073709551615-18446744073709551615", "a", "b")
	for i, s := range oddTexts() {
		xadd("odd texts", fmt.Sprintf("%d-1", i+1), s, s, "5", s)
	}
	for i := range 40 {
		xadd("deleted", fmt.Sprintf("%d-0", i+1), "i", fmt.Sprint(i))
		xadd("emptied", fmt.Sprintf("%d-0", i+1), "i", fmt.Sprint(i))
		xadd("trimmed", fmt.Sprintf("%d-0", i+1), "i", fmt.Sprint(i))
		if i%3 == 0 {
			c.do("XDEL", "deleted", fmt.Sprintf("%d-0", i+1))
		}
	}
	c.do("XTRIM", "trimmed", "MAXLEN", "13")
	c.do("XTRIM", "emptied", "MAXLEN", "0")
	c.do("XGROUP", "CREATE", "made by group", "g", "$", "MKSTREAM")
	for _, key := range []string{"events", "deleted", "emptied", "odd ids"} {
		c.do("XGROUP", "CREATE", key, "readers", "0")
		c.do("XGROUP", "CREATE", key, strings.Repeat("a long group name ", 20), "$")
		c.do("XGROUP", "CREATECONSUMER", key, "readers", "idle")
		for _, consumer := range []string{"one", "two", "12345"} {
			c.do("XREADGROUP", "GROUP", "readers", consumer, "COUNT", "7", "STREAMS", key, ">")
		}
	}
	c.do("XACK", "events", "readers", "1000-0", "1000-1", "1003-0")
	c.do("XCLAIM", "events", "readers", "two", "0", "1001-0")
	c.do("XDEL", "events", "1001-1", "1030-0")
}

// fillRandom makes keys of every type with random content.
func fillRandom(c client) {
	r := rand.New(rand.NewPCG(2024, 7))
	word := func() string {
		switch r.IntN(6) {
		case 0:
			return strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10)
		case 1:
			return noise(r.Uint64(), r.IntN(80))
		case 2:
			return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(300))
		case 3:
			return strconv.FormatFloat(r.NormFloat64()*1000, 'f', r.IntN(6), 64)
		}
		return fmt.Sprint("player:", r.IntN(100_000))
	}
	words := func(n int) []string {
		s := make([]string, n)
		for i := range s {
			s[i] = word()
		}
		return s
	}
	for i := range 60 {
		n := 1 + r.IntN(60)
		c.do("SET", fmt.Sprint("string", i), strings.Join(words(n), " "))
		c.do("RPUSH", fmt.Sprint("list", i), words(n))
		c.do("SADD", fmt.Sprint("set", i), words(n))
		c.do("HSET", fmt.Sprint("hash", i), words(2*n))
		for range n {
			c.do("ZADD", fmt.Sprint("zset", i), strconv.FormatFloat(r.NormFloat64()*100, 'g', 1+r.IntN(17), 64), word())
			c.do("SADD", fmt.Sprint("ints", i), strconv.FormatInt(int64(r.Uint64())>>(i%64), 10))
			c.do("XADD", fmt.Sprint("stream", i), "*", words(2+2*r.IntN(3)))
		}
	}
}
