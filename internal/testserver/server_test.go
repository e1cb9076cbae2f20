package testserver

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
)

// ask sends one inline command and returns the first line of the reply.
func ask(t *testing.T, s *Server, command string) string {
	t.Helper()
	conn, err := net.Dial(s.Network(), s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return askOver(t, conn, command)
}

func askOver(t *testing.T, conn net.Conn, command string) string {
	t.Helper()
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestServer(t *testing.T) {
	s := Redis(t, Options{})
	if got := ask(t, s, "SET a 1"); got != "+OK" {
		t.Fatalf("SET answered %q", got)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "GET a"); got != "$-1" {
		t.Errorf("after a restart GET answered %q", got)
	}
	s.Kill()
	if conn, err := net.Dial(s.Network(), s.Address()); err == nil {
		conn.Close()
		t.Error("a killed server accepts connections")
	}
}

func TestServer_unix(t *testing.T) {
	s := Redis(t, Options{Unix: true})
	if got := ask(t, s, "PING"); got != "+PONG" {
		t.Errorf("PING answered %q", got)
	}
}

func TestServer_password(t *testing.T) {
	s := Redis(t, Options{Password: "pw", Databases: 2})
	if got := ask(t, s, "PING"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("PING without password answered %q", got)
	}
	if got := ask(t, s, "AUTH pw"); got != "+OK" {
		t.Errorf("AUTH answered %q", got)
	}
}

func TestServer_users(t *testing.T) {
	s := Redis(t, Options{ACL: []string{"default off", "reader on >pw ~* +get"}})
	if got := ask(t, s, "AUTH reader pw"); got != "+OK" {
		t.Errorf("AUTH answered %q", got)
	}
}

func TestServer_tls(t *testing.T) {
	s := Redis(t, Options{TLS: true, ClientCert: true})
	conn, err := tls.Dial(s.Network(), s.Address(), s.ClientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := askOver(t, conn, "PING"); got != "+PONG" {
		t.Errorf("PING answered %q", got)
	}
	wrong := s.ClientTLS()
	wrong.ServerName = "elsewhere"
	if conn, err := tls.Dial(s.Network(), s.Address(), wrong); err == nil {
		conn.Close()
		t.Error("a wrong server name was accepted")
	}
}

func TestStart(t *testing.T) {
	if _, err := Start(t.Context(), Options{Program: "no-such-server"}); !errors.Is(err, ErrMissing) {
		t.Errorf("without a program: %v", err)
	}
	Redis(t, Options{}) // the rest needs a server
	_, err := Start(t.Context(), Options{Args: []string{"--no-such-setting", "1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("with a wrong setting: %v", err)
	}
}
