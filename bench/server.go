package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// A server is a redis-server and a client to ask it about itself.
type server struct {
	*testserver.Server
	client rueidis.Client
}

func newServer(s *testserver.Server) (*server, error) {
	client, err := connect(s.Address())
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return &server{s, client}, nil
}

func (s *server) stop() error {
	s.client.Close()
	return s.Stop()
}

// info returns a field of INFO.
func (s *server) info(ctx context.Context, section, field string) (string, error) {
	text, err := s.client.Do(ctx, s.client.B().Info().Section(section).Build()).ToString()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("INFO %s has no %s", section, field)
}

// cpu returns the seconds of CPU that the server's main thread has used, which
// serves its clients.
func (s *server) cpu(ctx context.Context) (seconds float64, err error) {
	for _, field := range []string{"used_cpu_sys_main_thread", "used_cpu_user_main_thread"} {
		text, err := s.info(ctx, "cpu", field)
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, err
		}
		seconds += n
	}
	return seconds, nil
}
