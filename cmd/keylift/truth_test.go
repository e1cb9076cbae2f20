package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/keylift/keylift/internal/torture"
)

// A fact is what the server itself says of a key, or the warehouse of a row.
type fact struct {
	value, kind string
	expires     int64 // Unix milliseconds; -1: never
	size        int64
}

// A place is a key of a database.
type place struct {
	database int
	key      string // as rows write it
}

// ask returns what the server answers to the typed commands, for every key of a
// database.
func ask(ctx context.Context, client rueidis.Client, database int, facts map[place]fact) error {
	var keys []string
	if err := client.Do(ctx, client.B().Select().Index(int64(database)).Build()).Error(); err != nil {
		return err
	}
	for cursor := uint64(0); ; {
		entry, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Count(5000).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		keys = append(keys, entry.Elements...)
		if cursor = entry.Cursor; cursor == 0 {
			break
		}
	}
	for chunk := range slices.Chunk(keys, 1000) {
		var types, values rueidis.Commands
		for _, key := range chunk {
			types = append(types, client.B().Type().Key(key).Build())
		}
		kinds := make([]string, len(chunk))
		for i, reply := range client.DoMulti(ctx, types...) {
			kind, err := reply.ToString()
			if err != nil {
				return err
			}
			kinds[i] = kind
			value, length := typedCommands(client.B(), kind, chunk[i])
			values = append(values, value, length, client.B().Pexpiretime().Key(chunk[i]).Build())
		}
		replies := client.DoMulti(ctx, values...)
		for i, key := range chunk {
			f, err := typedFact(kinds[i], replies[3*i:3*i+3])
			if err != nil {
				return fmt.Errorf("key %q: %w", key, err)
			}
			if f.expires != -2 {
				facts[place{database, torture.Text(key)}] = f
			}
		}
	}
	return nil
}

// typedCommands returns the commands that ask for a value and its size.
func typedCommands(b rueidis.Builder, kind, key string) (value, size rueidis.Completed) {
	switch kind {
	case "hash":
		return b.Hgetall().Key(key).Build(), b.Hlen().Key(key).Build()
	case "list":
		return b.Lrange().Key(key).Start(0).Stop(-1).Build(), b.Llen().Key(key).Build()
	case "set":
		return b.Smembers().Key(key).Build(), b.Scard().Key(key).Build()
	case "zset":
		return b.Zrange().Key(key).Min("0").Max("-1").Withscores().Build(), b.Zcard().Key(key).Build()
	case "stream":
		return b.Xrange().Key(key).Start("-").End("+").Build(), b.Xlen().Key(key).Build()
	}
	return b.Get().Key(key).Build(), b.Strlen().Key(key).Build()
}

// typedFact makes a fact of the replies for a value, its size and its expiry.
func typedFact(kind string, replies []rueidis.RedisResult) (fact, error) {
	f := fact{kind: kind}
	var err error
	if f.expires, err = replies[2].AsInt64(); err != nil || f.expires == -2 {
		return f, err
	}
	if f.size, err = replies[1].AsInt64(); err != nil {
		return f, err
	}
	var value []string
	separators := "[]"
	switch kind {
	case "string":
		text, err := replies[0].ToString()
		f.value = torture.Text(text)
		return f, err
	case "hash":
		fields, err := replies[0].AsStrMap()
		if err != nil {
			return f, err
		}
		names := make([]string, 0, len(fields))
		for name := range fields {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			value = append(value, torture.Quoted(name)+":"+torture.Quoted(fields[name]))
		}
		separators = "{}"
	case "list", "set":
		elements, err := replies[0].AsStrSlice()
		if err != nil {
			return f, err
		}
		if kind == "set" {
			slices.Sort(elements)
		}
		for _, e := range elements {
			value = append(value, torture.Quoted(e))
		}
	case "zset":
		members, err := replies[0].AsZScores()
		if err != nil {
			return f, err
		}
		slices.SortStableFunc(members, func(a, b rueidis.ZScore) int {
			return cmp.Or(cmp.Compare(a.Score, b.Score), strings.Compare(a.Member, b.Member))
		})
		for _, m := range members {
			value = append(value, "["+torture.Quoted(m.Member)+","+scoreText(m.Score)+"]")
		}
	case "stream":
		entries, err := replies[0].AsXRangeSlices()
		if err != nil {
			return f, err
		}
		for _, e := range entries {
			var fields []string
			for _, fv := range e.FieldValues {
				fields = append(fields, torture.Quoted(fv.Field)+":"+torture.Quoted(fv.Value))
			}
			value = append(value, `["`+e.ID+`",{`+strings.Join(fields, ",")+"}]")
		}
	}
	f.value = separators[:1] + strings.Join(value, ",") + separators[1:]
	return f, nil
}

func scoreText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return `"inf"`
	case math.IsInf(f, -1):
		return `"-inf"`
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// A held fact is a row of the warehouse.
type heldFact struct {
	fact
	deleted  bool
	modified int64
}

// rowsOf reads every row of the table, whose column deleted marks deleted rows, and
// fails if a key has two.
func rowsOf(t *testing.T, file, deleted string) map[place]heldFact {
	t.Helper()
	db, err := sql.Open("duckdb", file+"?access_mode=READ_ONLY")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT database, key, coalesce(value, 'NULL'), data_type, coalesce(epoch_ms(expires_at), -1), size,
		`+deleted+`, epoch_us(last_modified) FROM redis_data`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[place]heldFact{}
	for rows.Next() {
		var p place
		var h heldFact
		if err := rows.Scan(&p.database, &p.key, &h.value, &h.kind, &h.expires, &h.size, &h.deleted, &h.modified); err != nil {
			t.Fatal(err)
		}
		if _, twice := all[p]; twice {
			t.Errorf("%+v has two rows", p)
		}
		all[p] = h
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// compareFacts fails the test unless rows say of each key what the server says.
// Rows of keys that have expired meanwhile may be there.
func compareFacts(t *testing.T, rows map[place]heldFact, facts map[place]fact) {
	t.Helper()
	wrong := 0
	report := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	live := 0
	for p, h := range rows {
		f, there := facts[p]
		switch {
		case h.deleted && there:
			report("%+v is marked deleted, the server says %+v", p, f)
		case h.deleted:
		case !there && h.expires >= 0 && h.expires <= time.Now().UnixMilli():
		case !there:
			report("%+v is gone from the server, its row says %+v", p, h.fact)
		case f != h.fact:
			report("%+v:\nserver %+v\nrow    %+v", p, f, h.fact)
		default:
			live++
		}
	}
	for p, f := range facts {
		if _, ok := rows[p]; !ok {
			report("%+v has no row, the server says %+v", p, f)
		}
	}
	if wrong > 0 || live != len(facts) {
		t.Fatalf("%d of %d keys are wrong", wrong, len(facts))
	}
}
