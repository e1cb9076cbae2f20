package faultproxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends back what it gets, behind a proxy.
func echo(t *testing.T) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var echoing sync.WaitGroup
	t.Cleanup(func() { l.Close(); echoing.Wait() })
	echoing.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			echoing.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	p, err := Start("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// say sends text and returns what comes back.
func say(c net.Conn, text string) (string, error) { return sayWithin(c, text, time.Minute) }

func sayWithin(c net.Conn, text string, d time.Duration) (string, error) {
	if _, err := c.Write([]byte(text)); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return "", err
	}
	b := make([]byte, len(text))
	n, err := io.ReadFull(c, b)
	return string(b[:n]), err
}

func TestProxy(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	if got, err := say(c, "hello"); got != "hello" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	p.Delay(40 * time.Millisecond)
	start := time.Now()
	if got, err := say(c, "late"); got != "late" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if took := time.Since(start); took < 40*time.Millisecond {
		t.Errorf("a delayed round trip took %v", took)
	}
	p.Delay(0)
	p.Swallow(true)
	if got, err := sayWithin(c, "lost", 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v while swallowing", got, err)
	}
	p.Swallow(false)
	c = dial(t, p) // what was said over the other may still be on its way
	if got, err := say(c, "anew"); got != "anew" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	p.Cut()
	if got, err := say(c, "cut"); err == nil {
		t.Errorf("got %q over a cut connection", got)
	}
	if got, err := say(dial(t, p), "again"); got != "again" || err != nil {
		t.Fatalf("a new connection after the cut: %q, %v", got, err)
	}
	p.Refuse(true)
	if got, err := say(dial(t, p), "refused"); err == nil {
		t.Errorf("got %q over a refused connection", got)
	}
}

func TestProxy_CutAfter(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.CutAfter(8)
	if got, err := say(c, "12345"); got != "12345" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if got, err := say(c, "67890"); err == nil {
		t.Errorf("got %q after the cut", got)
	}
}

func TestProxy_Slow(t *testing.T) {
	p := echo(t)
	var writing sync.WaitGroup
	t.Cleanup(writing.Wait)
	c := dial(t, p)
	p.Slow(1 << 20)
	const n = 100 << 10
	start := time.Now()
	writing.Go(func() { _, _ = c.Write(make([]byte, n)) })
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 80*time.Millisecond {
		t.Errorf("100 KiB at 1 MiB/s took %v", took)
	}
}

func TestProxy_Redirect(t *testing.T) {
	p, other := echo(t), echo(t)
	c := dial(t, p)
	other.Refuse(true)
	p.Redirect("tcp", other.Address())
	if got, err := say(c, "before"); err == nil {
		t.Errorf("a connection of before still answers %q", got)
	}
	if got, err := say(dial(t, p), "refused there"); err == nil {
		t.Errorf("a new connection is answered %q by the old address", got)
	}
	other.Refuse(false)
	if got, err := say(dial(t, p), "there"); err != nil || got != "there" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestProxy_Corrupt(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Corrupt(8, 0x20)
	if got, err := say(c, "hello"); got != "hello" || err != nil || p.Corrupted() {
		t.Fatalf("got %q, %v too early", got, err)
	}
	for _, want := range []string{"weAther", "weather"} {
		if got, err := say(c, "weather"); got != want || err != nil || !p.Corrupted() {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

// TestProxy_HalfOpen: what is lost is silent, and the client's connection stays.
func TestProxy_HalfOpen(t *testing.T) {
	for half, name := range []string{"answers", "requests", "server"} {
		t.Run(name, func(t *testing.T) {
			p := echo(t)
			c := dial(t, p)
			if got, err := say(c, "hello"); got != "hello" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
			p.HalfOpen(Half(half))
			for range 2 {
				if got, err := sayWithin(c, "lost", 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %q, %v over a half-open connection", got, err)
				}
			}
			if got, err := say(dial(t, p), "anew"); got != "anew" || err != nil {
				t.Fatalf("got %q, %v over a new connection", got, err)
			}
			p.Cut()
			if got, err := say(c, "cut"); err == nil {
				t.Errorf("got %q over a cut connection", got)
			}
		})
	}
}

func TestProxy_CutEach(t *testing.T) {
	p := echo(t)
	p.CutEach(7)
	for range 2 {
		c := dial(t, p)
		if got, err := say(c, "hello"); got != "hello" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if got, err := say(c, "world"); got != "wo" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	p.CutEach(0)
	if got, err := say(dial(t, p), "hello world"); got != "hello world" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
