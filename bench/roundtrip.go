package main

import (
	"context"
	_ "embed"
	"errors"
	"os/exec"
	"time"

	"github.com/redis/rueidis"
)

// sampleFor is how long the ways of one round trip a command read: they would
// take minutes for all keys.
const sampleFor = 10 * time.Second

var errSampled = errors.New("the sample is large enough")

// readRoundTrips reads as the reference connector does: SCAN with COUNT 100,
// then for each key TYPE, the value, TTL and the size, each awaited before the next.
func readRoundTrips(ctx context.Context, address string) (int, error) {
	client, err := connect(address)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	keys, until := 0, time.Now().Add(sampleFor)
	err = scan(ctx, client, 100, func(page []string) error {
		for _, key := range page {
			kind, err := client.Do(ctx, client.B().Type().Key(key).Build()).ToString()
			if err != nil {
				return err
			}
			value, size := valueCommands(client.B(), kind, key)
			for _, command := range []rueidis.Completed{value, client.B().Ttl().Key(key).Build(), size} {
				if err := client.Do(ctx, command).Error(); err != nil {
					return err
				}
			}
			if keys++; time.Now().After(until) {
				return errSampled
			}
		}
		return nil
	})
	if errors.Is(err, errSampled) {
		err = nil
	}
	return keys, err
}

// valueCommands returns the commands for the value and the size of a key.
func valueCommands(b rueidis.Builder, kind, key string) (value, size rueidis.Completed) {
	switch kind {
	case "hash":
		return b.Hgetall().Key(key).Build(), b.Hlen().Key(key).Build()
	case "list":
		return b.Lrange().Key(key).Start(0).Stop(-1).Build(), b.Llen().Key(key).Build()
	case "set":
		return b.Smembers().Key(key).Build(), b.Scard().Key(key).Build()
	case "zset":
		return b.Zrange().Key(key).Min("0").Max("-1").Withscores().Build(), b.Zcard().Key(key).Build()
	}
	return b.Get().Key(key).Build(), b.Strlen().Key(key).Build()
}

// roundTripPython is the same loop in the language and by the library of the
// reference connector.
//
//go:embed roundtrip.py
var roundTripPython string

// havePython reports whether python3 and redis-py are installed.
func havePython(ctx context.Context) bool {
	return exec.CommandContext(ctx, "python3", "-c", "import redis").Run() == nil
}

// redisPy measures the loop in Python.
func redisPy(ctx context.Context, b *bench, _ int) (sample, error) {
	return b.measureChild(ctx, exec.CommandContext(ctx, "python3", "-c", roundTripPython, b.server.Address(), sampleFor.String()))
}
