package redis

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// A tap passes connections on to a server and notes what their clients send.
type tap struct {
	listener net.Listener
	done     sync.WaitGroup

	mu   sync.Mutex
	sent []*bytes.Buffer // one a connection
}

// tapOf returns a tap of a server; close it before reading what was sent.
func tapOf(t *testing.T, s *testserver.Server) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{listener: l}
	p.done.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(s.Network(), s.Address())
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			sent := &bytes.Buffer{}
			p.mu.Lock()
			p.sent = append(p.sent, sent)
			p.mu.Unlock()
			pass := func(to net.Conn, from io.Reader) {
				_, _ = io.Copy(to, from) // it ends when either side closes
				client.Close()
				server.Close()
			}
			p.done.Go(func() { pass(server, io.TeeReader(client, sent)) })
			p.done.Go(func() { pass(client, server) })
		}
	})
	t.Cleanup(p.close)
	return p
}

// close waits for the connections to end.
func (p *tap) close() {
	_ = p.listener.Close()
	p.done.Wait()
}

// touched fills a server with keys of every way of reading.
func touched(t *testing.T, s *testserver.Server) {
	t.Helper()
	fill(t, clientOf(t, s),
		[]string{"SET", "text", strings.Repeat("text", 1000)}, []string{"SET", "short", "text"}, []string{"RPUSH", "list", "a", "b"},
		[]string{"HSET", "hash", "f", "v"}, []string{"SADD", "set", "a"}, []string{"ZADD", "zset", "1", "a"}, []string{"XADD", "stream", "1-1", "f", "v"})
}

// Every connection asks the server to forget its reading before it does anything
// else.
func TestSource_leavesNoTrace(t *testing.T) {
	const greeting = "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$7\r\nkeylift\r\n" +
		"*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-TOUCH\r\n$2\r\nON\r\n" +
		"*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-EVICT\r\n$2\r\nON\r\n"
	s := testserver.Redis(t, testserver.Options{})
	touched(t, s)
	for name, tt := range map[string]struct {
		change func(*Options)
		conns  int // that greet, at least
	}{
		"scan":    {func(o *Options) { o.SourceLatency = long }, 3},
		"chunks":  {func(o *Options) { o.BigKeyBytes = 1 }, 2},
		"replica": {replica, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := tapOf(t, s)
			src := sourceOf(t, s, tt.change, func(o *Options) { o.Network, o.Address = "tcp", p.listener.Addr().String() })
			last := readAll(t, src, row.Position{}).last
			if name == "replica" {
				send(t, clientOf(t, s), "HSET", "hash", "f", "changed")
				if _, err := tryRead(t, src, last.After); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := src.Sample(t.Context(), source.SampleOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			p.close()
			greeted := 0
			for _, sent := range p.sent {
				switch text := sent.String(); {
				case strings.HasPrefix(text, greeting):
					greeted++
				case !strings.Contains(text, "PSYNC"):
					t.Errorf("a connection begins with %.200q", text)
				}
			}
			if greeted < tt.conns {
				t.Errorf("%d connections greet, want %d", greeted, tt.conns)
			}
		})
	}
}

// Where the server knows CLIENT NO-TOUCH, reading leaves the frequency of use as it is,
// by which an LFU policy evicts.
func TestSource_leavesFrequencies(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{Args: []string{
		"--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0", "--lfu-decay-time", "0", // each use counts
	}})
	c := clientOf(t, s)
	if err := c.Do(t.Context(), c.B().Arbitrary("CLIENT", "NO-TOUCH", "OFF").Build()).Error(); err != nil {
		t.Skipf("the server does not know CLIENT NO-TOUCH: %v", err)
	}
	touched(t, s)
	send(t, c, "GET", "short")
	names, err := send(t, c, "KEYS", "*").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Options){func(*Options) {}, func(o *Options) { o.BigKeyBytes = 1 }} {
		src := sourceOf(t, s, change)
		if got := readAll(t, src, row.Position{}); len(got.rows) != len(names) {
			t.Errorf("%d keys of %d", len(got.rows), len(names))
		}
		for _, name := range names {
			want := int64(5) // of a new key
			if name == "short" {
				want = 6
			}
			if got, err := send(t, c, "OBJECT", "FREQ", name).AsInt64(); got != want || err != nil {
				t.Errorf("frequency of %s: %d, %v, want %d", name, got, err, want)
			}
		}
	}
}
