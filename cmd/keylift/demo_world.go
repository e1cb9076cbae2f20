package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// A world is a small game in a Redis server. Apart from the times in it, it is
// the same every time.
type world struct {
	client rueidis.Client
	server *demoServer
	random *rand.Rand
	queued rueidis.Commands
}

const (
	worldPlayers  = 300
	worldSessions = 40
	worldEvents   = 500
)

var (
	adjectives   = []string{"Amber", "Bold", "Brisk", "Calm", "Clever", "Crimson", "Dapper", "Eager", "Fabled", "Golden", "Hidden", "Iron", "Jolly", "Lucky", "Mellow", "Noble", "Quiet", "Rapid", "Silver", "Wild"}
	animals      = []string{"Badger", "Crane", "Dolphin", "Falcon", "Ferret", "Gecko", "Heron", "Ibex", "Jackal", "Koala", "Lynx", "Marten", "Newt", "Otter", "Puffin", "Raven", "Seal", "Tapir", "Viper", "Wombat"}
	countries    = []string{"BR", "CA", "DE", "FR", "IN", "JP", "KE", "NO", "PL", "US"}
	arenas       = []string{"Harbor", "Canyon", "Glacier", "Orchard"}
	achievements = []string{"first win", "ten wins", "hat trick", "comeback", "marathon", "untouched", "explorer", "collector"}
)

func playerKey(id int) string  { return "player:" + strconv.Itoa(id) }
func matchesKey(id int) string { return playerKey(id) + ":matches" }
func earnedKey(id int) string  { return playerKey(id) + ":achievements" }
func coinsKey(id int) string   { return playerKey(id) + ":coins" }
func sessionKey(id int) string { return fmt.Sprintf("session:%08x", uint32(id)*2654435761) }
func playerName(id int) string { return adjectives[id%20] + animals[(id/20+id)%20] }
func matchPlayed(r *rand.Rand, result string) string {
	return fmt.Sprintf(`{"arena":%q,"result":%q,"points":%d}`, arenas[r.IntN(len(arenas))], result, 10+r.IntN(90))
}

// queue adds a command to those that flush sends.
func (w *world) queue(args ...string) {
	w.queued = append(w.queued, w.client.B().Arbitrary(args...).Build())
}

func (w *world) flush(ctx context.Context) error {
	commands := w.queued
	w.queued = nil
	for _, reply := range w.client.DoMulti(ctx, commands...) {
		if err := reply.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return fmt.Errorf("play the demo's game: %w", err)
		}
	}
	return nil
}

// fill makes the world.
func (w *world) fill(ctx context.Context) error {
	w.random = rand.New(rand.NewPCG(2009, 4)) //nolint:gosec // a game to look at, the same every time
	for id := 1; id <= worldPlayers; id++ {
		w.join(id)
		w.queue("ZADD", "leaderboard:global", strconv.Itoa(1000+w.random.IntN(8000)), strconv.Itoa(id))
		if id%3 > 0 {
			w.queue("ZADD", "leaderboard:weekly", fmt.Sprintf("%.1f", w.random.Float64()*500), strconv.Itoa(id))
		}
		w.queue("GEOADD", "arena:positions", fmt.Sprintf("%.5f", w.random.Float64()*20), fmt.Sprintf("%.5f", w.random.Float64()*20), strconv.Itoa(id))
		if !w.server.imitation {
			w.queue("PFADD", "visitors:today", strconv.Itoa(id))
		}
	}
	for id := 1; id <= worldSessions; id++ {
		w.queue("SET", sessionKey(id), strconv.Itoa(id), "EX", strconv.Itoa(1800+w.random.IntN(3600)))
	}
	for range worldEvents {
		w.queue("XADD", "events", "*", "event", "match", "player", strconv.Itoa(1+w.random.IntN(worldPlayers)), "arena", arenas[w.random.IntN(len(arenas))])
	}
	w.queue("MSET", "counter:logins", "48213", "counter:matches", "91377", "counter:purchases", "604", "season", "autumn")
	return w.flush(ctx)
}

