package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A point is a place in a drawing, in its units.
type point struct{ X, Y float64 }

// tenth rounds to a tenth, which no eye can tell.
func tenth(f float64) float64 { return math.Round(f*10) / 10 }

// curve is a path through points, level at each.
func curve(points []point) string {
	var b strings.Builder
	for i, p := range points {
		if i == 0 {
			fmt.Fprintf(&b, "M%g %g", p.X, p.Y)
			continue
		}
		before := points[i-1]
		middle := tenth((before.X + p.X) / 2)
		fmt.Fprintf(&b, "C%g %g %g %g %g %g", middle, before.Y, middle, p.Y, p.X, p.Y)
	}
	return b.String()
}

// straight is a path of straight lines through points.
func straight(points []point) string {
	var b strings.Builder
	for i, p := range points {
		if i == 0 {
			fmt.Fprintf(&b, "M%g %g", p.X, p.Y)
		} else {
			fmt.Fprintf(&b, "L%g %g", p.X, p.Y)
		}
	}
	return b.String()
}

// A tick is a text along an axis.
type tick struct {
	point
	Text string
}

// ticks spreads texts from left to right.
func ticks(texts []string, left, right, y float64) []tick {
	all := make([]tick, len(texts))
	for i, text := range texts {
		all[i] = tick{point{at(i, len(texts), left, right), y}, text}
	}
	return all
}

// at returns where the ith of n places between left and right is.
func at(i, n int, left, right float64) float64 {
	if n < 2 {
		return left
	}
	return tenth(left + (right-left)*float64(i)/float64(n-1))
}

// A raceDrawing is a Race, drawn.
type raceDrawing struct {
	Width, Height float64
	Moments       []tick
	Racers        []racerDrawing
}

type racerDrawing struct {
	Racer
	Path  string
	Marks []tick // a rank each
	End   tick
}

const (
	raceWidth   = 920.0
	raceLeft    = 24.0
	raceRight   = 620.0
	raceTop     = 26.0
	raceStep    = 34.0
	raceRadius  = 11.0
	raceMinimum = 10 // ranks that there is room for
)

// drawRace draws ranks as lines that cross. Ranks below those that somebody ends at
// share a line at the bottom.
func drawRace(r Race) raceDrawing {
	depth := raceMinimum
	for _, racer := range r.Racers {
		if n := len(racer.Ranks); n > 0 {
			depth = max(depth, racer.Ranks[n-1])
		}
	}
	y := func(rank int) float64 { return raceTop + float64(min(rank, depth+1)-1)*raceStep }
	d := raceDrawing{Width: raceWidth, Height: y(depth+1) + 52}
	d.Moments = ticks(r.Moments, raceLeft, raceRight, d.Height-14)
	racers := slices.Clone(r.Racers)
	slices.SortStableFunc(racers, func(a, b Racer) int { return above(a) - above(b) })
	for _, racer := range racers {
		drawn := racerDrawing{Racer: racer}
		var points []point
		for i, rank := range racer.Ranks {
			if rank == 0 {
				continue
			}
			p := point{at(i, len(r.Moments), raceLeft, raceRight), y(rank)}
			points = append(points, p)
			drawn.Marks = append(drawn.Marks, tick{p, fmt.Sprint(rank)})
		}
		if len(points) == 0 {
			continue
		}
		last := points[len(points)-1]
		drawn.Path = curve(points)
		drawn.End = tick{point{last.X + raceRadius + 10, last.Y}, shorten(racer.Name)}
		d.Racers = append(d.Racers, drawn)
	}
	return d
}

// above orders racers: what stands out lies above the rest, the first on top.
func above(r Racer) int {
	if r.Hue == Quiet {
		return 0
	}
	return int(Third-r.Hue) + 1
}

// shorten cuts a name to what there is room for.
func shorten(name string) string {
	const most = 28
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}
