// Package testserver starts real redis-server processes on loopback, for tests,
// the demo and the benchmark. It installs nothing and touches no system service.
package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrMissing says that the machine has no redis-server program.
var ErrMissing = errors.New("redis-server is not installed")

// Options are the choices for a server. The zero Options start a standalone
// server without password that keeps everything in memory and begins a snapshot
// for a replica at once.
type Options struct {
	Program    string   // the program to run; empty: redis-server or valkey-server from PATH
	Unix       bool     // listen on a unix socket alone, on no port
	TLS        bool     // listen with TLS alone; see Server.ClientTLS
	ClientCert bool     // with TLS: refuse clients without a certificate
	Expired    bool     // with TLS: the server's certificate has expired
	Password   string   // requirepass
	ACL        []string // users, as ACL SETUSER takes them: "keylift on >pw ~* +@read"
	Databases  int      // number of databases; 0: the server's own default
	Args       []string // further arguments: "--maxmemory", "100mb"

	certs    *certificates // with TLS: shared with other servers
	rewrites bool          // its settings are in a file: it remembers over a restart what it was told
	sentinel string        // what the file begins with that makes it a Sentinel; empty: it is none
}

// A Server is a running redis-server. Its methods are called by one goroutine
// at a time.
type Server struct {
	options Options
	program string
	dir     string // of the data, the socket and the certificates
	address string
	port    *Port // nil: it listens on a socket
	certs   *certificates
	cmd     *exec.Cmd
	exited  chan struct{}
	output  *tail
}

// Start starts a server and returns when it answers. The error is ErrMissing
// where there is no program to run.
func Start(ctx context.Context, o Options) (*Server, error) {
	program, err := find(o.Program)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "keylift-redis-")
	if err != nil {
		return nil, fmt.Errorf("make the server's folder: %w", err)
	}
	s := &Server{options: o, program: program, dir: dir}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err = s.choosePort(); err == nil && o.rewrites {
		err = s.writeSettings()
	}
	if err == nil {
		err = s.run(ctx)
	}
	if err != nil {
		s.port.Release()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func find(program string) (string, error) {
	if program != "" {
		path, err := exec.LookPath(program)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrMissing, err)
		}
		return path, nil
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

func (s *Server) prepare() error {
	s.certs = s.options.certs
	if s.options.TLS && s.certs == nil {
		certs, err := makeCertificates(s.dir, s.options.Expired)
		if err != nil {
			return err
		}
		s.certs = certs
	}
	if len(s.options.ACL) > 0 {
		var b bytes.Buffer
		for _, user := range s.options.ACL {
			fmt.Fprintf(&b, "user %s\n", user)
		}
		if err := os.WriteFile(s.path("users.acl"), b.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write the users: %w", err)
		}
	}
	return nil
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) choosePort() error {
	if s.options.Unix {
		s.address = s.path("redis.sock")
		return nil
	}
	port, err := ReservePort()
	if err != nil {
		return err
	}
	s.port, s.address = port, port.Address()
	return nil
}

func (s *Server) arguments() []string {
	args := []string{
		"--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
		"--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0",
	}
	port := s.address[strings.LastIndexByte(s.address, ':')+1:]
	switch {
	case s.options.Unix:
		args = append(args, "--port", "0", "--unixsocket", s.address)
	case s.options.TLS:
		args = append(args, "--port", "0", "--tls-port", port,
			"--tls-cert-file", s.certs.serverCert, "--tls-key-file", s.certs.serverKey,
			"--tls-ca-cert-file", s.certs.CA, "--tls-auth-clients", yesNo(s.options.ClientCert))
	default:
		args = append(args, "--port", port)
	}
	if s.options.Password != "" {
		args = append(args, "--requirepass", s.options.Password)
	}
	if len(s.options.ACL) > 0 {
		args = append(args, "--aclfile", s.path("users.acl"))
	}
	if s.options.Databases > 0 {
		args = append(args, "--databases", strconv.Itoa(s.options.Databases))
	}
	return append(args, s.options.Args...)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// settingsFile is the name of the file of a server that rewrites its settings.
const settingsFile = "redis.conf"

// writeSettings writes that file. A restart goes on with what the server made of it.
func (s *Server) writeSettings() error {
	var b strings.Builder
	b.WriteString(s.options.sentinel)
	arguments := s.arguments()
	for i := 0; i < len(arguments); {
		name := strings.TrimPrefix(arguments[i], "--")
		i++
		b.WriteString(name)
		for ; i < len(arguments) && !strings.HasPrefix(arguments[i], "--"); i++ {
			b.WriteString(" " + strconv.Quote(arguments[i]))
		}
		b.WriteString("\n")
	}
	if err := os.WriteFile(s.path(settingsFile), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the server's settings: %w", err)
	}
	return nil
}

// readyWithin is how long a server may take to answer.
const readyWithin = time.Minute

func (s *Server) run(ctx context.Context) error {
	s.output = &tail{}
	args := s.arguments()
	if s.options.rewrites {
		args = []string{s.path(settingsFile)}
	}
	if s.options.sentinel != "" {
		args = append(args, "--sentinel")
	}
	s.cmd = exec.Command(s.program, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.SysProcAttr = endWithParent()
	if err := s.start(); err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s exited: %s", s.program, s.output)
		case <-ctx.Done():
			s.Kill()
			return fmt.Errorf("wait for %s: %w: %s", s.program, ctx.Err(), s.output)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// start starts the process on a thread that lives as long as the process: where
// the kernel is asked to end a child with its parent, it means the thread.
func (s *Server) start() error {
	started := make(chan error)
	s.exited = make(chan struct{})
	cmd, exited := s.cmd, s.exited
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // mostly it was killed: how it ended says nothing
		}
	}()
	return <-started
}

// answers reports whether the server speaks: an error reply is an answer, but
// for that of a server still loading its data.
func (s *Server) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return false
	}
	defer c.close()
	_, err = c.do(ctx, "PING")
	reply, refused := errors.AsType[replyError](err)
	return err == nil || refused && !strings.HasPrefix(string(reply), "LOADING")
}

// Network returns "tcp" or "unix".
func (s *Server) Network() string {
	if s.options.Unix {
		return "unix"
	}
	return "tcp"
}

// Address returns host:port, or the path of the socket.
func (s *Server) Address() string { return s.address }

// Pid returns the process id of the server.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Exited reports whether the server's process is gone.
func (s *Server) Exited() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// Kill ends the server at once, as a crash does, and waits until it is gone.
// Restart starts it again.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // an error says that it is gone already
	<-s.exited
}

// stopWithin is how long a server may take to shut down in order.
const stopWithin = 5 * time.Second

// Stop shuts the server down, waits until it is gone and removes its files.
func (s *Server) Stop() error {
	s.shutdown()
	s.port.Release()
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the server's folder: %w", err)
	}
	return nil
}

func (s *Server) shutdown() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error says that it is gone already
	select {
	case <-s.exited:
	case <-time.After(stopWithin):
		s.Kill()
	}
}

// Restart shuts the server down and starts it at the same address. Its data are
// gone unless Options.Args made it save them.
func (s *Server) Restart(ctx context.Context) error {
	s.shutdown()
	return s.run(ctx)
}

// A tail keeps the last of what a process prints.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailBytes {
		t.b = append(t.b[:0], t.b[len(t.b)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
