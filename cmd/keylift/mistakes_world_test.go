package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// mistakenPlaces makes servers and files that are not what users take them for.
func mistakenPlaces(t *testing.T) map[string]string {
	t.Helper()
	const granted = "on >p ~* &* +@all "
	redis := testserver.Redis(t, testserver.Options{ACL: []string{
		"disabled off >p ~* +@all", "noscan " + granted + "-scan", "noexpiry " + granted + "-pttl -pexpiretime", "novalues " + granted + "-dump -type",
		"noread " + granted + "-dump -get -hgetall -lrange -smembers -zrange -xrange", "nothing on >p",
		"noselect " + granted + "-select", "noinfo " + granted + "-info", "nokeys on >p ~other:* +@all",
		"nopsync " + granted + "-psync", "noreplconf " + granted + "-replconf", "nocommand " + granted + "-command",
	}})
	notifying := testserver.Redis(t, testserver.Options{Args: []string{"--notify-keyspace-events", "KEA"}, ACL: []string{
		"nopsubscribe " + granted + "-psubscribe", "nochannel " + granted + "resetchannels",
	}})
	locked := testserver.Redis(t, testserver.Options{Password: "open-sesame"})
	overTLS := testserver.Redis(t, testserver.Options{TLS: true})
	mutual := testserver.Redis(t, testserver.Options{TLS: true, ClientCert: true})
	expired := testserver.Redis(t, testserver.Options{TLS: true, Expired: true})
	slotless := testserver.Redis(t, testserver.Options{Args: []string{"--cluster-enabled", "yes"}})
	nobody, err := testserver.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nobody.Release)
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)

	renamed := testserver.Redis(t, testserver.Options{Args: []string{"--rename-command", "SCAN", "browse"}})
	empty := testserver.Redis(t, testserver.Options{})

	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Address()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := fill(t.Context(), client, 100, "k"); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	sentinel, err := testserver.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sentinel.Release)
	host, port, _ := strings.Cut(redis.Address(), ":")
	rules := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(rules, fmt.Appendf(nil, "port %d\nbind 127.0.0.1\nsentinel monitor mymaster %s %s 1\n", sentinel.Number(), host, port), 0o600); err != nil {
		t.Fatal(err)
	}
	running(t, exec.CommandContext(t.Context(), "redis-server", rules, "--sentinel"), "Sentinel ID is")

	var none bytes.Buffer
	if code := run(t.Context(), []string{"sync", "--url", "redis://" + redis.Address(), "--destination", filepath.Join(folder, "warehouse.db")}, io.Discard, &none); code != exitEqual {
		t.Fatal(none.String())
	}
	mistakenFiles(t, folder)
	elsewhere := t.TempDir()
	hold := exec.CommandContext(t.Context(), "keylift", "sync", "--url", "redis://"+notifying.Address(), "--mode", "scan", "--follow", "--verbose", "--destination", "held.db")
	hold.Dir = elsewhere
	running(t, hold, "msg=publishing")
	_, denial := os.Create("/sys/warehouse.db")
	cert, key := overTLS.ClientFiles()
	return map[string]string{
		"FOLDER": folder, "HELD": elsewhere, "HOLDER": strconv.Itoa(hold.Process.Pid), "REDIS": redis.Address(), "NOTIFYING": notifying.Address(), "LOCKED": locked.Address(),
		"SENTINEL": sentinel.Address(), "DENIAL": denialOf(denial), "RENAMED": renamed.Address(), "EMPTY": empty.Address(), "OTHERCERT": cert, "OTHERKEY": key,
		"TLS": overTLS.Address(), "CA": overTLS.CA(), "MUTUAL": mutual.Address(), "MUTUALCA": mutual.CA(), "EXPIRED": expired.Address(), "EXPIREDCA": expired.CA(),
		"EMPTYCLUSTER": slotless.Address(), "NOBODY": nobody.Address(),
		"HTTP": web.Listener.Addr().String(), "HTTPS": secure.Listener.Addr().String(),
		"POSTGRES": talker(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 8)) // an invalid length of a startup packet
		}),
		"MYSQL": talker(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00salted")
			_, _ = io.Copy(io.Discard, c)
		}),
		"ALERTING": talker(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "\x15\x03\x01\x00\x02\x02\x46") // of TLS: no such version
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}),
		"MEMCACHED": talker(t, func(c net.Conn) {
			for lines := bufio.NewScanner(c); lines.Scan(); {
				_, _ = io.WriteString(c, "ERROR\r\n")
			}
		}),
		"SSH": talker(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
			_, _ = io.Copy(io.Discard, c)
		}),
		"SILENT":  talker(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }),
		"CLOSING": talker(t, func(net.Conn) {}),
	}
}

