package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/replication"
	"github.com/redis/rueidis"
)

var twoUsers = testserver.Options{ACL: []string{
	"default on nopass ~* &* +@all", "first on >one ~* &* +@all", "second on >two ~* &* +@all",
}}

// users returns the users of the connections that call themselves keylift.
func users(t *testing.T, c rueidis.Client) []string {
	t.Helper()
	list, err := send(t, c, "CLIENT", "LIST").ToString()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(list) {
		_, user, _ := strings.Cut(line, " user=")
		user, _, _ = strings.Cut(user, " ")
		if strings.Contains(line, " name="+clientName+" ") {
			found = append(found, user)
		}
	}
	return found
}

// A connection whose credentials come of age logs in with those that follow.
func TestSession_renew(t *testing.T) {
	s := testserver.Redis(t, twoUsers)
	c := clientOf(t, s)
	due := make(chan struct{})
	src := sourceOf(t, s, func(o *Options) {
		o.Credentials = func(ctx context.Context, _ Credentials) (Credentials, error) {
			select {
			case <-due:
				return Credentials{Username: "second", Password: "two"}, nil
			default:
				return Credentials{Username: "first", Password: "one", Until: time.Now().Add(time.Millisecond)}, nil
			}
		}
	})
	ss, err := src.connect(t.Context(), &src.node)
	if err != nil {
		t.Fatal(err)
	}
	defer ss.close()
	if err := ss.open(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if got := users(t, c); !slices.Equal(got, []string{"first", "first"}) {
		t.Errorf("logged in as %q", got)
	}
	close(due)
	for !slices.Equal(users(t, c), []string{"second", "second"}) {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := ss.one(t.Context(), "PING"); err != nil {
		t.Error(err)
	}
}

// What a server refuses is asked for anew, in every way of connecting.
func TestSource_Open_newerCredentials(t *testing.T) {
	s := testserver.Redis(t, testserver.Options{
		ACL:  []string{"default on nopass ~* &* +@all", "second on >two ~* &* +@all"},
		Args: []string{"--notify-keyspace-events", "KEA"},
	})
	fillStrings(t, clientOf(t, s), 5)
	for name, change := range map[string]func(*Options){
		"scan":          func(*Options) {},
		"replica":       func(o *Options) { o.Replica = true },
		"auto":          func(o *Options) { o.Auto, o.Follow = true, true },
		"notifications": func(o *Options) { o.Follow = true },
	} {
		t.Run(name, func(t *testing.T) {
			src := sourceOf(t, s, change, func(o *Options) {
				o.Credentials = func(_ context.Context, refused Credentials) (Credentials, error) {
					if refused.Password == "one" {
						return Credentials{Username: "second", Password: "two"}, nil
					}
					return Credentials{Username: "second", Password: "one"}, nil
				}
			})
			r, err := src.Open(t.Context(), row.Position{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			b, err := r.Next(t.Context())
			if err != nil || b.Len() == 0 {
				t.Errorf("read %v, %v", b, err)
			}
		})
	}
}

// Without credentials a run does not begin; one that has begun waits for them, as
// for a server that refuses those that it had accepted.
func TestSource_Open_lackingCredentials(t *testing.T) {
	s := testserver.Redis(t, twoUsers)
	with, lacking := Credentials{Username: "first", Password: "one"}, errors.New("no token")
	src := sourceOf(t, s, func(o *Options) {
		o.Credentials = func(context.Context, Credentials) (Credentials, error) { return with, lacking }
	})
	_, err := src.Tables(t.Context())
	if access, ok := errors.AsType[*source.AccessError](err); !ok || access.Refused || err.Error() != s.Address()+": no token" {
		t.Errorf("at first: %v", err)
	}
	with.Password, lacking = "two", nil
	_, err = src.Tables(t.Context())
	if access, ok := errors.AsType[*source.AccessError](err); !ok || !access.Refused {
		t.Errorf("refused at first: %v", err)
	}
	with.Password = "one"
	if _, err = src.Tables(t.Context()); err != nil {
		t.Fatal(err)
	}
	lacking = errors.New("no token")
	if _, err = src.Tables(t.Context()); !retryable(err) {
		t.Errorf("later: %v", err)
	}
	with.Password, lacking = "two", nil
	if _, err = src.Tables(t.Context()); !retryable(err) || !strings.HasSuffix(err.Error(), "check username and password") {
		t.Errorf("refused later: %v", err)
	}
	if _, err = src.node.dialLink(t.Context()); !retryable(src.node.linkError(t.Context(), err)) {
		t.Errorf("a link refused later: %v", err)
	}
	full := &replication.ReplyError{Command: "AUTH", Text: "ERR max number of clients reached"}
	if err := src.node.linkError(t.Context(), full); !retryable(err) {
		t.Errorf("a link that the server has no room for: %v", err)
	}
}
