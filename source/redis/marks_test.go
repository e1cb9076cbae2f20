package redis

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// Streams of which the next snapshot reads no more than what is new: trimmed
// entries stay, but for those of a mirror and of streams that were made anew.
func TestMarks_streams(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	const n = longTail
	rows := map[string][]string{}
	for _, key := range []string{"s:added", "s:trimmed", "s:emptied", "s:all-trimmed", "s:deleted-last", "s:anew", "s:other", "s:restored", "s:type", "s:gone", "m:mirror"} {
		var commands [][]string
		commands, rows[key] = entries(key)
		fill(t, c, commands...)
	}
	streams := tableOf(t, "s:{name}", table.Spec{Name: "streams", Layout: table.Elements, Type: value.Stream})
	mirrors := tableOf(t, "m:{name}", table.Spec{Name: "mirrors", Layout: table.Elements, Type: value.Stream, Mirror: true})
	src := sourceOf(t, s, withTables(false, streams, mirrors))
	d := &store{}
	check := func() {
		t.Helper()
		var want []string
		for key, of := range rows {
			if key != "m:mirror" {
				want = append(want, of...)
			}
		}
		d.want(t, "streams", want...)
		d.want(t, "mirrors", rows["m:mirror"]...)
	}
	d.run(t, src)
	check()

	// 10 streams with a mark are looked at, and the mirror is read.
	d.run(t, src)
	check()
	if d.written > n+2*10 {
		t.Errorf("%d rows were written where nothing had changed", d.written)
	}
	if tokens := len(d.at.Token); tokens > 4000 {
		t.Errorf("a position of %d bytes", tokens)
	}
	for key := range rows {
		if strings.Contains(d.at.Token, key) {
			t.Errorf("the position names key %s", key)
		}
	}

	restored, err := send(t, c, "DUMP", "s:restored").ToString()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, c,
		[]string{"XADD", "s:added", "50000-1", "n", "new"},
		[]string{"XTRIM", "s:trimmed", "MAXLEN", "10"},
		[]string{"XADD", "s:trimmed", "50000-1", "n", "new"},
		[]string{"XTRIM", "s:emptied", "MAXLEN", "0"},
		[]string{"XADD", "s:all-trimmed", "50000-1", "n", "new"},
		[]string{"XTRIM", "s:all-trimmed", "MAXLEN", "1"},
		[]string{"XDEL", "s:deleted-last", strconv.Itoa(10_000+n-1) + "-1"},
		[]string{"XADD", "s:deleted-last", "50000-1", "n", "new"},
		[]string{"DEL", "s:anew", "s:other", "s:type", "s:gone", "s:restored"},
		[]string{"XADD", "s:anew", "1-1", "n", "new"},
		[]string{"XADD", "s:anew", "50000-1", "n", "new"},
		[]string{"XADD", "s:other", "20000-1", "n", "new"},
		[]string{"SET", "s:type", "v"},
		[]string{"XTRIM", "m:mirror", "MAXLEN", "1"},
	)
	// The same entries but the last.
	commands, _ := entries("s:other")
	commands[n-1][4] = "another"
	fill(t, c, append([][]string{{"DEL", "s:other"}}, commands...)...)
	for _, key := range []string{"s:added", "s:trimmed", "s:all-trimmed", "s:deleted-last"} {
		rows[key] = append(rows[key], entryRow(key, 50_000, "new"))
	}
	rows["s:anew"] = []string{entryRow("s:anew", 1, "new"), entryRow("s:anew", 50_000, "new")}
	rows["s:other"][n-1] = entryRow("s:other", 10_000+n-1, "another")
	rows["m:mirror"] = rows["m:mirror"][n-1:]
	back := rows["s:restored"]
	delete(rows, "s:restored")
	delete(rows, "s:type")
	delete(rows, "s:gone")
	d.run(t, src)
	check()

	// A key that was gone has no mark: all of it is read when it is back.
	fill(t, c, []string{"RESTORE", "s:restored", "0", restored})
	rows["s:restored"] = back
	d.run(t, src)
	check()

	// Without marks all of a stream is read, and trimmed entries stay.
	d.at.Token = ""
	d.run(t, src)
	check()
}

