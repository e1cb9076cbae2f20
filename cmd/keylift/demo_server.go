package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/testserver"
)

// A demoServer is the server of a demo. It listens on this machine alone.
type demoServer struct {
	what       string // it is, for people to read
	imitation  bool   // it is no real one, and knows no HyperLogLogs that can be read
	host, port string
	pass       func(time.Duration) // lets time pass
	stop       func() error
}

// startDemoServer starts a redis-server or, where there is none, something like it.
func startDemoServer(ctx context.Context) (*demoServer, error) {
	redis, err := testserver.Start(ctx, testserver.Options{})
	if errors.Is(err, testserver.ErrMissing) {
		return startMiniredis()
	}
	if err != nil {
		return nil, fmt.Errorf("start a server for the demo: %w", err)
	}
	s := &demoServer{what: "a redis-server of its own", pass: time.Sleep, stop: redis.Stop}
	return s, s.at(redis.Address())
}

func startMiniredis() (*demoServer, error) {
	mini := miniredis.NewMiniRedis()
	now := time.Now() // its clock stands still but for this
	mini.SetTime(now)
	if err := mini.Start(); err != nil {
		return nil, fmt.Errorf("start a server for the demo: %w", err)
	}
	pass := func(d time.Duration) {
		now = now.Add(d)
		mini.SetTime(now)
		mini.FastForward(d)
	}
	stop := func() error {
		mini.Close()
		return nil
	}
	s := &demoServer{what: "an embedded miniredis (no redis-server is installed)", imitation: true, pass: pass, stop: stop}
	return s, s.at(mini.Addr())
}

func (s *demoServer) at(address string) (err error) {
	if s.host, s.port, err = net.SplitHostPort(address); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// connect returns a client that plays the game.
func (s *demoServer) connect() (rueidis.Client, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{net.JoinHostPort(s.host, s.port)},
		ForceSingleClient: true, DisableCache: true, ClientSetInfo: rueidis.DisableClientSetInfo,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the demo's server: %w", err)
	}
	return client, nil
}
