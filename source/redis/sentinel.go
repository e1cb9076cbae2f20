package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/resp"
)

// A Sentinel group tells where the primary is.
type Sentinel struct {
	Name               string   // that the sentinels monitor the primary by
	Addresses          []string // of the sentinels, host:port
	Username, Password string
	// TLS returns the configuration of a new connection to a sentinel; nil: no TLS. Where
	// its ServerName is empty, the host of the address takes its place.
	TLS func() *tls.Config
}

// sentinels are asked in turn. Whoever answered is asked first the next time. The
// methods may be called by several goroutines.
type sentinels struct {
	name    string
	options Options // of connections to sentinels

	mu        sync.Mutex
	addresses []string // in the order of asking
	reached   bool     // one has answered before: an outage now will pass
}

// sentinelTimeout bounds the time for a sentinel to answer: there are others.
const sentinelTimeout = 5 * time.Second

func newSentinels(o *Options) *sentinels {
	if o.Sentinel.Name == "" {
		return nil
	}
	return &sentinels{
		name: o.Sentinel.Name, addresses: o.Sentinel.Addresses,
		options: Options{
			Credentials: fixed(o.Sentinel.Username, o.Sentinel.Password), TLS: o.Sentinel.TLS, Databases: []int{0},
			ConnectTimeout: min(o.ConnectTimeout, sentinelTimeout), IOTimeout: min(o.IOTimeout, sentinelTimeout),
			MaxValueBytes: 1 << 20, Logger: o.Logger,
		},
	}
}

// primary returns the node that is the primary as far as the sentinels know.
func (s *Source) primary(ctx context.Context) (*node, error) {
	if s.sentinels == nil {
		return &s.node, nil
	}
	address, err := s.sentinels.primary(ctx)
	if err != nil {
		return nil, err
	}
	return &node{options: &s.options, network: "tcp", address: address, reached: true, sentinels: s.sentinels}, nil
}

// unknownNameError says that a sentinel monitors other primaries.
type unknownNameError struct{ monitored []string }

func (*unknownNameError) Error() string { return "it does not monitor that name" }

// primary returns the address of the primary.
func (s *sentinels) primary(ctx context.Context) (string, error) {
	var refused error
	var unknown *unknownNameError
	var silent []string
	for _, sentinel := range s.inTurn() {
		n := &node{options: &s.options, network: "tcp", address: sentinel}
		address, err := s.ask(ctx, n)
		switch answer, answered := asReply(err); {
		case err == nil:
			s.prefer(sentinel)
			return address, nil
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case answered && (refusesLogin(answer) || !unavailable(answer)):
			if refused == nil {
				refused = n.refuse("%w", explainedBySentinel(answer))
			}
		case isPlain(err):
			if refused == nil {
				refused = n.refuse("the sentinel does not speak TLS at this port: set sentinel_tls to false, or use its TLS port")
			}
		case errors.As(err, &unknown):
		default:
			silent = append(silent, sentinel+": "+whySilent(err))
		}
	}
	s.mu.Lock()
	reached := s.reached
	s.mu.Unlock()
	group := fmt.Sprintf("sentinels of %q", s.name)
	switch {
	case refused != nil:
		return "", refused
	case unknown != nil && len(unknown.monitored) > 0:
		return "", &source.AccessError{Node: group, Refused: true, Err: fmt.Errorf("they do not monitor that name, but %s; check sentinel_name", strings.Join(unknown.monitored, ", "))}
	case unknown != nil:
		return "", &source.AccessError{Node: group, Refused: true, Err: errors.New("they do not monitor that name; check sentinel_name")}
	case reached:
		return "", &outageError{node: group, err: fmt.Errorf("none of them answers (%s)", strings.Join(silent, ", "))}
	}
	return "", &source.AccessError{Node: group, Err: fmt.Errorf("none of them answers (%s); check sentinel_addresses, and that the sentinels are running", strings.Join(silent, ", "))}
}

// ask asks one sentinel for the address of the primary.
func (s *sentinels) ask(ctx context.Context, n *node) (string, error) {
	replies, err := n.ask(ctx, []string{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.name}, []string{"SENTINEL", "MASTERS"})
	if err != nil {
		return "", err
	}
	parts, err := replies.Next().Elements()
	switch {
	case errors.Is(err, resp.ErrNil):
		return "", &unknownNameError{monitored: names(replies.Next())}
	case err != nil:
		return "", err
	case parts.Len() != 2:
		return "", fmt.Errorf("the sentinel answered by %d elements, not by 2", parts.Len())
	}
	host, err := parts.Bytes()
	if err != nil {
		return "", err
	}
	port, err := parts.Bytes()
	return joined(string(host), string(port)), err
}

// names returns the names in a reply of SENTINEL MASTERS, in quotes.
func names(reply resp.Reply) []string {
	tree, err := treeOf(reply)
	if err != nil {
		return nil // it is not permitted
	}
	var all []string
	groups, _ := tree.([]any)
	for _, group := range groups {
		pairs, _ := group.([]any)
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == "name" {
				all = append(all, fmt.Sprintf("%q", pairs[i+1]))
			}
		}
	}
	return all
}

// inTurn returns the sentinels in the order of asking.
func (s *sentinels) inTurn() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.addresses...)
}

// prefer has the sentinel that answered asked first the next time.
func (s *sentinels) prefer(sentinel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached = true
	s.addresses = append([]string{sentinel}, without(s.addresses, sentinel)...)
}

// doubt has the sentinel that answered last asked last: the primary that it named is
// none, or cannot be reached, and others may know better.
func (s *sentinels) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses = append(without(s.addresses, s.addresses[0]), s.addresses[0])
}

func without(all []string, one string) []string {
	var rest []string
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

// explainedBySentinel is explained for the error reply of a sentinel.
func explainedBySentinel(answer resp.Error) error {
	text := answer.Error()
	switch {
	case strings.HasPrefix(text, "NOAUTH"):
		return errors.New("the sentinel asks for a password; set sentinel_password, and sentinel_username if it is not the default user")
	case wrongPassword(answer):
		return errors.New("the sentinel does not take the user name or the password; check sentinel_username and sentinel_password")
	case needlessPassword(answer):
		return errors.New("the sentinel has no password for this user; leave sentinel_password empty")
	case strings.HasPrefix(text, "NOPERM"):
		return fmt.Errorf("%w; grant +sentinel|get-master-addr-by-name to the user in the sentinels (docs/permissions.md has the rule)", answer)
	case strings.Contains(text, "unknown command"):
		return errors.New("this is no sentinel but a server; give the addresses of sentinels, which mostly listen at port 26379, or name the server in host in place of sentinel_name")
	}
	return fmt.Errorf("the sentinel answered %q; check that it is a sentinel of Redis or Valkey", text)
}

// whySilent says why a sentinel could not be asked.
func whySilent(err error) string {
	switch {
	case hungUp(err):
		return "it closed the connection at once: if it speaks TLS only, set sentinel_tls to true"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case timedOut(err):
		return "no answer within the timeout"
	}
	if hint := tlsHint(err); hint != "" {
		return fmt.Sprintf("%v: %s", err, hint)
	}
	return err.Error()
}
