package torture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A Place is a key of a database, as its bytes are.
type Place struct {
	Database int
	Key      string
}

// A Value is what the server says of a key.
type Value struct {
	Kind     string
	Expires  int64 // Unix milliseconds; -1: never
	Text     string
	Elements []Element // of collections, in the documented order
}

// An Element is a field, element, member or entry.
type Element struct {
	Name   string
	Text   string // of a field
	Score  float64
	Fields []rueidis.XRangeFieldValue // of an entry
}

// Ask asks a server for all keys of a database, by typed commands, until none is
// left that expires soon. The client has a single connection.
func Ask(ctx context.Context, client rueidis.Client, database int, truth map[Place]Value) error {
	if err := client.Do(ctx, client.B().Select().Index(int64(database)).Build()).Error(); err != nil {
		return fmt.Errorf("select database %d: %w", database, err)
	}
	for soon := true; soon; {
		keys, err := scan(ctx, client)
		if err != nil {
			return fmt.Errorf("scan database %d: %w", database, err)
		}
		soon = false
		for chunk := range slices.Chunk(keys, 500) {
			brief, err := askKeys(ctx, client, database, chunk, truth)
			if err != nil {
				return err
			}
			soon = soon || brief
		}
		if soon {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func scan(ctx context.Context, client rueidis.Client) (keys []string, err error) {
	met := map[string]bool{}
	for cursor := uint64(0); ; {
		entry, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Count(1000).Build()).AsScanEntry()
		if err != nil {
			return nil, err
		}
		for _, key := range entry.Elements {
			if !met[key] {
				met[key] = true
				keys = append(keys, key)
			}
		}
		if cursor = entry.Cursor; cursor == 0 {
			return keys, nil
		}
	}
}

// askKeys asks for keys and reports whether one of them expires soon.
func askKeys(ctx context.Context, client rueidis.Client, database int, keys []string, truth map[Place]Value) (brief bool, err error) {
	var types, values rueidis.Commands
	for _, key := range keys {
		types = append(types, client.B().Type().Key(key).Build())
	}
	found := make([]string, len(keys))
	for i, reply := range client.DoMulti(ctx, types...) {
		if found[i], err = reply.ToString(); err != nil {
			return false, fmt.Errorf("ask for the type of %q: %w", keys[i], err)
		}
		values = append(values, valueCommand(client.B(), found[i], keys[i]), client.B().Pexpiretime().Key(keys[i]).Build(), client.B().Pttl().Key(keys[i]).Build())
	}
	replies := client.DoMulti(ctx, values...)
	for i, key := range keys {
		v := Value{Kind: found[i]}
		of := replies[3*i : 3*i+3]
		if v.Expires, err = of[1].AsInt64(); err != nil {
			return false, fmt.Errorf("ask for the expiry of %q: %w", key, err)
		}
		left, err := of[2].AsInt64()
		if err != nil {
			return false, fmt.Errorf("ask for the expiry of %q: %w", key, err)
		}
		if left == -2 || left >= 0 && left < 1000*LongLife/2 {
			brief = true
			continue
		}
		if err := v.fill(of[0]); err != nil {
			return false, fmt.Errorf("ask for %q: %w", key, err)
		}
		truth[Place{database, key}] = v
	}
	return brief, nil
}

func valueCommand(b rueidis.Builder, kind, key string) rueidis.Completed {
	switch kind {
	case "hash":
		return b.Hgetall().Key(key).Build()
	case "list":
		return b.Lrange().Key(key).Start(0).Stop(-1).Build()
	case "set":
		return b.Smembers().Key(key).Build()
	case "zset":
		return b.Zrange().Key(key).Min("0").Max("-1").Withscores().Build()
	case "stream":
		return b.Xrange().Key(key).Start("-").End("+").Build()
	case "none":
		return b.Exists().Key(key).Build()
	}
	return b.Get().Key(key).Build()
}

// fill takes the server's reply for the value.
func (v *Value) fill(reply rueidis.RedisResult) (err error) {
	switch v.Kind {
	case "string":
		v.Text, err = reply.ToString()
	case "hash":
		var of map[string]string
		of, err = reply.AsStrMap()
		for name, text := range of {
			v.Elements = append(v.Elements, Element{Name: name, Text: text})
		}
	case "list", "set":
		var of []string
		of, err = reply.AsStrSlice()
		for _, name := range of {
			v.Elements = append(v.Elements, Element{Name: name})
		}
	case "zset":
		var of []rueidis.ZScore
		of, err = reply.AsZScores()
		for _, m := range of {
			v.Elements = append(v.Elements, Element{Name: m.Member, Score: m.Score})
		}
	case "stream":
		var of []rueidis.XRangeSlice
		of, err = reply.AsXRangeSlices()
		for _, e := range of {
			v.Elements = append(v.Elements, Element{Name: e.ID, Fields: e.FieldValues})
		}
	default:
		return fmt.Errorf("its type is %q", v.Kind)
	}
	if v.Kind == "hash" || v.Kind == "set" {
		slices.SortFunc(v.Elements, func(a, b Element) int { return strings.Compare(a.Name, b.Name) })
	}
	return err
}
