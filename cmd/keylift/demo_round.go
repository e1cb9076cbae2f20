package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// An outcome is what became of rows while the game went on.
type outcome struct {
	told []string // in sentences
	rows map[string]map[string]fate
}

// A fate is what became of a row.
type fate int

const (
	created fate = iota + 1
	changed
	deleted
)

func newOutcome() *outcome { return &outcome{rows: map[string]map[string]fate{}} }

func (o *outcome) note(table, row string, f fate) {
	if o.rows[table] == nil {
		o.rows[table] = map[string]fate{}
	}
	if o.rows[table][row] != created { // a new row that changes is a new row
		o.rows[table][row] = f
	}
}

func (o *outcome) created(table, row string) { o.note(table, row, created) }
func (o *outcome) changed(table, row string) { o.note(table, row, changed) }
func (o *outcome) deleted(table, row string) { o.note(table, row, deleted) }

func (o *outcome) tell(format string, args ...any) {
	o.told = append(o.told, fmt.Sprintf(format, args...))
}

// writing returns how many rows of a table the outcome writes.
func (o *outcome) writing(table string) written {
	var n written
	for _, f := range o.rows[table] {
		switch f {
		case created:
			n.Created++
		case changed:
			n.Changed++
		case deleted:
			n.Deleted++
		}
	}
	return n
}

const (
	heroRank    = 38 // of the player who will climb, in the beginning
	worldRounds = 7  // rounds after the first sync
)

// play lets the game go on for a round, which is counted from 1 on.
func (w *world) play(ctx context.Context, round int) (*outcome, error) {
	w.outcome = newOutcome()
	if round == 1 {
		if err := w.turn(ctx); err != nil {
			return nil, err
		}
	}
	hero, err := w.heroID(ctx)
	if err != nil {
		return nil, err
	}
	wins := []int{4, 2, 2, 3, 2, 3, 2}[round-1]
	for range wins {
		if err := w.win(ctx, hero, 130+w.random.IntN(60)); err != nil {
			return nil, err
		}
	}
	w.outcome.tell("%s wins %s matches in a row", playerName(hero), []string{"two", "three", "four"}[wins-2])
	const others = 12
	for range others {
		rival, err := w.ranked(ctx, 1+w.random.Int64N(24))
		if err != nil {
			return nil, err
		}
		if rival == hero {
			continue
		}
		if err := w.win(ctx, rival, 20+w.random.IntN(110)); err != nil {
			return nil, err
		}
	}
	if err := w.sessions(ctx, round); err != nil {
		return nil, err
	}
	return w.outcome, nil
}

// heroID returns the player who climbs.
func (w *world) heroID(ctx context.Context) (id int, err error) {
	if w.hero == 0 {
		w.hero, err = w.ranked(ctx, heroRank)
	}
	return w.hero, err
}

// turn makes a player join and another leave.
func (w *world) turn(ctx context.Context) error {
	o := w.outcome
	leaver, err := w.ranked(ctx, 2)
	if err != nil {
		return err
	}
	newcomer := w.join()
	w.queue("ZADD", weeklyBoard, "12.5", strconv.Itoa(newcomer))
	o.created("leaderboards", weeklyBoard+strconv.Itoa(newcomer))
	o.tell("%s joins the game", playerName(newcomer))

	matches, err := w.client.Do(ctx, w.client.B().Llen().Key(matchesKey(leaver)).Build()).AsInt64()
	if err != nil {
		return fmt.Errorf("count the demo's matches: %w", err)
	}
	for n := range matches {
		o.deleted("matches", matchesKey(leaver)+strconv.FormatInt(n, 10))
	}
	earned, err := w.client.Do(ctx, w.client.B().Smembers().Key(earnedKey(leaver)).Build()).AsStrSlice()
	if err != nil {
		return fmt.Errorf("read the demo's achievements: %w", err)
	}
	for _, e := range earned {
		o.deleted("achievements", earnedKey(leaver)+e)
	}
	w.queue("DEL", playerKey(leaver), matchesKey(leaver), earnedKey(leaver))
	o.deleted("players", playerKey(leaver))
	for _, board := range []string{globalBoard, weeklyBoard} {
		if board == globalBoard || leaver%3 > 0 {
			w.queue("ZREM", board, strconv.Itoa(leaver))
			o.deleted("leaderboards", board+strconv.Itoa(leaver))
		}
	}
	w.queue("ZREM", "arena:positions", strconv.Itoa(leaver))
	if !w.server.imitation {
		o.changed("redis_data", "visitors:today") // the newcomer's visit
	}
	o.tell("%s, second on the board, deletes the account", playerName(leaver))
	return w.flush(ctx)
}

// win lets a player win a match.
func (w *world) win(ctx context.Context, player, points int) error {
	o, id, hour := w.outcome, strconv.Itoa(player), w.hourAt(worldHours-1)
	n, err := w.client.Do(ctx, w.client.B().Llen().Key(matchesKey(player)).Build()).AsInt64()
	if err != nil {
		return fmt.Errorf("count the demo's matches: %w", err)
	}
	arena := arenas[w.random.IntN(len(arenas))]
	w.match(player, int(n), "win", points, arena)
	w.queue("ZINCRBY", globalBoard, strconv.Itoa(points), id)
	o.changed("leaderboards", globalBoard+id)
	if player%3 > 0 {
		w.queue("ZINCRBY", weeklyBoard, strconv.Itoa(points/10), id)
		o.changed("leaderboards", weeklyBoard+id)
	}
	w.queue("HINCRBY", playerKey(player), "xp", strconv.Itoa(points*10))
	o.changed("players", playerKey(player))
	for _, key := range []string{"total:matches", counterKey("matches", hour)} {
		w.queue("INCR", key)
	}
	o.changed("totals", "matches")
	o.changed("counters", "matches")
	w.entries++
	at := hour.Add(time.Second + time.Duration(w.entries)*time.Millisecond)
	o.created("events", w.event(at, player, arena, points))
	return w.flush(ctx)
}

// sessions lets some sessions end and others begin.
func (w *world) sessions(ctx context.Context, round int) error {
	ends := []int{6, 4, 5, 3, 6, 4, 5}[round-1]
	var gone []string
	for range ends {
		i := w.random.IntN(len(w.live))
		gone = append(gone, w.live[i])
		w.outcome.deleted("sessions", w.live[i])
		w.live = slices.Delete(w.live, i, i+1)
	}
	begin := []int{5, 7, 4, 6, 5, 3, 6}[round-1]
	for range begin {
		w.session()
	}
	w.outcome.tell("%d sessions begin and %d run out", begin, ends)
	return w.expire(ctx, gone)
}

// ranked returns the player at a rank of the leaderboard.
func (w *world) ranked(ctx context.Context, rank int64) (id int, err error) {
	ids, err := w.client.Do(ctx, w.client.B().Zrevrange().Key(globalBoard).Start(rank-1).Stop(rank-1).Build()).AsIntSlice()
	if err != nil {
		return 0, fmt.Errorf("read the demo's leaderboard: %w", err)
	}
	return int(ids[0]), nil
}

// expire makes keys run out and waits until they have.
func (w *world) expire(ctx context.Context, keys []string) error {
	for _, key := range keys {
		w.queue("PEXPIRE", key, "50")
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	for {
		w.server.pass(20 * time.Millisecond)
		there, err := w.client.Do(ctx, w.client.B().Exists().Key(keys...).Build()).AsInt64()
		if err != nil {
			return fmt.Errorf("wait for sessions to run out: %w", err)
		}
		if there == 0 {
			return nil
		}
	}
}