// running runs a program that has printed a text already, until the test ends.
func running(t *testing.T, cmd *exec.Cmd, text string) {
	t.Helper()
	p := start(t, cmd, text)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	if !p.meets() {
		t.Fatalf("%v\n%s", p.err, p.out)
	}
}

// denialOf is how the C library calls what kept a file from being created.
func denialOf(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Sprint(err)
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// talker serves connections in a way of its own, and returns where.
func talker(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// mistakenFiles makes files that are no warehouse, or not one for this sync, and RDB
// files that are none.
func mistakenFiles(t *testing.T, folder string) {
	t.Helper()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	warehouse, err := os.ReadFile(filepath.Join(folder, "warehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	write("newer.db", newerDuckDB(warehouse))
	damaged := slices.Clone(warehouse)
	for i := range 4096 {
		damaged[8192+i] ^= 0x20
	}
	write("damaged.db", string(damaged))
	write("taken.yaml", "host: h\n")
	write("text.db", strings.Repeat("this is no database. ", 1000))
	write("short.db", "short")
	write("sqlite.db", "SQLite format 3\x00"+strings.Repeat("\x00", 4096))
	write("empty.txt", "")
	for name, statement := range map[string]string{
		"foreign.db":  "CREATE TABLE players (name VARCHAR)",
		"taken.db":    "CREATE TABLE redis_data AS SELECT 1 AS key",
		"viewed.db":   "CREATE VIEW redis_data AS SELECT 1 AS key",
		"nokey.db":    "ALTER TABLE redis_data DROP COLUMN key",
		"nohash.db":   "ALTER TABLE redis_data DROP COLUMN _keylift_hash",
		"retyped.db":  "ALTER TABLE redis_data ALTER size TYPE VARCHAR",
		"required.db": "ALTER TABLE redis_data ADD COLUMN note VARCHAR; UPDATE redis_data SET note = ''; ALTER TABLE redis_data ALTER note SET NOT NULL",
		"notoken.db":  "ALTER TABLE _keylift_sync DROP COLUMN token",
	} {
		if strings.Contains(statement, "ALTER") {
			write(name, string(warehouse))
		}
		db, err := sql.Open("duckdb", filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const rdb, end = "REDIS0009\xfe\x00\x00\x01k\x05value", "\xff\x00\x00\x00\x00\x00\x00\x00\x00" // without a checksum
	write("cut.rdb", rdb)
	write("halved.rdb", rdb[:len(rdb)-3])
	write("longer.rdb", rdb+end+"and more")
	write("flipped.rdb", rdb+end[:8]+"\x01")
	write("newer.rdb", strings.Replace(rdb, "REDIS0009\xfe\x00\x00", "REDIS0099\xfe\x00\xf1", 1)+end)
}

// newerDuckDB makes of a DuckDB file one that a newer DuckDB could have written. Its
// header is a checksum of 8 bytes, the letters DUCK and the storage version.
func newerDuckDB(file []byte) string {
	b := slices.Clone(file)
	// DuckDB's checksum, common/checksum.cpp: the exclusive or of each word times a prime.
	term := func() uint64 { return binary.LittleEndian.Uint64(b[8:]) * 0xbf58476d1ce4e5b9 }
	sum := binary.LittleEndian.Uint64(b) ^ term()
	b[12] = 99
	binary.LittleEndian.PutUint64(b, sum^term())
	return string(b)
}