// A snapshot that is interrupted goes on with its marks.
func TestMarks_resumed(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	c := clientOf(t, s)
	fillStrings(t, c, 1000)
	var want []string
	for i := range 20 {
		commands, rows := entries("x:" + strconv.Itoa(i))
		fill(t, c, commands...)
		want = append(want, rows...)
	}
	streams := tableOf(t, "x:{name}", table.Spec{Name: "streams", Layout: table.Elements, Type: value.Stream})
	src := sourceOf(t, s, withTables(false, streams))
	d := &store{}
	d.run(t, src)
	d.want(t, "streams", want...)
	for i := range 20 {
		fill(t, c, []string{"XADD", "x:" + strconv.Itoa(i), "50000-1", "n", "new"})
		want = append(want, entryRow("x:"+strconv.Itoa(i), 50_000, "new"))
	}
	r, err := src.Open(t.Context(), d.at)
	if err != nil {
		t.Fatal(err)
	}
	for commits := 0; commits < 1; {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.take(b)
		if b.Closes == row.Snapshot {
			t.Fatal("the snapshot was not interrupted")
		}
		if b.Closes != row.None {
			commits++
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	d.run(t, src)
	d.want(t, "streams", want...)
	for range 2 {
		d.run(t, src)
		d.want(t, "streams", want...)
	}
}

// Changes of long streams read what is new alone: behind a replica's snapshot, in
// the runs that go on from it, and by notifications.
func TestMarks_changes(t *testing.T) {
	t.Parallel()
	streams := tableOf(t, "s:{name}", table.Spec{Name: "streams", Layout: table.Elements, Type: value.Stream})
	change := func(i int) ([][]string, string) {
		at := 50_000 + i
		return [][]string{
			{"XADD", "s:a", strconv.Itoa(at) + "-1", "n", "new"},
			{"XTRIM", "s:a", "MAXLEN", "5"},
		}, entryRow("s:a", at, "new")
	}
	t.Run("replica", func(t *testing.T) {
		s := primary(t)
		c := clientOf(t, s)
		commands, want := entries("s:a")
		fill(t, c, commands...)
		d := &store{}
		src := sourceOf(t, s, replica, withTables(false, streams))
		d.run(t, src)
		d.want(t, "streams", want...)
		for i := range 3 {
			commands, r := change(i)
			fill(t, c, commands...)
			want = append(want, r)
			d.run(t, src)
			d.want(t, "streams", want...)
			if d.written > 4 {
				t.Errorf("%d rows for one entry", d.written)
			}
		}
		fill(t, c, []string{"DEL", "s:a"}, []string{"RPUSH", "s:b", "x"}, []string{"XADD", "s:c", "1-1", "n", "1"})
		d.run(t, src)
		d.want(t, "streams", entryRow("s:c", 1, "1"))
		d.want(t, DefaultTable, `s:b ["x"] list - 1`)
	})
	t.Run("notified", func(t *testing.T) {
		s := notifying(t)
		c := clientOf(t, s)
		commands, want := entries("s:a")
		fill(t, c, append(commands, []string{"SET", "begun", "1"})...)
		d := &store{}
		r := openReader(t, sourceOf(t, s, notified, withTables(false, streams)), row.Position{})
		d.until(t, r, "begun")
		for i := range 3 {
			commands, r2 := change(i)
			end := "end" + strconv.Itoa(i)
			fill(t, c, append(commands, []string{"SET", end, "1"})...)
			want = append(want, r2)
			d.until(t, r, end)
			d.want(t, "streams", want...)
			if d.written > 30 {
				t.Errorf("%d rows for one entry", d.written)
			}
		}
	})
}

// Time series are read again from a while before the last sample.
func TestMarks_series(t *testing.T) {
	s := serverWithTypes(t, testserver.Options{})
	c := clientOf(t, s)
	var commands [][]string
	rows := map[int]string{}
	set := func(at int, v string) []string {
		rows[at] = "t:a " + time.UnixMilli(int64(at)).UTC().Format("2006-01-02T15:04:05.999") + " a " + v
		return []string{"TS.ADD", "t:a", strconv.Itoa(at), v}
	}
	const step = 10_000 // ms
	for i := range 2 * longTail {
		commands = append(commands, set(i*step, "1"))
	}
	fill(t, c, commands...)
	series := tableOf(t, "t:{name}", table.Spec{Name: "series", Layout: table.Elements, Type: value.TimeSeries})
	src := sourceOf(t, s, withTables(true, series))
	d := &store{}
	check := func() {
		t.Helper()
		var want []string
		for _, r := range rows {
			want = append(want, r)
		}
		slices.Sort(want)
		d.want(t, "series", want...)
	}
	d.run(t, src)
	check()
	last := (2*longTail - 1) * step
	fill(t, c, set(last+step, "2"), set(last-seriesOverlap/2, "3"), []string{"TS.DEL", "t:a", "0", strconv.Itoa(longTail * step)})
	d.run(t, src)
	// The series now begins later than the one that was read.
	check()
	if d.written > seriesOverlap/step+10 {
		t.Errorf("%d rows were written", d.written)
	}
	fill(t, c, []string{"DEL", "t:a"}, set(5, "4"))
	d.run(t, src)
	check()
}
