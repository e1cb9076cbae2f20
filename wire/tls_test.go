package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/wire"
	"github.com/redis/rueidis"
)

// sourceOf makes the source that a configuration describes.
func sourceOf(t *testing.T, log io.Writer, doc string) source.Source {
	t.Helper()
	cfg, err := config.Load([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	src, err := wire.Source(cfg, slog.New(slog.NewTextHandler(log, nil)), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}

// encrypted is the configuration for a server with TLS.
func encrypted(t *testing.T, s *testserver.Server) string {
	t.Helper()
	cert, key := s.ClientFiles()
	return fmt.Sprintf("url: rediss://%s\ntls_ca: %s\ntls_cert: %s\ntls_key: %s\n", s.Address(), s.CA(), cert, key)
}

// Whoever the server may be, it is not talked to unless it is the right one.
func TestSource_tls(t *testing.T) {
	good := testserver.Redis(t, testserver.Options{TLS: true, ClientCert: true})
	other := testserver.Redis(t, testserver.Options{TLS: true})
	expired := testserver.Redis(t, testserver.Options{TLS: true, Expired: true})
	_, port, err := net.SplitHostPort(good.Address())
	if err != nil {
		t.Fatal(err)
	}
	otherCert, otherKey := other.ClientFiles()
	for name, tt := range map[string]struct{ doc, want string }{
		"by address":            {encrypted(t, good), ""},
		"by name":               {strings.Replace(encrypted(t, good), good.Address(), "localhost:"+port, 1), ""},
		"name given":            {encrypted(t, good) + "tls_server_name: localhost", ""},
		"wrong name":            {encrypted(t, good) + "tls_server_name: redis.internal", "set tls_server_name to a name that the certificate holds"},
		"wrong authority":       {strings.Replace(encrypted(t, good), good.CA(), other.CA(), 1), "set tls_ca to the certificate of the authority that signed it"},
		"the system's":          {"url: rediss://" + good.Address(), "set tls_ca to the certificate of the authority that signed it"},
		"expired":               {encrypted(t, expired), "renew the server's certificate, or set this machine's clock"},
		"no certificate":        {fmt.Sprintf("url: rediss://%s\ntls_ca: %s", good.Address(), good.CA()), "set tls_cert and tls_key"},
		"another's certificate": {fmt.Sprintf("url: rediss://%s\ntls_ca: %s\ntls_cert: %s\ntls_key: %s", good.Address(), good.CA(), otherCert, otherKey), "check tls_cert and tls_key"},
		"insecure":              {fmt.Sprintf("url: rediss://%s\ntls_insecure: true", expired.Address()), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sourceOf(t, io.Discard, tt.doc).Tables(t.Context())
			access, denied := errors.AsType[*source.AccessError](err)
			if denied != (tt.want != "") || denied && !strings.Contains(access.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// The server's name is told as the handshake begins, to what chooses by it.
func TestSource_tlsServerName(t *testing.T) {
	plain := testserver.Redis(t, testserver.Options{})
	signer := testserver.Redis(t, testserver.Options{TLS: true})
	cert, err := tls.LoadX509KeyPair(signer.ServerFiles())
	if err != nil {
		t.Fatal(err)
	}
	front, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName != "localhost" {
			return nil, fmt.Errorf("no certificate for %q", hello.ServerName)
		}
		return &cert, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	go func() {
		for {
			from, err := front.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial(plain.Network(), plain.Address())
			if err != nil {
				_ = from.Close()
				continue
			}
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	doc := fmt.Sprintf("url: rediss://%s\ntls_ca: %s\n", front.Addr(), signer.CA())
	if _, err := sourceOf(t, io.Discard, doc+"tls_server_name: localhost").Tables(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := sourceOf(t, io.Discard, doc).Tables(t.Context()); err == nil {
		t.Error("no name was told, and yet there was a certificate")
	}
}

// While keylift follows, the server's certificates, the client's and the authority
// are renewed, with a moment in which the files do not go together.
func TestSource_tlsRenewed(t *testing.T) {
	for _, mode := range []string{"scan", "replica"} {
		t.Run(mode, func(t *testing.T) {
			s := testserver.Redis(t, testserver.Options{
				TLS: true, ClientCert: true, Args: []string{"--notify-keyspace-events", "KEA"},
			})
			client, err := rueidis.NewClient(rueidis.ClientOption{
				InitAddress: []string{s.Address()}, TLSConfig: s.ClientTLS(), ForceSingleClient: true, DisableCache: true, ConnWriteTimeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			do := func(command ...string) {
				t.Helper()
				if err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).Error(); err != nil {
					t.Fatal(err)
				}
			}
			var log logs
			src := sourceOf(t, &log, encrypted(t, s)+"follow: true\npublish_interval: 10ms\nmode: "+mode)
			do("SET", "a", "1")
			f := &follower{t: t, src: src}
			defer f.close()
			f.until("a")

			cert, key := s.ClientFiles()
			stale, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Renew(); err != nil {
				t.Fatal(err)
			}
			fresh, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			replace(t, key, stale) // beside the new certificate
			if _, err := src.Tables(t.Context()); err != nil {
				t.Errorf("with half of the files: %v", err)
			}
			if !strings.Contains(log.String(), "the files of TLS cannot be used as they are") {
				t.Errorf("there is no warning: %s", &log)
			}
			replace(t, key, fresh)
			serverCert, serverKey := s.ServerFiles()
			do("CONFIG", "SET", "tls-cert-file", serverCert, "tls-key-file", serverKey, "tls-ca-cert-file", s.CA())
			do("CLIENT", "KILL", "TYPE", "replica")
			do("CLIENT", "KILL", "TYPE", "pubsub")
			do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			do("SET", "b", "1")
			f.until("b")
			if !strings.Contains(log.String(), "the files of TLS were read anew") {
				t.Errorf("nothing is said of %s: %s", filepath.Base(cert), &log)
			}
		})
	}
}

// logs are collected from several goroutines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func replace(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A follower reads on and on, through outages, as the engine does.
type follower struct {
	t   *testing.T
	src source.Source
	r   source.Reader // nil: to be opened
	at  row.Position
}

// until reads until there is a row of a key.
func (f *follower) until(key string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Minute)
	defer cancel()
	for {
		b, err := f.next(ctx)
		var passing interface{ Retryable() bool }
		switch {
		case errors.As(err, &passing) && passing.Retryable():
			f.close()
			time.Sleep(10 * time.Millisecond)
			continue
		case err != nil:
			f.t.Fatal(err)
		}
		if b.Closes != row.None {
			f.at = b.After
		}
		for i := range b.Len() {
			if string(b.TextAt(b.Table.Column("key"), i)) == key {
				return
			}
		}
	}
}

func (f *follower) next(ctx context.Context) (*row.Batch, error) {
	if f.r == nil {
		var err error
		if f.r, err = f.src.Open(ctx, f.at); err != nil {
			f.r = nil
			return nil, err
		}
	}
	return f.r.Next(ctx)
}

func (f *follower) close() {
	if f.r != nil {
		if err := f.r.Close(); err != nil {
			f.t.Error(err)
		}
		f.r = nil
	}
}
