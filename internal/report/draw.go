package report

import (
	"fmt"
	"math"
)

// A scoresDrawing is Scores, drawn.
type scoresDrawing struct {
	Width, Height float64
	Moments       []tick
	Levels        []tick // horizontal lines
	Lines         []lineDrawing
}

type lineDrawing struct {
	Line
	Path string
	Dots []tick
	End  tick
}

// drawScores draws scores as lines over a scale that need not begin at zero.
func drawScores(s Scores) scoresDrawing {
	const width, height, left, right, top, bottom = 480.0, 300.0, 52.0, 330.0, 20.0, 256.0
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range s.Lines {
		for _, v := range l.Values {
			low, high = min(low, v), max(high, v)
		}
	}
	d := scoresDrawing{Width: width, Height: height, Moments: ticks(s.Moments, left, right, height-16)}
	if low > high {
		return d
	}
	step := niceStep((high - low) / 3)
	low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
	if low == high {
		high += step
	}
	y := func(v float64) float64 { return tenth(bottom - (v-low)/(high-low)*(bottom-top)) }
	for v := low; v <= high; v += step {
		d.Levels = append(d.Levels, tick{point{left, y(v)}, Thousands(int64(v))})
	}
	for _, l := range s.Lines {
		drawn := lineDrawing{Line: l}
		var points []point
		for i, v := range l.Values {
			p := point{at(i, len(s.Moments), left, right), y(v)}
			points = append(points, p)
			drawn.Dots = append(drawn.Dots, tick{p, Thousands(int64(v))})
		}
		if len(points) > 0 {
			last := points[len(points)-1]
			drawn.Path, drawn.End = straight(points), tick{point{last.X + 12, last.Y}, shorten(l.Name)}
		}
		d.Lines = append(d.Lines, drawn)
	}
	apart(d.Lines, 17)
	return d
}

// apart moves the names of lines that end close together.
func apart(lines []lineDrawing, distance float64) {
	for i := range lines {
		for j := range i {
			a, b := &lines[j].End, &lines[i].End
			if gap := b.Y - a.Y; math.Abs(gap) < distance {
				b.Y = a.Y + math.Copysign(distance, gap)
			}
		}
	}
}

// niceStep returns the round number, 1, 2 or 5 times a power of ten, next above f.
func niceStep(f float64) float64 {
	if f <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(f)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= f {
			return n * power
		}
	}
	return 10 * power
}

// A bar is a rectangle and what it says.
type bar struct {
	X, Y, Width, Height float64
	Class, Text         string
}

// A barDrawing is bars side by side.
type barDrawing struct {
	Width, Height float64
	Bars          []bar
	Ticks         []tick
}

// drawHours draws a counter per hour.
func drawHours(h Hours) barDrawing {
	const width, height, bottom = 264.0, 110.0, 88.0
	d := barDrawing{Width: width, Height: height}
	var most int64 = 1
	for _, v := range h.Values {
		most = max(most, v)
	}
	step := width / float64(max(len(h.Values), 1))
	for i, v := range h.Values {
		tall := tenth(float64(v) / float64(most) * bottom)
		d.Bars = append(d.Bars, bar{X: tenth(float64(i) * step), Y: bottom - tall, Width: tenth(step - 2), Height: tall, Text: h.Labels[i] + ": " + Thousands(v)})
		if i%6 == 0 {
			d.Ticks = append(d.Ticks, tick{point{tenth(float64(i) * step), height - 6}, h.Labels[i]})
		}
	}
	return d
}

// A syncDrawing is a Sync with what it wrote, drawn.
type syncDrawing struct {
	Sync
	Bars []bar
}

// syncWidth is the width of the longest bar.
const syncWidth = 260.0

// drawSyncs draws what each sync wrote, but for the first, which wrote everything
// and would leave no room for the rest.
func drawSyncs(all []Sync) []syncDrawing {
	var most int64 = 1
	for i, s := range all {
		if i > 0 {
			most = max(most, s.New+s.Changed+s.Deleted)
		}
	}
	drawn := make([]syncDrawing, len(all))
	for i, s := range all {
		drawn[i].Sync = s
		if i == 0 {
			continue
		}
		x := 0.0
		for _, part := range []struct {
			class string
			rows  int64
		}{{"new", s.New}, {"changed", s.Changed}, {"deleted", s.Deleted}} {
			if part.rows == 0 {
				continue
			}
			wide := tenth(float64(part.rows) / float64(most) * syncWidth)
			drawn[i].Bars = append(drawn[i].Bars, bar{X: tenth(x), Width: max(wide-1, 1), Class: part.class, Text: Thousands(part.rows) + " " + part.class})
			x += wide
		}
	}
	return drawn
}

// drawSpark draws the rows that each sync wrote to a table.
func drawSpark(values []int64) barDrawing {
	const step, height = 9.0, 22.0
	d := barDrawing{Width: step * float64(len(values)), Height: height}
	var most int64 = 1
	for _, v := range values {
		most = max(most, v)
	}
	for i, v := range values {
		tall := tenth(float64(v) / float64(most) * height)
		if v == 0 {
			tall = 1
		}
		d.Bars = append(d.Bars, bar{X: float64(i) * step, Y: tenth(height - tall), Width: step - 2, Height: tall, Text: fmt.Sprintf("sync %d: %s", i+2, Thousands(v))})
	}
	return d
}

// A cohortRow is one row of a table of cohorts.
type cohortRow struct {
	Name  string
	Began int64
	Cells []cohortCell // by moment
}

// A cohortCell is what is left of a cohort; the zero cell: it had not begun.
type cohortCell struct {
	Text  string
	Shade int // 1 to 5
}

// drawCohorts writes shares of what each cohort began with.
func drawCohorts(c Cohorts) []cohortRow {
	var rows []cohortRow
	for i, left := range c.Left {
		if len(left) == 0 || left[0] == 0 || i >= len(c.Moments) {
			continue
		}
		r := cohortRow{Name: c.Moments[i], Began: left[0], Cells: make([]cohortCell, i, len(c.Moments))}
		for _, n := range left {
			share := float64(n) / float64(left[0])
			r.Cells = append(r.Cells, cohortCell{fmt.Sprintf("%.0f %%", 100*share), 1 + min(4, int(share*5))})
		}
		rows = append(rows, r)
	}
	return rows
}

// climbWidth is the width of a climb's bar, of those of all.
func climbWidth(c Climb, all []Climb) float64 {
	most := 1
	for _, o := range all {
		most = max(most, o.Before-o.Now)
	}
	return tenth(max(2, 150*float64(c.Before-c.Now)/float64(most)))
}
