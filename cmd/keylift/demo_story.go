package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/engine"
)

// A demo tells a story in acts, and fails if it goes other than it tells.
type demo struct {
	cli       *cli
	cfg       *config.Config
	log       *slog.Logger
	world     *world
	warehouse demoWarehouse
	syncs     []demoSync
}

// A demoSync is one sync of the demo.
type demoSync struct {
	told   []string // what happened before it
	sum    *engine.Summary
	tables map[string]written
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.log, err = d.cli.logger(); err != nil {
		return err
	}
	if err := d.warehouse.clear(ctx); err != nil {
		return err
	}
	if err := d.clear(); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{d.arrive, d.goOn, d.goOnAndOn, d.verify, d.leave} {
		if err := act(ctx); err != nil {
			return err
		}
	}
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
	d.say("2. keylift sync, with the tables of %s", demoConfig)
	if err := d.sync(ctx); err != nil {
		return err
	}
	t := d.cli.newTable()
	t.AppendHeader(table.Row{"table", "keys", "layout", "history", "rows"})
	for _, to := range d.tables() {
		history := ""
		if to.history {
			history = "yes"
		}
		t.AppendRow(table.Row{to.name, to.keys, to.layout, history, thousands(d.syncs[0].tables[to.name].Live)})
	}
	t.Render()
	d.say("\nThe leaderboard, a sorted set, joined with the players, hashes:\n%s", indent(leadersQuery))
	return d.show(ctx, leadersQuery)
}

// goOn changes the world, syncs again and shows what that changed.
func (d *demo) goOn(ctx context.Context) error {
	outcome, err := d.world.play(ctx, 1)
	if err != nil {
		return err
	}
	d.say("\n3. The game goes on: %s.\n\n4. keylift sync, again", strings.Join(outcome.told, "; "))
	if err := d.sync(ctx); err != nil {
		return err
	}
	if err := d.check(outcome); err != nil {
		return err
	}
	t := d.cli.newTable()
	t.AppendHeader(table.Row{"table", "new", "changed", "deleted"})
	for _, to := range d.tables() {
		if n := d.syncs[1].tables[to.name]; n.Created+n.Changed+n.Deleted > 0 {
			t.AppendRow(table.Row{to.name, n.Created, n.Changed, n.Deleted})
		}
	}
	t.Render()
	d.say("\nWho climbed most, by the leaderboard's history:\n%s", indent(moversQuery))
	return d.show(ctx, moversQuery)
}

// goOnAndOn plays more rounds with a sync behind each.
func (d *demo) goOnAndOn(ctx context.Context) error {
	d.say("\n5. More rounds, a sync behind each")
	t := d.cli.newTable()
	t.AppendHeader(table.Row{"what happens, besides other wins", "new", "changed", "unchanged", "deleted", "time"})
	for round := 2; round <= worldRounds; round++ {
		outcome, err := d.world.play(ctx, round)
		if err != nil {
			return err
		}
		sum, err := d.bringUpToDate(ctx)
		if err != nil {
			return err
		}
		if err := d.check(outcome); err != nil {
			return err
		}
		n := sum.Counts
		t.AppendRow(table.Row{strings.Join(outcome.told, "; "), n.New, n.Changed, thousands(n.Unchanged), n.Deleted, sum.Elapsed.Round(time.Millisecond)})
	}
	t.Render()
	d.say("\nThe leaderboard now:")
	return d.show(ctx, leadersQuery)
}

// check fails unless the last sync wrote what the game did.
func (d *demo) check(o *outcome) error {
	for name, got := range d.syncs[len(d.syncs)-1].tables {
		if want := o.writing(name); got.Created != want.Created || got.Changed != want.Changed || got.Deleted != want.Deleted {
			return fmt.Errorf("the demo went wrong: in table %s the sync wrote %+v, the game did %+v", name, got, want)
		}
	}
	return nil
}

// verify compares every key of the server with its rows.
func (d *demo) verify(ctx context.Context) error {
	d.say("\n6. keylift verify")
	return d.cli.verify(ctx, d.cfg, d.log, 10)
}

// leave writes the report and says how to go on.
func (d *demo) leave(ctx context.Context) error {
	page, err := d.report(ctx)
	if err != nil {
		return err
	}
	if err := d.write(demoReport, page); err != nil {
		return err
	}
	path := d.warehouse.path()
	d.say(`
Go on:
  %-28s the leaderboard over time and what the syncs did: open it in a browser
  %-28s the tables, to copy from
  duckdb %s "FROM demo.leaderboards_ranked LIMIT 10"
  %[5]s status --destination %[3]s --destination-schema %[4]s
  %[5]s discover --host your.redis.example.com
  %[5]s sync --host your.redis.example.com`, d.beside(demoReport), d.beside(demoConfig), path, demoSchema, command(os.Args[0]))
	return nil
}

// command returns what to type to run the program that was started by this name.
func command(name string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	return "keylift"
}

// sync does what keylift sync does.
func (d *demo) sync(ctx context.Context) error {
	sum, err := d.bringUpToDate(ctx)
	if sum != nil {
		d.cli.printSummary(sum, d.cfg, d.log, err)
	}
	return err
}

// bringUpToDate syncs, and notes what that wrote.
func (d *demo) bringUpToDate(ctx context.Context) (*engine.Summary, error) {
	sum, err := d.cli.sync(ctx, d.cfg, d.log)
	if err != nil {
		return sum, err
	}
	tables, err := d.warehouse.written(ctx)
	if err != nil {
		return sum, err
	}
	if n := len(d.syncs); n > 0 {
		for name, now := range tables {
			now.Created = now.Live - d.syncs[n-1].tables[name].Live + now.Deleted
			now.Changed -= now.Created
			tables[name] = now
		}
	}
	d.syncs = append(d.syncs, demoSync{d.world.outcome.told, sum, tables})
	return sum, nil
}

// A demoTable describes a table.
type demoTable struct {
	name, keys, layout string
	history            bool
}

// tables describes the tables of the demo.
func (d *demo) tables() []demoTable {
	var all []demoTable
	for _, t := range d.cfg.Tables {
		all = append(all, demoTable{t.Name, t.Keys, t.Layout, t.History})
	}
	return append(all, demoTable{d.cfg.TableName, "all others", "value", false})
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

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
