package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keylift/keylift/internal/report"
)

// The queries behind the report.
const (
	raceQuery = `WITH syncs AS (SELECT DISTINCT valid_from AS moment FROM demo.leaderboards_history),
boards AS (
  SELECT moment, member, score, rank() OVER (PARTITION BY moment ORDER BY score DESC) AS rank
  FROM syncs JOIN demo.leaderboards_history ON valid_from <= moment AND (is_current OR moment < valid_to)
  WHERE board = 'global')
SELECT p.name AS player, dense_rank() OVER (ORDER BY b.moment) AS sync, b.rank, b.score
FROM boards b
JOIN demo.leaderboards_ranked now ON now.member = b.member AND now.board = 'global' AND now.rank <= 10
JOIN demo.players p ON p.player_id = b.member::BIGINT AND p._keylift_active
ORDER BY now.rank, sync`

	hoursQuery = `SELECT counter, hour, value::BIGINT AS count FROM demo.counters ORDER BY counter, hour`

	cohortsQuery = `WITH sessions AS (
  SELECT session, min(valid_from) AS began, max(coalesce(valid_to, 'infinity')) AS ended
  FROM demo.sessions_history GROUP BY session),
syncs AS (SELECT DISTINCT valid_from AS moment FROM demo.sessions_history)
SELECT dense_rank() OVER (ORDER BY began) AS cohort, moment, count(*) FILTER (moment < ended) AS going_on
FROM sessions JOIN syncs ON began <= moment GROUP BY began, moment ORDER BY began, moment`
)

// report makes the page that the demo leaves.
func (d *demo) report(ctx context.Context) ([]byte, error) {
	last := len(d.syncs) - 1
	var rows, versions, written int64
	for _, t := range d.syncs[last].tables {
		rows, versions = rows+t.Live, versions+t.Versions
	}
	for _, s := range d.syncs[1:] {
		written += s.sum.Counts.New + s.sum.Counts.Changed + s.sum.Counts.Deleted
	}
	p := &report.Page{
		Lead: fmt.Sprintf("A game with %d players lives in Redis. keylift brought it into the schema %s of %s by %d syncs while it was played; what this page shows was asked of that file with SQL.",
			worldPlayers, demoSchema, d.warehouse.path(), len(d.syncs)),
		Tiles: []report.Tile{
			{Figure: fmt.Sprint(len(d.cfg.Tables) + 1), What: "tables"},
			{Figure: thousands(rows), What: "rows now"},
			{Figure: thousands(versions), What: "with earlier versions"},
			{Figure: fmt.Sprint(len(d.syncs)), What: "syncs, " + d.syncing().String() + " in all"},
			{Figure: thousands(written), What: "rows written after the first"},
		},
		Queries: report.Queries{Race: raceQuery, Climbs: moversQuery, Hours: hoursQuery, Cohorts: cohortsQuery},
		Syncs:   d.reportSyncs(), Tables: d.reportTables(), Config: demoTables,
	}
	for _, add := range []func(context.Context, *report.Page) error{d.addRace, d.addClimbs, d.addHours, d.addCohorts} {
		if err := add(ctx, p); err != nil {
			return nil, err
		}
	}
	p.Title = p.Climbs[0].Name + " climbs the board"
	page := bytes.NewBufferString("<!-- " + demoMade + " -->\n")
	err := report.Write(page, p)
	return page.Bytes(), err
}

// moments names the syncs by their numbers.
func (d *demo) moments(before string) []string {
	names := make([]string, len(d.syncs))
	for i := range names {
		names[i] = before + strconv.Itoa(i+1)
	}
	return names
}

// syncing returns how long all syncs took.
func (d *demo) syncing() time.Duration {
	var all time.Duration
	for _, s := range d.syncs {
		all += s.sum.Elapsed
	}
	return all.Round(10 * time.Millisecond)
}

