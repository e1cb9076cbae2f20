// Package report writes the page that the demo leaves: what became of a leaderboard
// and what the syncs did, in charts. The page is one file without scripts, which
// loads nothing. It knows nothing of warehouses: the demo asks the questions.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// A Page is what there is to show. Its texts are shown as they are, whatever they
// hold.
type Page struct {
	Title, Lead string
	Tiles       []Tile
	Race        Race
	Climbs      []Climb
	Scores      Scores
	Hours       []Hours
	Cohorts     Cohorts
	Syncs       []Sync
	Tables      []Table
	Queries     Queries
	Config      string // the document that made the tables
}

// A Tile is one figure.
type Tile struct{ Figure, What string }

// A Race is how the ranks of a few went over several moments.
type Race struct {
	Moments []string
	Racers  []Racer
}

// A Racer is one of a race.
type Racer struct {
	Name  string
	Note  string // behind the name
	Ranks []int  // by moment, from 1 on; 0: in none
	Hue   Hue
}

// A Hue makes a line stand out; the zero Hue does not.
type Hue int

// The hues.
const (
	Quiet Hue = iota
	First
	Second
	Third
)

// A Climb is how far somebody got.
type Climb struct {
	Name        string
	Before, Now int // ranks
	Points      int64
}

// Scores are how several scores went over several moments.
type Scores struct {
	Moments []string
	Lines   []Line
}

// A Line is one of Scores.
type Line struct {
	Name   string
	Values []float64 // by moment
	Hue    Hue
}

// Hours is a counter per hour.
type Hours struct {
	Name   string
	Labels []string
	Values []int64
}

// Cohorts are things by the moment that they were first seen at, and how many of
// them were left at it and at those that followed.
type Cohorts struct {
	Moments []string
	Left    [][]int64 // by cohort, then by moment from its own on
}

// A Sync is what one sync did.
type Sync struct {
	Name, Told                       string // Told is what happened before it
	New, Changed, Unchanged, Deleted int64
	Time, Speed                      string
}

// A Table is what there is of one table.
type Table struct {
	Name, Keys, Layout string
	Rows               int64
	Versions           int64   // 0: none are kept
	Written            []int64 // rows, by sync from the second on
}

// Queries are the queries behind the charts.
type Queries struct{ Race, Climbs, Hours, Cohorts string }

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"n": Thousands, "race": drawRace, "scores": drawScores, "hours": drawHours,
	"cohorts": drawCohorts, "syncs": drawSyncs, "spark": drawSpark, "width": climbWidth,
}).Parse(page))

// Write writes the page.
func Write(w io.Writer, p *Page) error {
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Thousands writes n with commas between groups of three digits.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}
