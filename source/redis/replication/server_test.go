package replication

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
)

// testTimeout ends a test whose server does not answer, however slow it is.
const testTimeout = 5 * time.Minute

// A client speaks to a server, one command at a time.
type client struct {
	tb   testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(tb testing.TB, s *testserver.Server) *client {
	tb.Helper()
	conn, err := net.Dial(s.Network(), s.Address())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		tb.Fatal(err)
	}
	return &client{tb: tb, conn: conn, r: bufio.NewReader(conn)}
}

func encode(args ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b
}

func (c *client) write(args ...string) {
	c.tb.Helper()
	if _, err := c.conn.Write(encode(args...)); err != nil {
		c.tb.Fatal(err)
	}
}

// do sends a command and fails the test on an error reply.
func (c *client) do(args ...string) any {
	c.tb.Helper()
	c.write(args...)
	reply := c.reply()
	if err, ok := reply.(error); ok {
		c.tb.Fatalf("%.80q: %v", args, err)
	}
	return reply
}

// words splits a line at spaces; what is in single quotes stays together.
func words(line string) []string {
	var list []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

func (c *client) readLine() string {
	c.tb.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.tb.Fatal(err)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// reply reads a reply of RESP2 or RESP3, an error reply as an error.
func (c *client) reply() any {
	c.tb.Helper()
	line := c.readLine()
	n, _ := strconv.ParseInt(line[1:], 10, 64)
	switch line[0] {
	case '+':
		return line[1:]
	case '-':
		return fmt.Errorf("%s", line[1:])
	case ':':
		return n
	case '$':
		if n < 0 {
			return nil
		}
		return string(c.take(int(n) + 2)[:n])
	case '*', '~':
		list := []any{}
		for range n {
			list = append(list, c.reply())
		}
		return list
	case '%':
		m := map[string]any{}
		for range n {
			name, _ := c.reply().(string)
			m[name] = c.reply()
		}
		return m
	case '_':
		return nil
	}
	c.tb.Fatalf("a reply is %q", line)
	return nil
}

func (c *client) take(n int) []byte {
	c.tb.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.tb.Fatal(err)
	}
	return b
}

// info returns a field of INFO.
func (c *client) info(field string) string {
	c.tb.Helper()
	text, _ := c.do("INFO", "everything").(string)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value
		}
	}
	c.tb.Fatalf("INFO has no %s", field)
	return ""
}

func (c *client) offset() int64 {
	c.tb.Helper()
	n, err := strconv.ParseInt(c.info("master_repl_offset"), 10, 64)
	if err != nil {
		c.tb.Fatal(err)
	}
	return n
}

// A stream is what a server sends to a replica that has just joined.
type stream struct {
	*client
	parser   *Parser
	commands *Commands
}

// join makes a replica and reads the RDB file away.
func join(tb testing.TB, s *testserver.Server) *stream {
	tb.Helper()
	c := dial(tb, s)
	commands, err := ParseCommands(c.do("COMMAND"))
	if err != nil {
		tb.Fatal(err)
	}
	c.do("REPLCONF", "capa", "eof", "capa", "psync2")
	c.write("PSYNC", "?", "-1")
	var id string
	var offset int64
	if _, err := fmt.Sscanf(c.readLine(), "+FULLRESYNC %s %d", &id, &offset); err != nil {
		tb.Fatal(err)
	}
	header := ""
	for header == "" {
		header = c.readLine()
		header = strings.TrimLeft(header, "\n")
	}
	if mark, ok := strings.CutPrefix(header, "$EOF:"); ok {
		var file []byte
		for !strings.HasSuffix(string(file[max(len(file)-40, 0):]), mark) {
			file = append(file, c.take(1)...)
		}
	} else {
		n, err := strconv.Atoi(header[1:])
		if err != nil {
			tb.Fatal(err)
		}
		c.take(n)
	}
	for asks := dial(tb, s); !strings.Contains(asks.info("slave0"), "state=online"); {
		time.Sleep(time.Millisecond) // until then FLUSHALL would end the link
	}
	c.write("REPLCONF", "ACK", strconv.FormatInt(offset, 10)) // the stream waits for one
	return &stream{c, NewParser(c.r, Position{Offset: offset}, DefaultHold), commands}
}

