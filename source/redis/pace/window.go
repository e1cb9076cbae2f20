package pace

import "time"

// A Window is the share of its full speed that reading may take, such that the
// server answers others within a limit. Answers to a probe are judged in rounds:
// after a round with more than one late answer the share is halved, after any
// other it grows by a tenth. So it stays about the highest that the server bears,
// gives way at once, and finds out again and again whether there is room.
//
// Reading at a share of full speed means fewer commands at once, since what is sent
// together is what others wait for. Below the smallest share where that is
// possible there are pauses between them.
type Window struct {
	limit time.Duration
	share float64
	// Of this round:
	answers, late int

	cuts  int
	least float64
}

const (
	roundAnswers = 10
	lateAnswers  = 1 // of a round, that are no reason to slow down

	firstShare = 1. / 8   // careful at first
	leastShare = 1. / 100 // whatever the answers: reading comes to its end
	growth     = 1.1
	cut        = 1. / 2

	wholeShare = 1. / 20 // below it commands get no fewer: there are pauses
	maxPause   = time.Second
)

// NewWindow returns a Window that wants answers to take limit at most.
func NewWindow(limit time.Duration) *Window {
	return &Window{limit: limit, share: firstShare, least: 1}
}

// Answered takes the time that the server took to answer the probe. It reports
// whether that ended a round after which reading slows down.
func (w *Window) Answered(took time.Duration) (slower bool) {
	w.answers++
	if took > w.limit {
		w.late++
	}
	switch {
	case w.late > lateAnswers:
		slower = true
		w.cuts++
		w.share = max(w.share*cut, leastShare)
		w.least = min(w.least, w.share)
	case w.answers < roundAnswers:
		return false
	default:
		w.share = min(w.share*growth, 1)
	}
	w.answers, w.late = 0, 0
	return slower
}

// Share returns the share of full speed, above 0 and up to 1.
func (w *Window) Share() float64 { return w.share }

// Cuts returns how often reading was slowed down.
func (w *Window) Cuts() int { return w.cuts }

// Least returns the smallest share that there was after a cut; 1 without any.
func (w *Window) Least() float64 { return w.least }

// Fit returns how many of full things to ask for at once, and how many times at
// the same time, where many times would be full speed.
func (w *Window) Fit(full, many int) (size, times int) {
	share := max(w.share*float64(many), wholeShare)
	if share >= 1 {
		return full, int(share)
	}
	return max(1, int(float64(full)*share)), 1
}

// Pause returns how long to ask for nothing after something that Fit has allowed
// took so long.
func (w *Window) Pause(many int, took time.Duration) time.Duration {
	share := w.share * float64(many)
	if share >= wholeShare {
		return 0
	}
	return min(time.Duration(float64(took)*(wholeShare/share-1)), maxPause)
}
