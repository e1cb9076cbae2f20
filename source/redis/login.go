package redis

import (
	"context"
	"errors"
	"time"

	"github.com/keylift/keylift/source/redis/replication"
	"github.com/keylift/keylift/source/redis/resp"
)

// Credentials are what a connection logs in with. The zero Credentials log in with
// nothing.
type Credentials struct {
	Username, Password string
	// Until is when a connection that lives longer logs in again; zero: never.
	Until time.Time
}

func (c Credentials) same(d Credentials) bool {
	return c.Username == d.Username && c.Password == d.Password
}

// fixed returns the Options.Credentials of a user whose password never changes.
func fixed(username, password string) func(context.Context, Credentials) (Credentials, error) {
	return func(context.Context, Credentials) (Credentials, error) {
		return Credentials{Username: username, Password: password}, nil
	}
}

// A credentialsError says that there are no credentials to be had.
type credentialsError struct{ error }

func (e credentialsError) Unwrap() error { return e.error }

// credentials asks for credentials other than those that the server refused.
func (o *Options) credentials(ctx context.Context, refused Credentials) (Credentials, error) {
	with, err := o.Credentials(ctx, refused)
	if err != nil {
		return with, credentialsError{err}
	}
	return with, nil
}

// logIn runs login with credentials, and again with newer ones if there are any where
// the server refuses those.
func (o *Options) logIn(ctx context.Context, login func(Credentials) error) error {
	with, err := o.credentials(ctx, Credentials{})
	if err != nil {
		return err
	}
	refusal := login(with)
	if !refusesLogin(refusal) {
		return refusal
	}
	newer, err := o.credentials(ctx, with)
	switch {
	case err != nil:
		return err
	case newer.same(with):
		return refusal
	}
	return login(newer)
}

// refusesLogin reports whether err is a server's reply to credentials that it does
// not accept.
func refusesLogin(err error) bool {
	answer, _ := asReply(err)
	if reply, ok := errors.AsType[*replication.ReplyError](err); ok {
		answer = resp.Error(reply.Text)
	}
	return wrongPassword(answer) || hasPrefix(answer, "NOAUTH")
}

// renewAgain is the time after which what failed is tried again.
const renewAgain = 10 * time.Second

// renew has the connection log in again whenever its credentials have come of age,
// until it is closed. A server that refuses the new ones goes on with the old ones.
func (c *conn) renew(n *node) {
	if c.login.Until.IsZero() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.keepLoggedIn(ctx, n)
	}()
	c.endRenewal = func() {
		cancel()
		<-done
	}
}

func (c *conn) keepLoggedIn(ctx context.Context, n *node) {
	due := time.NewTimer(time.Until(c.login.Until))
	defer due.Stop()
	var refused Credentials
	for !c.login.Until.IsZero() {
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
		with, err := n.options.credentials(ctx, refused)
		if err == nil && !with.same(c.login) {
			err = c.authenticate(ctx, with)
		}
		if _, answered := asReply(err); err != nil && !answered && !errors.As(err, new(credentialsError)) {
			return // the connection has ended, which who reads it sees
		}
		if err != nil {
			refused = with
			n.options.Logger.Warn("a connection could not log in again and goes on as it is", "node", n.address, "error", err)
			due.Reset(renewAgain)
			continue
		}
		c.login, refused = with, Credentials{}
		due.Reset(time.Until(with.Until))
	}
}

// authenticate sends AUTH alone.
func (c *conn) authenticate(ctx context.Context, with Credentials) error {
	p := newPipeline()
	p.addAuth(with)
	if p.commands == 0 {
		return nil
	}
	if err := c.exchange(ctx, p); err != nil {
		return err
	}
	return p.next().Err()
}

func (p *pipeline) addAuth(with Credentials) {
	if with.Username != "" {
		p.add("AUTH", with.Username, with.Password)
	} else if with.Password != "" {
		p.add("AUTH", with.Password)
	}
}

// dialLink connects as a replica does.
func (n *node) dialLink(ctx context.Context) (link *replication.Link, err error) {
	err = n.options.logIn(ctx, func(with Credentials) (err error) {
		link, err = replication.Dial(ctx, n.linkOptions(with))
		return err
	})
	return link, err
}

// permitted tells whether the server would let dialLink's link begin.
func (n *node) permitted(ctx context.Context) error {
	return n.options.logIn(ctx, func(with Credentials) error {
		return replication.Permitted(ctx, n.linkOptions(with))
	})
}

// refusedLogin explains that the server accepts no credentials that are to be had.
// Where they may change it is an outage once they were accepted: those that are new
// on one side may not have reached the other yet.
func (n *node) refusedLogin(why error) error {
	if n.reached && n.options.changing {
		return n.outage(why)
	}
	return n.refuse("%w", why)
}
