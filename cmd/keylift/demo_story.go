package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/keylift/keylift/config"
)

// A demo tells a story in acts, and fails if it goes other than it tells.
type demo struct {
	cli       *cli
	cfg       *config.Config
	log       *slog.Logger
	world     *world
	warehouse demoWarehouse
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.log, err = d.cli.logger(); err != nil {
		return err
	}
	if err := d.warehouse.clear(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{d.arrive, d.goOn, d.verify} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	d.farewell()
	return nil
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.cli.stdout, format+"\n", args...)
}

// arrive fills the server and syncs it for the first time.
func (d *demo) arrive(ctx context.Context) error {
	server := d.world.server
	d.say("1. A game with %d players lives in %s, at %s:%s.\n", worldPlayers, server.what, server.host, server.port)
	if err := d.world.fill(ctx); err != nil {
		return err
	}
	d.say("2. keylift sync")
	if err := d.sync(ctx); err != nil {
		return err
	}
	if err := d.show(ctx, countsQuery); err != nil {
		return err
	}
	d.say("\nThe leaderboard, a sorted set, joined with the players, hashes:\n%s", indent(leadersQuery))
	return d.show(ctx, leadersQuery)
}

// goOn changes the world, syncs again and shows what that changed.
func (d *demo) goOn(ctx context.Context) error {
	before, err := d.warehouse.keys(ctx)
	if err != nil {
		return err
	}
	expected, err := d.world.play(ctx)
	if err != nil {
		return err
	}
	d.say("\n3. The game goes on: %s.\n\n4. keylift sync, again", strings.Join(expected.told, "; "))
	if err := d.sync(ctx); err != nil {
		return err
	}
	done, err := d.warehouse.written(ctx, before)
	if err != nil {
		return err
	}
	if !done.equals(expected) {
		return fmt.Errorf("the demo went wrong: the sync wrote %+v, the game did %+v", done, expected)
	}
	t := d.cli.newTable()
	for _, line := range []struct {
		what string
		keys []string
	}{{"new", done.created}, {"changed", done.changed}, {"deleted", done.deleted}} {
		t.AppendRow(table.Row{line.what, wrap(line.keys, 88)})
	}
	t.Style().Options.SeparateRows = true
	t.Render()
	d.say("\nThe leaderboard now:")
	if err := d.show(ctx, leadersQuery); err != nil {
		return err
	}
	d.say("\nWhat is gone from the server is marked, not lost (deletes: soft):")
	return d.show(ctx, goneQuery)
}

// verify compares every key of the server with its row.
func (d *demo) verify(ctx context.Context) error {
	d.say("\n5. keylift verify")
	return d.cli.verify(ctx, d.cfg, d.log, 10)
}

func (d *demo) farewell() {
	path := d.warehouse.path()
	d.say(`
Go on:
  duckdb %s "FROM demo.redis_data LIMIT 10"
  keylift status --destination %s --destination-schema %s
  keylift sync --host your.redis.example.com`, path, path, demoSchema)
}

// sync does what keylift sync does.
func (d *demo) sync(ctx context.Context) error {
	sum, err := d.cli.sync(ctx, d.cfg, d.log)
	if sum != nil {
		d.cli.printSummary(sum, d.cfg, d.log, err)
	}
	return err
}

// show prints what a query finds.
func (d *demo) show(ctx context.Context, query string) error {
	names, rows, err := d.warehouse.query(ctx, query)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("the demo went wrong: nothing is found by %s", oneLine(query))
	}
	t := d.cli.newTable()
	t.AppendHeader(names)
	t.AppendRows(rows)
	t.Render()
	return nil
}

// equals reports whether o and other name the same keys.
func (o *outcome) equals(other *outcome) bool {
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	return same(o.created, other.created) && same(o.changed, other.changed) && same(o.deleted, other.deleted)
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// wrap joins words, breaking lines that grow longer than width.
func wrap(words []string, width int) string {
	var b strings.Builder
	length := 0
	for i, word := range words {
		if i > 0 && length+len(word) >= width {
			b.WriteString("\n")
			length = 0
		} else if i > 0 {
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
