package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// evil is a name that a player might choose.
const evil = `"'><script>alert(1)</script></text></svg><img src=x onerror=alert(2)>`

func TestWrite_names(t *testing.T) {
	moments := []string{evil, evil}
	p := &Page{
		Title: evil, Lead: evil, Config: evil,
		Tiles:   []Tile{{evil, evil}},
		Race:    Race{Moments: moments, Racers: []Racer{{evil, evil, []int{2, 1}, First}}},
		Climbs:  []Climb{{evil, 2, 1, 5}},
		Scores:  Scores{Moments: moments, Lines: []Line{{evil, []float64{1, 2}, First}}},
		Hours:   []Hours{{evil, []string{evil}, []int64{1}}},
		Cohorts: Cohorts{Moments: moments, Left: [][]int64{{2, 1}, {1}}},
		Syncs:   []Sync{{Name: evil, Told: evil, Time: evil, Speed: evil}, {New: 1}},
		Tables:  []Table{{Name: evil, Keys: evil, Layout: evil, Written: []int64{1}}},
		Queries: Queries{evil, evil, evil, evil},
	}
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, tag := range []string{"<script", "<img"} {
		if strings.Contains(page, tag) {
			t.Errorf("the page holds %s", tag)
		}
	}
	if n := strings.Count(page, "&lt;script&gt;"); n != 33 {
		t.Errorf("the page shows the name %d times, want 33", n)
	}
	if outside := regexp.MustCompile(`(?i)https?:|url\(|@import|\ssrc\s*=|\shref\s*=\s*"`).FindString(strings.ReplaceAll(page, "img src=x", "")); outside != "" {
		t.Errorf("the page loads something: %q", outside)
	}
}

func TestDrawRace(t *testing.T) {
	d := drawRace(Race{Moments: []string{"a", "b"}, Racers: []Racer{
		{Name: "Ada", Ranks: []int{40, 1}, Hue: First},
		{Name: strings.Repeat("B", 30), Ranks: []int{1, 2}},
		{Name: "Cyd", Ranks: []int{0, 3}, Hue: Second},
		{Name: "none", Ranks: []int{0, 0}},
	}})
	var got []string
	for _, r := range d.Racers {
		line := r.End.Text + " " + r.Path
		for _, m := range r.Marks {
			line += " " + m.Text
		}
		got = append(got, line)
	}
	want := []string{
		strings.Repeat("B", 27) + "… M24 26C322 26 322 60 620 60 1 2",
		"Cyd M620 94 3",
		"Ada M24 366C322 366 322 26 620 26 40 1",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDrawScores(t *testing.T) {
	d := drawScores(Scores{Moments: []string{"1", "2"}, Lines: []Line{
		{Name: "Ada", Values: []float64{7800, 10600}}, {Name: "Bob", Values: []float64{8900, 10580}},
	}})
	var got []string
	for _, l := range d.Levels {
		got = append(got, fmt.Sprint(l.Text, " ", l.Y))
	}
	for _, l := range d.Lines {
		got = append(got, fmt.Sprint(l.Path, " ", l.End.Y))
	}
	want := "7,000 256|8,000 197|9,000 138|10,000 79|11,000 20|M52 208.8L330 43.6 43.6|M52 143.9L330 44.8 60.6"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	if d := drawScores(Scores{}); len(d.Lines)+len(d.Levels) > 0 {
		t.Errorf("nothing is drawn as %+v", d)
	}
}

func TestDrawCohorts(t *testing.T) {
	rows := drawCohorts(Cohorts{Moments: []string{"a", "b", "c"}, Left: [][]int64{{40, 34, 3}, {}, {6}}})
	want := "[{a 40 [{100 % 5} {85 % 5} {8 % 1}]} {c 6 [{ 0} { 0} {100 % 5}]}]"
	if got := fmt.Sprint(rows); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDrawSyncs(t *testing.T) {
	drawn := drawSyncs([]Sync{{New: 5000}, {New: 48, Changed: 1, Deleted: 1}, {Changed: 25}, {}})
	var got []string
	for _, s := range drawn {
		got = append(got, fmt.Sprint(s.Bars))
	}
	want := "[] [{0 0 248.6 0 new 48 new} {249.6 0 4.2 0 changed 1 changed} {254.8 0 4.2 0 deleted 1 deleted}] [{0 0 129 0 changed 25 changed}] []"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestNiceStep(t *testing.T) {
	for f, want := range map[float64]float64{0: 1, 0.9: 1, 1: 1, 1.1: 2, 933: 1000, 2001: 5000, 0.03: 0.05} {
		if got := niceStep(f); got != want {
			t.Errorf("niceStep(%g) = %g, want %g", f, got, want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", 1234567: "1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", n, got, want)
		}
	}
}