func (d *demo) addRace(ctx context.Context, p *report.Page) error {
	_, rows, err := d.warehouse.query(ctx, raceQuery)
	if err != nil {
		return err
	}
	p.Race.Moments = d.moments("sync ")
	p.Scores.Moments = d.moments("")
	scores := map[string][]float64{}
	for _, r := range rows {
		name, sync, rank, score := r[0].(string), r[1].(int64), r[2].(int64), r[3].(float64)
		if n := len(p.Race.Racers); n == 0 || p.Race.Racers[n-1].Name != name {
			p.Race.Racers = append(p.Race.Racers, report.Racer{Name: name, Ranks: make([]int, len(d.syncs))})
			scores[name] = make([]float64, len(d.syncs))
		}
		racer := &p.Race.Racers[len(p.Race.Racers)-1]
		racer.Ranks[sync-1], scores[name][sync-1] = int(rank), score
		racer.Note = thousands(int64(score))
	}
	climbed := slices.Clone(p.Race.Racers)
	places := func(r report.Racer) int { return r.Ranks[0] - r.Ranks[len(r.Ranks)-1] }
	slices.SortStableFunc(climbed, func(a, b report.Racer) int { return places(b) - places(a) })
	for hue, racer := range climbed[:report.Third] {
		i := slices.IndexFunc(p.Race.Racers, func(r report.Racer) bool { return r.Name == racer.Name })
		p.Race.Racers[i].Hue = report.Hue(hue + 1)
		p.Scores.Lines = append(p.Scores.Lines, report.Line{Name: racer.Name, Values: scores[racer.Name], Hue: report.Hue(hue + 1)})
	}
	return nil
}

func (d *demo) addClimbs(ctx context.Context, p *report.Page) error {
	_, rows, err := d.warehouse.query(ctx, moversQuery)
	for _, r := range rows {
		p.Climbs = append(p.Climbs, report.Climb{
			Name: r[0].(string), Before: int(r[1].(int64)), Now: int(r[2].(int64)), Points: int64(r[3].(float64)),
		})
	}
	return err
}

func (d *demo) addHours(ctx context.Context, p *report.Page) error {
	_, rows, err := d.warehouse.query(ctx, hoursQuery)
	for _, r := range rows {
		if n := len(p.Hours); n == 0 || p.Hours[n-1].Name != r[0].(string) {
			p.Hours = append(p.Hours, report.Hours{Name: r[0].(string)})
		}
		h := &p.Hours[len(p.Hours)-1]
		h.Labels = append(h.Labels, r[1].(time.Time).UTC().Format("15:04"))
		h.Values = append(h.Values, r[2].(int64))
	}
	return err
}

func (d *demo) addCohorts(ctx context.Context, p *report.Page) error {
	_, rows, err := d.warehouse.query(ctx, cohortsQuery)
	p.Cohorts.Moments = d.moments("sync ")
	for _, r := range rows {
		cohort := int(r[0].(int64))
		for len(p.Cohorts.Left) < cohort {
			p.Cohorts.Left = append(p.Cohorts.Left, nil)
		}
		p.Cohorts.Left[cohort-1] = append(p.Cohorts.Left[cohort-1], r[2].(int64))
	}
	return err
}

func (d *demo) reportSyncs() []report.Sync {
	var all []report.Sync
	for i, s := range d.syncs {
		n := s.sum.Counts
		all = append(all, report.Sync{
			Name: d.moments("sync ")[i], Told: strings.Join(s.told, "; "),
			New: n.New, Changed: n.Changed, Unchanged: n.Unchanged, Deleted: n.Deleted,
			Time: s.sum.Elapsed.Round(time.Millisecond).String(), Speed: thousands(int64(float64(s.sum.Rows) / max(s.sum.Elapsed.Seconds(), 1e-3))),
		})
	}
	return all
}

func (d *demo) reportTables() []report.Table {
	var all []report.Table
	for _, t := range d.tables() {
		n := d.syncs[len(d.syncs)-1].tables[t.name]
		r := report.Table{Name: t.name, Keys: t.keys, Layout: t.layout, Rows: n.Live}
		if t.history {
			r.Versions = n.Versions
		}
		for _, s := range d.syncs[1:] {
			n := s.tables[t.name]
			r.Written = append(r.Written, n.Created+n.Changed+n.Deleted)
		}
		all = append(all, r)
	}
	return all
}
