package torture

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A Write is a command to the server, or several in one transaction.
type Write struct {
	Database int
	Commands [][]string
}

// String describes the write.
func (w Write) String() string {
	var all []string
	for _, c := range w.Commands {
		var words []string
		for _, word := range c {
			if len(word) > shown {
				word = fmt.Sprintf("%s…(%d bytes)", word[:shown], len(word))
			}
			if word = strconv.Quote(word); !strings.ContainsAny(word, ` \`) {
				word = word[1 : len(word)-1]
			}
			words = append(words, word)
		}
		all = append(all, strings.Join(words, " "))
	}
	text := strings.Join(all, "; ")
	if len(all) > 1 {
		text = "MULTI; " + text + "; EXEC"
	}
	if w.Database > 0 {
		text = fmt.Sprintf("%d: %s", w.Database, text)
	}
	return text
}

// A family is a set of keys whose names begin alike. Most of them are of one type.
type family struct{ prefix, kind string }

var families = []family{
	{"player:", "hash"},
	{"session:", "hash"},
	{"board:", "zset"},
	{"log:", "list"},
	{"seen:", "set"},
	{"feed:", "stream"},
	{"text:", "string"},
	{"count:", "string"},
}

var kinds = []string{"string", "hash", "list", "set", "zset", "stream"}

// oddities are pieces of names and values that are hard on encoders.
var oddities = []string{"", "\x00", "\xff\xfe", "base64:", "base64", "\"", "\\", "\n", "'", ";--", "é", "漢字", "🎲", "<&>", "\x7f", "\x1b[31m", "{\"a\":[1]}", "-0", "12345678901234567890", "NULL", "../x"}

// fields are names of fields that tables may have columns for.
var fields = []string{"level", "name", "rating", "seen", "f1", "f2", "f3"}

// A scribe makes up writes.
type scribe struct {
	random    *rand.Rand
	databases []int
	names     int // of keys in a family
	id        int // of the last entry of any stream
}

func newScribe(random *rand.Rand, databases []int) *scribe {
	return &scribe{random: random, databases: databases}
}

func (s *scribe) n(below int) string { return strconv.Itoa(s.random.IntN(below)) }

func (s *scribe) one(n int) bool { return s.random.IntN(n) == 0 }

// key names key i of a family: in some names there is a tag, by which keys of
// several families lie in one slot.
func (f family) key(i int) string {
	n := strconv.Itoa(i)
	switch i % 8 {
	case 1, 2, 3:
		return f.prefix + tag(i) + n
	case 6:
		return f.prefix + oddities[i/8%len(oddities)] + n
	case 7:
		return f.prefix + n + ":more"
	}
	return f.prefix + n
}

func tag(i int) string { return "{" + strconv.Itoa(i%8) + "}" }

func (s *scribe) family() family { return pick(s.random, families...) }

// key chooses a key, mostly one of kind's family.
func (s *scribe) key(kind string) string {
	for {
		f := s.family()
		if f.kind == kind || s.one(20) {
			return f.key(s.random.IntN(s.names))
		}
	}
}

// mates chooses two keys of one tag.
func (s *scribe) mates(kind string) (a, b string) {
	f := s.family()
	for f.kind != kind && !s.one(10) {
		f = s.family()
	}
	g := f
	if s.one(4) {
		g = s.family()
	}
	t := 1 + s.random.IntN(3)
	at := func() int { return t + 8*s.random.IntN(1+s.names/8) }
	return f.key(at()), g.key(at())
}

// text makes up a value.
func (s *scribe) text() string {
	switch s.random.IntN(10) {
	case 0:
		return pick(s.random, oddities...)
	case 1:
		return pick(s.random, oddities...) + s.n(100) + pick(s.random, oddities...)
	case 2, 3:
		return strconv.Itoa(s.random.IntN(1_000_000) - 500_000)
	case 4:
		return strings.Repeat(s.n(10), s.random.IntN(120))
	}
	return strconv.FormatUint(s.random.Uint64(), 36)
}

func (s *scribe) score() string {
	if s.one(40) {
		return pick(s.random, "inf", "-inf", "1e300", "-0", "5e-324")
	}
	return strconv.FormatFloat(float64(s.random.IntN(1<<20)-1<<19)/float64(int(1)<<s.random.IntN(12)), 'f', -1, 64)
}

// field makes up a field of a hash and its value.
func (s *scribe) field() (name, val string) {
	if s.one(6) {
		return s.text(), s.text()
	}
	name = pick(s.random, fields...)
	switch {
	case s.one(6):
		return name, s.text()
	case name == "level":
		return name, s.n(100)
	case name == "rating":
		return name, s.score()
	case name == "seen":
		return name, strconv.Itoa(1_700_000_000 + s.random.IntN(1e8))
	}
	return name, s.text()
}

func (s *scribe) entry() string {
	s.id++
	return strconv.Itoa(s.id) + "-" + s.n(3)
}

// fill makes up writes that fill each database: about so many keys a family.
func (s *scribe) fill(names int) []Write {
	s.names = names
	var all []Write
	for _, database := range s.databases {
		for _, f := range families {
			for i := range names {
				if !s.one(4) {
					all = append(all, Write{database, [][]string{s.create(f.kind, f.key(i))}})
				}
			}
		}
	}
	return all
}

// writes makes up n writes.
func (s *scribe) writes(n int) []Write {
	var all []Write
	for range n {
		all = append(all, s.write())
	}
	return all
}

func (s *scribe) write() Write {
	w := Write{Database: pick(s.random, s.databases...)}
	kind := pick(s.random, kinds...)
	switch s.random.IntN(48) {
	case 0, 1, 2, 3:
		a, b := s.mates(kind)
		for range 2 + s.random.IntN(4) {
			w.Commands = append(w.Commands, s.change(pick(s.random, kinds...), pick(s.random, a, b)))
		}
	case 4, 5, 6, 7, 8, 9, 10:
		w.Commands = [][]string{s.pair()}
	case 11, 12, 13, 14, 15, 16, 17:
		key := s.key(kind)
		w.Commands = [][]string{{"DEL", key}, s.create(kind, key)}
	case 18:
		if s.one(8) {
			w.Commands = [][]string{s.upheaval()}
			break
		}
		fallthrough
	default:
		w.Commands = [][]string{s.change(kind, s.key(kind))}
	}
	return w
}

func (s *scribe) upheaval() []string {
	switch s.random.IntN(5) {
	case 0:
		return []string{"FLUSHALL"}
	case 1:
		return []string{"SWAPDB", strconv.Itoa(pick(s.random, s.databases...)), strconv.Itoa(pick(s.random, s.databases...))}
	}
	return []string{"FLUSHDB"}
}

// create makes up a command that writes a whole value, where there is none.
func (s *scribe) create(kind, key string) []string {
	elements := 1 + s.random.IntN(6)
	if s.one(25) {
		elements = 40 + s.random.IntN(160) // past compact encodings, in chunks
	}
	command := []string{map[string]string{"string": "SET", "hash": "HSET", "list": "RPUSH", "set": "SADD", "zset": "ZADD", "stream": "XADD"}[kind], key}
	switch kind {
	case "string":
		return append(command, strings.Repeat(s.text(), elements))
	case "stream":
		command = append(command, s.entry())
	}
	for range elements {
		switch kind {
		case "hash":
			name, val := s.field()
			command = append(command, name, val)
		case "zset":
			command = append(command, s.score(), s.text())
		case "stream":
			command = append(command, pick(s.random, "f1", "f2", s.text()), s.text())
		default:
			command = append(command, s.text())
		}
	}
	return command
}

// change makes up a command that changes a key, maybe of a type.
func (s *scribe) change(kind, key string) []string {
	if s.one(5) {
		return s.life(key)
	}
	if s.one(4) {
		return s.create(kind, key)
	}
	name, val := s.field()
	switch kind {
	case "string":
		return pick(s.random,
			[]string{"SET", key, s.text(), "KEEPTTL"}, []string{"SET", key, s.text(), "PX", s.brief()}, []string{"SET", key, s.text(), "EX", s.long()},
			[]string{"APPEND", key, s.text()}, []string{"INCRBY", key, s.n(100)}, []string{"INCRBYFLOAT", key, "0.5"}, []string{"SETRANGE", key, s.n(50), s.text()},
			[]string{"SETBIT", key, s.n(100), s.n(2)}, []string{"PFADD", key, s.text()}, []string{"GETDEL", key}, []string{"GETEX", key, "PX", s.brief()}, []string{"MSET", key, s.text()})
	case "hash":
		return pick(s.random, []string{"HSET", key, name, val}, []string{"HSET", key, name, val}, []string{"HDEL", key, name}, []string{"HINCRBY", key, "level", s.n(9)}, []string{"HSETNX", key, name, val})
	case "list":
		return pick(s.random,
			[]string{"RPUSH", key, s.text(), s.text()}, []string{"LPUSH", key, s.text()}, []string{"LPOP", key, s.n(3)}, []string{"RPOP", key}, []string{"LSET", key, s.n(3), s.text()},
			[]string{"LTRIM", key, s.n(2), "5"}, []string{"LREM", key, "1", s.text()}, []string{"LINSERT", key, "BEFORE", s.n(10), s.text()})
	case "set":
		return pick(s.random, []string{"SADD", key, s.text(), s.n(50)}, []string{"SADD", key, s.n(50)}, []string{"SREM", key, s.n(50)}, []string{"SPOP", key, s.n(3)})
	case "zset":
		return pick(s.random,
			[]string{"ZADD", key, s.score(), s.n(20)}, []string{"ZADD", key, s.score(), s.text()}, []string{"ZINCRBY", key, "1.5", s.n(20)}, []string{"ZREM", key, s.n(20)},
			[]string{"ZREMRANGEBYRANK", key, "0", "1"}, []string{"ZPOPMIN", key})
	}
	return pick(s.random,
		[]string{"XADD", key, s.entry(), "f1", s.text(), "f2", s.text()}, []string{"XADD", key, s.entry(), pick(s.random, oddities[1:]...), s.text()},
		[]string{"XADD", key, "MAXLEN", "4", s.entry(), "f1", s.text()}, []string{"XTRIM", key, "MAXLEN", s.n(4)}, []string{"XDEL", key, strconv.Itoa(1+s.random.IntN(s.id+1)) + "-0"},
		[]string{"XSETID", key, strconv.Itoa(s.id + 1)})
}

// life makes up a command about a key's life, whatever its type.
func (s *scribe) life(key string) []string {
	return pick(s.random,
		[]string{"DEL", key}, []string{"DEL", key}, []string{"UNLINK", key}, []string{"PEXPIRE", key, s.brief()}, []string{"PEXPIRE", key, s.brief()}, []string{"EXPIRE", key, s.long()}, []string{"PERSIST", key},
		[]string{"PEXPIREAT", key, "4102444800123"}, []string{"PEXPIREAT", key, "9007199254740991"}, []string{"EXPIREAT", key, "1000000000"}, []string{"TOUCH", key},
		[]string{"MOVE", key, strconv.Itoa(pick(s.random, s.databases...))})
}

// pair makes up a command with two keys.
func (s *scribe) pair() []string {
	kind := pick(s.random, kinds...)
	a, b := s.mates(kind)
	switch s.random.IntN(9) {
	case 0, 1:
		return []string{"RENAME", a, b}
	case 2:
		if len(s.databases) > 1 {
			return []string{"COPY", a, b, "DB", strconv.Itoa(pick(s.random, s.databases...)), "REPLACE"}
		}
		return []string{"COPY", a, b, "REPLACE"}
	case 3:
		return []string{"COPY", a, b, "REPLACE"}
	case 4:
		return []string{"EVAL", "redis.call('set', KEYS[1], ARGV[1]) return redis.call('del', KEYS[2])", "2", a, b, s.text()}
	}
	switch kind {
	case "string":
		return pick(s.random, []string{"BITOP", "NOT", a, b}, []string{"MSET", a, s.text(), b, s.text()}, []string{"PFMERGE", a, b}, []string{"RENAMENX", a, b})
	case "hash":
		return []string{"RENAMENX", a, b}
	case "list":
		return pick(s.random, []string{"LMOVE", a, b, "LEFT", "RIGHT"}, []string{"RPOPLPUSH", a, b}, []string{"SORT", a, "ALPHA", "STORE", b})
	case "set":
		return pick(s.random, []string{"SINTERSTORE", a, a, b}, []string{"SUNIONSTORE", a, a, b}, []string{"SMOVE", a, b, s.n(50)})
	case "zset":
		return pick(s.random, []string{"ZUNIONSTORE", a, "2", a, b}, []string{"ZDIFFSTORE", a, "2", a, b}, []string{"ZRANGESTORE", a, b, "0", "3"})
	}
	return []string{"UNLINK", a, b}
}

// brief and long make up times to live: keys of the one expire before a run is
// judged, those of the other long after it.
func (s *scribe) brief() string { return strconv.Itoa(1 + s.random.IntN(80)) }

func (s *scribe) long() string { return strconv.Itoa(LongLife + s.random.IntN(1000)) }

// LongLife is the least time to live, in seconds, of keys that outlive a run.
const LongLife = 100_000
