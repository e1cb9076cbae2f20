package pace_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/keylift/keylift/source/redis/pace"
)

const limit = 2 * time.Millisecond

// answer gives w a round of answers, of which some are late.
func answer(w *pace.Window, late int) (slower bool) {
	for i := range 10 {
		took := limit
		if i < late {
			took++
		}
		if w.Answered(took) {
			return true
		}
	}
	return false
}

func TestWindow_Answered(t *testing.T) {
	w := pace.NewWindow(limit)
	for i, round := range []struct {
		late   int
		slower bool
		share  string
	}{
		{0, false, "0.1375"}, // from an eighth by a tenth
		{1, false, "0.1513"}, // one late answer is none
		{2, true, "0.0756"},
		{10, true, "0.0378"}, // at once: the rest of the round is not waited for
		{0, false, "0.0416"},
	} {
		if slower := answer(w, round.late); slower != round.slower || fmt.Sprintf("%.4f", w.Share()) != round.share {
			t.Errorf("round %d: slower %t, share %.4f, want %t and %s", i, slower, w.Share(), round.slower, round.share)
		}
	}
	if got := fmt.Sprintf("%d %.4f", w.Cuts(), w.Least()); got != "2 0.0378" {
		t.Errorf("cuts and least share: got %s, want 2 0.0378", got)
	}
}

func TestWindow_bounds(t *testing.T) {
	w := pace.NewWindow(limit)
	for range 100 {
		answer(w, 0)
	}
	if w.Share() != 1 || w.Cuts() != 0 || w.Least() != 1 {
		t.Errorf("on time for long: share %v, %d cuts, least %v; want 1, 0 and 1", w.Share(), w.Cuts(), w.Least())
	}
	for range 100 {
		answer(w, 10)
	}
	if w.Share() != 0.01 {
		t.Errorf("late for long: share %v, want 0.01", w.Share())
	}
}

// A server that answers late above some share of full speed is read near that
// share, and mostly below it.
func TestWindow_settles(t *testing.T) {
	for _, bears := range []float64{1, 0.5, 0.1, 0.02} {
		w := pace.NewWindow(limit)
		over, sum := 0, 0.
		const settled, rounds = 100, 1100
		for i := range rounds {
			late := 0
			if w.Share() > bears {
				late = 10
			}
			if i >= settled {
				sum += w.Share()
				if late > 0 {
					over++
				}
			}
			answer(w, late)
		}
		if mean := sum / (rounds - settled); mean < 0.6*bears || mean > bears {
			t.Errorf("bears %v: mean share %v", bears, mean)
		}
		if bears < 1 && (over == 0 || over > (rounds-settled)/5) {
			t.Errorf("bears %v: above it in %d of %d rounds", bears, over, rounds-settled)
		}
	}
}

func TestWindow_Fit(t *testing.T) {
	for _, tt := range []struct {
		share string // to be brought to by halving an eighth
		cuts  int
		many  int
		size  int
		times int
		pause time.Duration // behind something that took a millisecond
	}{
		{"1/8", 0, 2, 12, 1, 0},
		{"1/8", 0, 8, 50, 1, 0},
		{"1/8", 0, 64, 50, 8, 0},
		{"1/16", 1, 2, 6, 1, 0},
		{"1/32", 2, 2, 3, 1, 0},
		{"1/64", 3, 2, 2, 1, 600 * time.Microsecond},
		{"1/64", 3, 64, 50, 1, 0},
		{"1/100", 100, 64, 32, 1, 0},
		{"1/100", 100, 1, 2, 1, 4 * time.Millisecond},
	} {
		w := pace.NewWindow(limit)
		for range tt.cuts {
			answer(w, 10)
		}
		size, times := w.Fit(50, tt.many)
		pause := w.Pause(tt.many, time.Millisecond)
		if size != tt.size || times != tt.times || pause.Round(time.Microsecond) != tt.pause {
			t.Errorf("share %s, %d at once at full speed: %d keys, %d at once, pause %s; want %d, %d, %s",
				tt.share, tt.many, size, times, pause, tt.size, tt.times, tt.pause)
		}
	}
	if pause := minimal().Pause(1, time.Hour); pause != time.Second {
		t.Errorf("behind an hour: pause %s, want a second", pause)
	}
}

func minimal() *pace.Window {
	w := pace.NewWindow(limit)
	for range 20 {
		answer(w, 10)
	}
	return w
}
