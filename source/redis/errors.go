package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/resp"
)

// An outageError says that the server cannot be read now, and perhaps later. It
// does not unwrap: a connection that ends with io.EOF is not a reader's end.
type outageError struct {
	node string
	err  error
}

func (e *outageError) Error() string   { return fmt.Sprintf("%s: %v", e.node, e.err) }
func (e *outageError) Retryable() bool { return true }

// A replacedError says that connections to one address led to two processes.
type replacedError struct{ was, is string }

func (e *replacedError) Error() string { return restarted(e.was, e.is) }

// unavailable reports whether an error reply concerns the server's condition
// and not the command or its key.
func unavailable(e resp.Error) bool {
	return hasPrefix(e, "LOADING", "BUSY ", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "NOAUTH", "ERR max number of clients")
}

// endsSession reports whether what kept a key from being read concerns all keys: the
// server's condition, or a connection on which replies are not what was asked for.
func endsSession(why error) bool {
	answer, ok := asReply(why)
	_, misplaced := errors.AsType[*resp.MisplacedError](why)
	return ok && unavailable(answer) || misplaced
}

func hasPrefix(e resp.Error, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e.Error(), p) })
}

// readError puts an error of a session into the terms of the contract.
func (n *node) readError(err error) error {
	if lost, ok := errors.AsType[*source.PositionLostError](err); ok {
		return lost
	}
	if replaced, ok := errors.AsType[*replacedError](err); ok {
		return &source.PositionLostError{Reason: replaced.Error()}
	}
	if answer, ok := asReply(err); ok && !unavailable(answer) {
		return n.refusal(answer)
	}
	return n.outage(err)
}

func (n *node) outage(err error) error {
	if errors.Is(err, io.EOF) {
		err = errors.New("the server closed the connection")
	}
	return &outageError{node: n.address, err: err}
}

// cleared returns err without io.EOF in it, which readers take for an end.
func cleared(err error) error { return errors.New(err.Error()) }

// connectError puts an error of connecting into the terms of the contract: what
// only the user can mend is a *source.AccessError.
func (n *node) connectError(err error) error {
	if n.sentinels != nil {
		n.sentinels.doubt()
	}
	if answer, ok := asReply(err); ok {
		switch {
		case refusesLogin(answer):
			return n.refusedLogin(explained(answer))
		case unavailable(answer):
			return n.outage(err)
		}
		return n.refusal(answer)
	}
	if lacking, ok := errors.AsType[credentialsError](err); ok && !n.reached {
		return n.access("%w", lacking.error)
	} else if ok {
		return n.outage(err)
	}
	if hint := tlsHint(err); hint == noCertificate && n.certified() {
		return n.access("%w; the server may not accept the client's certificate: check tls_cert and tls_key", err)
	} else if hint != "" {
		return n.access("%w; %s", err, hint)
	}
	var (
		lookup *net.DNSError
		other  *resp.ProtocolError
	)
	switch {
	case n.reached:
	case errors.As(err, &other) && strings.HasPrefix(other.Got, tlsAlert):
		return n.access("the server speaks TLS at this port; set ssl to true, or use its port without TLS")
	case errors.As(err, &other):
		return n.access("%w; check host and port", err)
	case errors.Is(err, syscall.ECONNREFUSED) && n.network == "unix":
		return n.access("nobody listens at this socket; check its path, and that the server is running")
	case errors.Is(err, syscall.ECONNREFUSED):
		return n.access("the connection was refused; check host and port, and that the server is running")
	case errors.Is(err, syscall.ENOENT):
		return n.access("there is no such socket; check its path, and that the server is running")
	case errors.Is(err, syscall.EACCES):
		return n.access("the socket may not be opened by this user; check its permissions")
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return n.access("there is no host %q; check the host name", lookup.Name)
	case errors.As(err, &lookup):
		return n.access("the host name %q cannot be looked up (%s); check the host name, and this machine's name servers", lookup.Name, lookup.Err)
	case hungUp(err) && n.certified():
		return n.access("the server closed the connection at once; check tls_cert and tls_key, which it may not accept, host and port, and that this address may connect")
	case hungUp(err) && n.options.TLS != nil:
		return n.access("the server closed the connection at once; if it asks for client certificates, set tls_cert and tls_key; otherwise check host and port, and that this address may connect")
	case hungUp(err):
		return n.access("the server closed the connection at once; if it speaks TLS only, set ssl to true; otherwise check host and port, and that this address may connect")
	case timedOut(err) && n.options.TLS != nil:
		return n.access("no answer within the timeout; check host and port, and if the server does not speak TLS there, set ssl to false")
	case timedOut(err):
		return n.access("no answer within the timeout; check host and port, and the firewalls between")
	}
	if n.sentinels != nil {
		return n.outage(fmt.Errorf("%w (the sentinels name it as the primary of %q)", cleared(err), n.sentinels.name))
	}
	return n.outage(err)
}

