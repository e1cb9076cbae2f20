package table

import (
	"fmt"
	"strings"
	"testing"
)

// sampleOf makes keys of one type, count of them, of a format whose verbs take
// the number of the key.
func sampleOf(kind, format string, count int) (keys []SampledKey) {
	for i := range count {
		name := format
		for _, hole := range []struct{ mark, text string }{
			{"{n}", fmt.Sprint(i + 1)},
			{"{pad}", fmt.Sprintf("%05d", i)},
			{"{hex}", fmt.Sprintf("%08x", uint32(i+1)*2654435761)},
			{"{uuid}", fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i)},
			{"{date}", fmt.Sprintf("2026-%02d-%02d", i%12+1, i%28+1)},
			{"{who}", strings.Repeat(string(rune('a'+i%26)), 2) + "mir" + strings.Repeat(string(rune('a'+i/26%26)), 2)},
		} {
			name = strings.ReplaceAll(name, hole.mark, hole.text)
		}
		keys = append(keys, SampledKey{Name: name, Type: kind, Weight: 1})
	}
	return keys
}

// together joins samples.
func together(samples ...[]SampledKey) (all []SampledKey) {
	for _, s := range samples {
		all = append(all, s...)
	}
	return all
}

// words makes a key of each word.
func words(kind, format string, words ...string) (keys []SampledKey) {
	for _, w := range words {
		keys = append(keys, SampledKey{Name: fmt.Sprintf(format, w), Type: kind, Weight: 1})
	}
	return keys
}

// settled returns what an inference finds, in the order of the configuration: a
// line for each table.
func settled(inf *Inference) string {
	inf.Settle("redis_data")
	var b strings.Builder
	for _, g := range inf.InOrder() {
		fmt.Fprintf(&b, "%s < %s %s %s %.0f\n", g.Name, g.Keys, g.Type, g.Layout, g.Count)
	}
	return b.String()
}

func TestInfer_templates(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []SampledKey
		want string
	}{
		{"nothing", nil, ""},
		{"a game", together(
			sampleOf("hash", "player:{n}", 300), sampleOf("list", "player:{n}:matches", 300),
			sampleOf("set", "player:{n}:achievements", 300), sampleOf("string", "player:{n}:coins", 300),
			words("zset", "leaderboard:%s", "global", "weekly"), words("string", "counter:%s", "logins", "matches", "purchases"),
			words("zset", "arena:%s", "positions"), words("string", "visitors:%s", "today"),
			sampleOf("string", "session:{hex}", 40), words("string", "%s", "season"), words("stream", "%s", "events")), `
arena_positions < arena:positions zset elements 1
counters < counter:{counter} string value 3
events < events stream elements 1
leaderboards < leaderboard:{leaderboard} zset elements 2
player_achievements < player:{player_id:int}:achievements set elements 300
player_matches < player:{player_id:int}:matches list elements 300
player_coins < player:{player_id:int}:coins string value 300
players < player:{player_id:int} hash elements 300
season < season string value 1
sessions < session:{session_id} string value 40
visitors_today < visitors:today string value 1
`},
		{"the benchmark's game", together(
			words("zset", "leaderboard:season:%s", "0", "1", "2"), sampleOf("string", "counter:views:{n}", 200),
			sampleOf("string", "session:{n}", 200), sampleOf("hash", "player:{n}:profile", 350), sampleOf("list", "player:{n}:matches", 100),
			sampleOf("zset", "board:weekly:{n}", 50)), `
board_weeklies < board:weekly:{weekly_id:int} zset elements 50
counter_views < counter:views:{view_id:int} string value 200
leaderboard_seasons < leaderboard:season:{season_id:int} zset elements 3
player_matches < player:{player_id:int}:matches list elements 100
player_profiles < player:{player_id:int}:profile hash elements 350
sessions < session:{session_id:int} string value 200
`},
		{"several separators", together(
			sampleOf("hash", "app/users/{uuid}/profile", 50), sampleOf("string", "cache|page|{n}", 50), sampleOf("zset", "stats.{date}.top", 50),
			sampleOf("set", "shop#cart#{pad}", 50), sampleOf("list", "user_{n}_inbox", 50), sampleOf("string", "queue-{n}", 50),
			sampleOf("hash", "{tag{n}}:meta", 50)), `
app_user_profiles < app/users/{user_id}/profile hash elements 50
cache_pages < cache|page|{page_id:int} string value 50
queues < queue-{queue_id:int} string value 50
shop_carts < shop#cart#{cart_id} set elements 50
stat_tops < stats.{date:string:[0-9-]+}.top zset elements 50
user_inboxes < user_{user_id:int}_inbox list elements 50
tag_meta < \{tag{tag_id:int}\}:meta hash elements 50
`},
		{"no separators", together(
			sampleOf("hash", "player{n}", 60), sampleOf("string", "player{n}coins", 60), sampleOf("string", "session{hex}", 60), sampleOf("list", "{who}", 60)), `
player_coins < player{player_id:int}coins string value 60
players < player{player_id:int} hash elements 60
sessions < session{session_id} string value 60
keys < {name} list elements 60
`},
		{"names of players", together(
			sampleOf("hash", "user:{who}", 60), sampleOf("set", "user:{who}:friends", 60), sampleOf("list", "user:{who}:inbox", 60)), `
user_friends < user:{user}:friends set elements 60
user_inboxes < user:{user}:inbox list elements 60
users < user:{user} hash elements 60
`},
		{"kinds before ids", together(
			sampleOf("hash", "eu:player:{n}", 50), sampleOf("hash", "us:player:{n}", 50), sampleOf("string", "tenant{n}:plan", 50), sampleOf("string", "v1:user:{n}", 50)), `
eu_players < eu:player:{player_id:int} hash elements 50
tenant_plans < tenant{tenant_id:int}:plan string value 50
us_players < us:player:{player_id:int} hash elements 50
v1_users < v1:user:{user_id:int} string value 50
`},
		{"two types of one template", together(sampleOf("hash", "thing:{n}", 50), sampleOf("set", "thing:{n}", 20)), `
things < thing:{thing_id:int} hash elements 50
things_set < thing:{thing_id:int} set elements 20
`},
		{"bytes", together(words("string", "blob:%s", "\xff\x00:\x01", "\xfe:\x02", "\xfd"), words("string", "%s", "a\x1bb")), `
blobs < blob:{blob_id:string:(?s:.+)} string value 3
key < {id} string value 1
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := settled(Infer(c.keys))
			if want := strings.TrimPrefix(c.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Twenty-five services with twenty kinds of things each, of every type.
func TestInfer_manyTemplates(t *testing.T) {
	syllables := []string{"ba", "ko", "lu", "mi", "ne", "ra", "so", "ti", "vu", "ze"}
	word := func(i int) string { return syllables[i%10] + syllables[i/10%10] + syllables[(i+i/10)%10] }
	types := []string{"string", "hash", "set", "zset", "list"}
	var keys []SampledKey
	for i := range 500 {
		service, thing := word(i%25), word(25+i/25+i%25)
		keys = append(keys, sampleOf(types[i%5], service+":"+thing+":{n}", 30)...)
	}
	inf := Infer(keys)
	inf.Settle("redis_data")
	if got := len(inf.Guesses); got != 500 {
		t.Errorf("%d templates, want 500", got)
	}
	names := map[string]bool{}
	for _, g := range inf.Guesses {
		names[g.Name] = true
	}
	if len(names) != len(inf.Guesses) {
		t.Errorf("%d names of %d tables", len(names), len(inf.Guesses))
	}
}
