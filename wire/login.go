package wire

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/source/redis"
)

// A login is what connections log in with where it may change.
type login struct {
	cfg *config.Config
	log *slog.Logger

	mu   sync.Mutex
	last redis.Credentials // zero: none yet
}

// credentials returns what is current: what files hold now, and what the command
// printed, which runs again when that is too old or refused.
func (l *login) credentials(ctx context.Context, refused redis.Credentials) (redis.Credentials, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	username, password, err := l.cfg.Login()
	if err != nil {
		l.log.Warn("a file of secrets cannot be read; what it held before is used", "error", err)
		username, password = l.cfg.Username, l.cfg.Password
		if l.last != (redis.Credentials{}) {
			username, password = l.last.Username, config.NewSecret(l.last.Password)
		}
	}
	command := l.cfg.PasswordCommand.Reveal()
	if command == "" {
		l.last = redis.Credentials{Username: username, Password: password.Reveal(), Until: l.until()}
		return l.last, nil
	}
	if l.last.Password == "" || l.last.Password == refused.Password || !time.Now().Before(l.last.Until) {
		printed, err := printed(ctx, command, l.cfg.ConnectTimeout)
		if err != nil {
			return redis.Credentials{}, err
		}
		l.last.Password, l.last.Until = printed, l.until()
	}
	l.last.Username = username
	return l.last, nil
}

func (l *login) until() time.Time { return time.Now().Add(l.cfg.PasswordRefresh) }