// readTo reads commands up to an offset and hands each to f.
func (s *stream) readTo(offset int64, f func(*Command)) {
	s.tb.Helper()
	for s.parser.position.Offset < offset {
		c, err := s.parser.Next()
		if err != nil {
			s.tb.Fatal(err)
		}
		if c.WantsAck() {
			s.write("REPLCONF", "ACK", strconv.FormatInt(c.Start, 10))
		}
		f(c)
	}
	if got := s.parser.position.Offset; got != offset {
		s.tb.Fatalf("the parser is at offset %d, the server at %d", got, offset)
	}
}

// A keyspace is all that a server holds, by database and key.
type keyspace map[int]map[string]content

// A content is a string, the sorted members of a set, or the members of a zset,
// marked as such, or else a DUMP; and its expiry, 0 for none. (Reading changes what
// DUMP says: the order of a set, and how a zset is encoded that SORT has read.)
type content struct {
	value   string
	expires int64
}

func textContent(value string, expires int64) content { return content{"text: " + value, expires} }

// keyspaceOf reads a server's keyspace.
func keyspaceOf(c *client, databases int) keyspace {
	c.tb.Helper()
	k := keyspace{}
	for database := range databases {
		k.read(c, database)
	}
	return k
}

// read reads a database.
func (k keyspace) read(c *client, database int) {
	c.tb.Helper()
	c.do("SELECT", strconv.Itoa(database))
	delete(k, database)
	keys, _ := c.do("KEYS", "*").([]any)
	for _, key := range keys {
		name, _ := key.(string)
		k.readKey(c, database, name)
	}
}

// readKey reads a key of the database, which is selected.
func (k keyspace) readKey(c *client, database int, key string) {
	c.tb.Helper()
	c.do("MULTI")
	c.do("DUMP", key)
	c.do("PEXPIRETIME", key)
	c.do("GET", key)
	c.do("SMEMBERS", key)
	c.do("ZRANGE", key, "0", "-1", "WITHSCORES")
	replies, _ := c.do("EXEC").([]any)
	dump, exists := replies[0].(string)
	expires, _ := replies[1].(int64)
	text, isText := replies[2].(string)
	members, isSet := replies[3].([]any)
	scored, isZset := replies[4].([]any)
	switch expires = max(expires, 0); {
	case !exists:
		delete(k[database], key)
	case isText:
		k.put(database, key, textContent(text, expires))
	case isSet:
		slices.SortFunc(members, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		k.put(database, key, content{fmt.Sprintf("set: %q", members), expires})
	case isZset:
		k.put(database, key, content{fmt.Sprintf("zset: %q", scored), expires})
	default:
		k.put(database, key, content{dump, expires})
	}
}

// apply applies what a window tells; what is to be reread is read now.
func (k keyspace) apply(c *client, changes *Changes) {
	c.tb.Helper()
	if changes.Lost != "" {
		c.tb.Errorf("the window lost track: %s", changes.Lost)
	}
	if changes.Flushed {
		clear(k)
	}
	for _, d := range changes.Databases {
		switch {
		case d.Flushed:
			delete(k, d.Database)
		case d.Swapped:
			k.read(c, d.Database)
		}
		c.do("SELECT", strconv.Itoa(d.Database))
		for _, change := range d.Keys {
			switch change.Outcome {
			case Gone:
				delete(k[d.Database], change.Key)
			case Text:
				k.put(d.Database, change.Key, textContent(string(change.Value), change.ExpiresAt))
			case Reread:
				k.readKey(c, d.Database, change.Key)
			}
		}
	}
}

func (k keyspace) put(database int, key string, c content) {
	if k[database] == nil {
		k[database] = map[string]content{}
	}
	k[database][key] = c
}

// differences lists the keys that differ, as database/key.
func (k keyspace) differences(other keyspace) []string {
	list := map[string]bool{}
	for database, keys := range k {
		for key, content := range keys {
			if got, ok := other[database][key]; !ok || got != content {
				list[fmt.Sprintf("%d/%s", database, key)] = true
			}
		}
	}
	for database, keys := range other {
		for key := range keys {
			if _, ok := k[database][key]; !ok {
				list[fmt.Sprintf("%d/%s", database, key)] = true
			}
		}
	}
	names := make([]string, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