// join makes a player, some matches and what they brought.
func (w *world) join(id int) {
	r := w.random
	w.queue("HSET", playerKey(id), "name", playerName(id), "country", countries[r.IntN(len(countries))],
		"level", strconv.Itoa(1+r.IntN(60)), "xp", strconv.Itoa(r.IntN(100_000)))
	for range 3 + r.IntN(8) {
		w.queue("LPUSH", matchesKey(id), matchPlayed(r, []string{"win", "loss"}[r.IntN(2)]))
	}
	for range 1 + r.IntN(5) {
		w.queue("SADD", earnedKey(id), achievements[r.IntN(len(achievements))])
	}
	w.queue("SET", coinsKey(id), strconv.Itoa(r.IntN(5000)))
}

// An outcome is what became of keys while the game went on.
type outcome struct {
	told                      []string // in sentences
	created, changed, deleted []string // keys
}

// play lets the game go on: new scores, a new player, a deleted one, and a session that
// runs out.
func (w *world) play(ctx context.Context) (*outcome, error) {
	sixth, err := w.ranked(ctx, 6)
	if err != nil {
		return nil, err
	}
	second, err := w.ranked(ctx, 2)
	if err != nil {
		return nil, err
	}
	winner, leaver, newcomer := sixth, second, worldPlayers+1
	o := &outcome{}

	for range 3 {
		w.queue("LPUSH", matchesKey(winner), matchPlayed(w.random, "win"))
		w.queue("ZINCRBY", "leaderboard:global", "700", strconv.Itoa(winner))
		w.queue("ZINCRBY", "leaderboard:weekly", "70.5", strconv.Itoa(winner))
		w.queue("HINCRBY", playerKey(winner), "xp", "2500")
		w.queue("INCR", "counter:matches")
		w.queue("XADD", "events", "*", "event", "match", "player", strconv.Itoa(winner), "arena", "Harbor")
	}
	o.told = append(o.told, playerName(winner)+" wins three matches in a row")
	o.changed = append(o.changed, matchesKey(winner), playerKey(winner), "leaderboard:global", "leaderboard:weekly", "counter:matches", "events")

	w.join(newcomer)
	w.queue("ZADD", "leaderboard:weekly", "12.5", strconv.Itoa(newcomer))
	o.told = append(o.told, playerName(newcomer)+" joins the game")
	o.created = append(o.created, playerKey(newcomer), matchesKey(newcomer), earnedKey(newcomer), coinsKey(newcomer))

	gone := []string{playerKey(leaver), matchesKey(leaver), earnedKey(leaver), coinsKey(leaver)}
	w.queue(append([]string{"DEL"}, gone...)...)
	w.queue("ZREM", "leaderboard:global", strconv.Itoa(leaver))
	w.queue("ZREM", "leaderboard:weekly", strconv.Itoa(leaver))
	w.queue("ZREM", "arena:positions", strconv.Itoa(leaver))
	o.told = append(o.told, playerName(leaver)+", second on the board, deletes the account")
	o.changed = append(o.changed, "arena:positions")
	o.deleted = append(o.deleted, gone...)
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	session := sessionKey(worldSessions)
	o.told = append(o.told, "the session of "+playerName(worldSessions)+" runs out")
	o.deleted = append(o.deleted, session)
	return o, w.expire(ctx, session)
}

// ranked returns the player at a rank of the leaderboard.
func (w *world) ranked(ctx context.Context, rank int64) (id int, err error) {
	ids, err := w.client.Do(ctx, w.client.B().Zrevrange().Key("leaderboard:global").Start(rank-1).Stop(rank-1).Build()).AsIntSlice()
	if err != nil {
		return 0, fmt.Errorf("read the demo's leaderboard: %w", err)
	}
	return int(ids[0]), nil
}

// expire makes a key run out and waits until it has.
func (w *world) expire(ctx context.Context, key string) error {
	w.queue("PEXPIRE", key, "100")
	if err := w.flush(ctx); err != nil {
		return err
	}
	for {
		w.server.pass(20 * time.Millisecond)
		there, err := w.client.Do(ctx, w.client.B().Exists().Key(key).Build()).AsBool()
		if err != nil {
			return fmt.Errorf("wait for %s to run out: %w", key, err)
		}
		if !there {
			return nil
		}
	}
}