// isPlain reports whether TLS failed because the server speaks none.
func isPlain(err error) bool {
	return errors.Is(err, errPlain) || errors.As(err, new(tls.RecordHeaderError))
}

// hungUp reports whether the other end has closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// timedOut reports whether the other end did not answer in time.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// certified reports whether there is a client's certificate for the server.
func (n *node) certified() bool { return n.options.TLS != nil && len(n.options.TLS().Certificates) > 0 }

// tlsAlert is how some servers of TLS begin to answer what is none.
const tlsAlert = "\x15\x03"

const noCertificate = "if the server asks for client certificates, set tls_cert and tls_key"

// tlsHint returns what to do about a failure of TLS; empty if err is none.
func tlsHint(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return "set tls_server_name to a name that the certificate holds"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "set tls_ca to the certificate of the authority that signed it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set this machine's clock"
	case isPlain(err):
		return "the server does not speak TLS at this port: use its TLS port, or set ssl to false"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "check the server's certificate"
	case strings.Contains(err.Error(), "remote error: tls: expired certificate"):
		return "renew the client's certificate, tls_cert"
	case errors.As(err, new(tls.AlertError)), strings.Contains(err.Error(), "remote error: tls:"):
		return noCertificate
	}
	return ""
}

// refusal explains an error reply that only the user can do something about.
func (n *node) refusal(answer resp.Error) error {
	return n.refuse("%w", explained(answer))
}

// wrongPassword reports whether a server does not take the user or the password, in the
// words of Redis 6 or of those before.
func wrongPassword(e resp.Error) bool {
	return hasPrefix(e, "WRONGPASS") || strings.Contains(e.Error(), "invalid password")
}

// needlessPassword reports whether a server has no password for the user.
func needlessPassword(e resp.Error) bool {
	return strings.Contains(e.Error(), "no password is set") || strings.Contains(e.Error(), "without any password configured")
}

func explained(answer resp.Error) error {
	text := answer.Error()
	switch {
	case wrongPassword(answer):
		return errors.New("the user name or the password is wrong, or the user is disabled; check username and password")
	case strings.HasPrefix(text, "NOAUTH"):
		return errors.New("the server asks for a password; set password, and username if it is not the default user")
	case needlessPassword(answer):
		return errors.New("the server has no password for this user; leave password empty")
	case strings.Contains(text, "SELECT is not allowed in cluster mode"):
		return errors.New("the server is part of a cluster, which has database 0 alone; leave database out")
	case strings.Contains(text, "DB index is out of range"):
		return errors.New("there is no such database: the server has fewer; check database")
	case strings.HasPrefix(text, "NOPERM"):
		return fmt.Errorf("%s is not permitted (%w); grant it to the user (docs/permissions.md has the rule)", commandIn(text), answer)
	case strings.HasPrefix(text, "DENIED"):
		return errors.New("the server is in protected mode and refuses other machines; set a password in the server, or connect from its own machine")
	}
	return fmt.Errorf("the server answered %q; check that it is a Redis or Valkey server that permits this", text)
}

// commandIn returns the command that an error reply names in single quotes.
func commandIn(text string) string {
	if words := strings.SplitN(text, "'", 3); len(words) == 3 {
		return strings.ToUpper(strings.ReplaceAll(words[1], "|", " "))
	}
	return "what keylift needs"
}

// refuse is access for a server that has answered.
func (n *node) refuse(format string, args ...any) error {
	return &source.AccessError{Node: n.address, Refused: true, Err: fmt.Errorf(format, args...)}
}

func (n *node) access(format string, args ...any) error {
	return &source.AccessError{Node: n.address, Err: fmt.Errorf(format, args...)}
}

// asReply returns the error reply that err is about.
func asReply(err error) (resp.Error, bool) { return errors.AsType[resp.Error](err) }

// isWrongType reports whether a typed command was refused because the key has
// another type, or is gone.
func isWrongType(e resp.Error) bool {
	text := e.Error()
	return strings.HasPrefix(text, "WRONGTYPE") || strings.Contains(text, "wrong Redis type") || strings.Contains(text, noSeries)
}

// reason returns the kind of an error, without what is particular to one key.
func reason(err error) string {
	if answer, ok := asReply(err); ok {
		kind, _, _ := strings.Cut(answer.Error(), " ")
		return kind
	}
	return fmt.Sprintf("%T", err)
}
