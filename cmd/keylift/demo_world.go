package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// A world is a small game in a Redis server. Apart from the times in it, it is
// the same every time.
type world struct {
	client  rueidis.Client
	server  *demoServer
	random  *rand.Rand
	queued  rueidis.Commands
	outcome *outcome  // what the commands since the last sync do to rows
	now     time.Time // when the world was made
	players int       // that ever joined
	begun   int       // sessions that ever began
	live    []string  // keys of those that go on
	entries int       // of the stream since the first sync
	hero    int       // the player who climbs; 0: not chosen yet
}

const (
	worldPlayers  = 300
	worldSessions = 40
	worldHours    = 24
)

// scoundrel is a name that a player chose.
const scoundrel = `<script>alert("gg")</script>`

// assetKey is a key that is no text.
const assetKey = "asset:\xff\xd8\xff\xe0"

var (
	adjectives   = []string{"Amber", "Bold", "Brisk", "Calm", "Clever", "Crimson", "Dapper", "Eager", "Fabled", "Golden", "Hidden", "Iron", "Jolly", "Lucky", "Mellow", "Noble", "Quiet", "Rapid", "Silver", "Wild"}
	animals      = []string{"Badger", "Crane", "Dolphin", "Falcon", "Ferret", "Gecko", "Heron", "Ibex", "Jackal", "Koala", "Lynx", "Marten", "Newt", "Otter", "Puffin", "Raven", "Seal", "Tapir", "Viper", "Wombat"}
	countries    = []string{"BR", "CA", "DE", "FR", "IN", "JP", "KE", "NO", "PL", "US"}
	clans        = []string{"North", "Tide", "Ember"}
	arenas       = []string{"Harbor", "Canyon", "Glacier", "Orchard"}
	devices      = []string{"console", "desktop", "phone"}
	achievements = []string{"first win", "ten wins", "hat trick", "comeback", "marathon", "untouched", "explorer", "collector"}
)

const (
	globalBoard = "leaderboard:global"
	weeklyBoard = "leaderboard:weekly"
)

func playerKey(id int) string  { return "player:" + strconv.Itoa(id) }
func matchesKey(id int) string { return playerKey(id) + ":matches" }
func earnedKey(id int) string  { return playerKey(id) + ":achievements" }
func sessionKey(n int) string  { return fmt.Sprintf("session:%08x", uint32(n)*2654435761) }
func playerName(id int) string { return adjectives[id%20] + animals[(id/20+id)%20] }

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
	w.now, w.outcome = time.Now().Truncate(time.Second), newOutcome()
	r := w.random
	for range worldPlayers {
		id := w.join()
		w.queue("ZADD", globalBoard, strconv.Itoa(1000+r.IntN(8000)), strconv.Itoa(id))
		if id%3 > 0 {
			w.queue("ZADD", weeklyBoard, fmt.Sprintf("%.1f", r.Float64()*500), strconv.Itoa(id))
		}
	}
	for range worldSessions {
		w.session()
	}
	for hour := range worldHours {
		w.hour(hour)
	}
	for name, total := range map[string]string{"logins": "48213", "matches": "91377", "purchases": "604"} {
		w.queue("SET", "total:"+name, total)
	}
	w.queue("MSET", "season", "autumn", assetKey, "\xff\xd8\xff\xe0\x00\x10JFIF")
	if err := w.flush(ctx); err != nil {
		return err
	}
	seventh, err := w.ranked(ctx, 7)
	if err != nil {
		return err
	}
	w.queue("HSET", playerKey(seventh), "name", scoundrel)
	return w.flush(ctx)
}

// hour makes what an hour of the last day left.
func (w *world) hour(n int) {
	r, began := w.random, w.hourAt(n)
	busy := 1.2 + math.Sin(float64(n)/worldHours*2*math.Pi-2)
	for name, most := range map[string]float64{"logins": 900, "matches": 1700, "purchases": 14} {
		w.queue("SET", counterKey(name, began), strconv.Itoa(int(most*busy)+len(name)))
	}
	for i := range int(20 * busy) {
		w.event(began.Add(time.Duration(i)*time.Millisecond), 1+r.IntN(worldPlayers), arenas[r.IntN(len(arenas))], 10+r.IntN(90))
	}
}

// hourAt returns when an hour of the last day began; the last is the present one.
func (w *world) hourAt(n int) time.Time {
	return w.now.Truncate(time.Hour).Add(time.Duration(n-worldHours+1) * time.Hour)
}

func counterKey(name string, hour time.Time) string {
	return fmt.Sprintf("counter:%s:%d", name, hour.Unix())
}

// event adds an entry to the stream, and returns its id.
func (w *world) event(at time.Time, player int, arena string, points int) string {
	id := fmt.Sprintf("%d-0", at.UnixMilli())
	w.queue("XADD", "events", id, "event", "match", "player", strconv.Itoa(player), "arena", arena, "points", strconv.Itoa(points))
	return id
}

// join makes a player, some matches and what they brought.
func (w *world) join() (id int) {
	w.players++
	r, id := w.random, w.players
	hash := []string{
		"HSET", playerKey(id), "name", playerName(id), "country", countries[r.IntN(len(countries))],
		"level", strconv.Itoa(1 + r.IntN(60)), "xp", strconv.Itoa(r.IntN(100_000)), "joined", strconv.FormatInt(w.now.AddDate(0, 0, -r.IntN(700)).Unix(), 10),
	}
	if id%4 > 0 { // the others never had coins
		hash = append(hash, "coins", strconv.Itoa(r.IntN(5000)))
	}
	if id%5 == 0 { // a field without a column
		hash = append(hash, "clan", clans[r.IntN(len(clans))])
	}
	w.queue(hash...)
	w.outcome.created("players", playerKey(id))
	for n := range 3 + r.IntN(8) {
		w.match(id, n, []string{"win", "loss"}[r.IntN(2)], 10+r.IntN(90), arenas[r.IntN(len(arenas))])
	}
	for range 1 + r.IntN(5) {
		earned := achievements[r.IntN(len(achievements))]
		w.queue("SADD", earnedKey(id), earned)
		w.outcome.created("achievements", earnedKey(id)+earned)
	}
	w.queue("GEOADD", "arena:positions", fmt.Sprintf("%.5f", r.Float64()*20), fmt.Sprintf("%.5f", r.Float64()*20), strconv.Itoa(id))
	w.outcome.changed("redis_data", "arena:positions")
	if !w.server.imitation {
		w.queue("PFADD", "visitors:today", strconv.Itoa(id))
	}
	return id
}

// match adds a match, the player's nth, to the end of the list.
func (w *world) match(player, n int, result string, points int, arena string) {
	w.queue("RPUSH", matchesKey(player), fmt.Sprintf(`{"arena":%q,"result":%q,"points":%d}`, arena, result, points))
	w.outcome.created("matches", matchesKey(player)+strconv.Itoa(n))
}

// session begins a session, which would go on for hours.
func (w *world) session() {
	r, key := w.random, sessionKey(w.begun)
	w.begun++
	w.live = append(w.live, key)
	w.queue("HSET", key, "player", strconv.Itoa(1+r.IntN(worldPlayers)), "device", devices[r.IntN(len(devices))],
		"started", strconv.FormatInt(w.now.Add(-time.Duration(r.IntN(7200))*time.Second).Unix(), 10))
	w.queue("EXPIRE", key, strconv.Itoa(7200+r.IntN(3600)))
	w.outcome.created("sessions", key)
}
