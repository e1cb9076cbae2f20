package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Compare compares the tables of a warehouse with what the server said. The error tells
// how they differ.
func Compare(ctx context.Context, db *sql.DB, p *Plan, truth map[Place]Value) error {
	databases := p.Database != "0"
	tables := []*Table{nil}
	for i := range p.Tables {
		tables = append(tables, &p.Tables[i])
	}
	want := map[string]map[string][]string{}
	there := map[string]map[string]bool{} // the keys that feed a table, as it writes them
	for _, t := range tables {
		name := rowsOf(t, databases).table
		want[name], there[name] = map[string][]string{}, map[string]bool{}
	}
	for place, v := range truth {
		t, read := p.tableOf(place, &v)
		if !read {
			continue
		}
		k := rowsOf(t, databases)
		there[k.table][strings.Join(k.owner(place), "\x00")] = true
		for _, row := range v.rows(t, &k, place) {
			want[k.table][strings.Join(row[:k.keys], "\x00")] = row
		}
	}
	var wrong []error
	for _, t := range tables {
		k := rowsOf(t, databases)
		if t == nil && p.Skip {
			continue
		}
		wrong = append(wrong, k.compare(ctx, db, p, want[k.table], there[k.table]))
		if k.history {
			wrong = append(wrong, k.checkVersions(ctx, db))
		}
	}
	return errors.Join(wrong...)
}

// tableOf returns the table of a key, nil for the default table, and whether the key
// is read at all.
func (p *Plan) tableOf(place Place, v *Value) (*Table, bool) {
	if p.Exclude != "" && strings.HasPrefix(place.Key, p.Exclude) || !p.reads(place.Database) {
		return nil, false
	}
	for i := range p.Tables {
		if _, ok := p.Tables[i].takes(place.Key, v.Kind); ok {
			return &p.Tables[i], true
		}
	}
	return nil, !p.Skip
}

func (p *Plan) reads(database int) bool {
	return p.Database == "all" || slices.Contains(strings.Split(p.Database, ","), strconv.Itoa(database))
}

// shownDifferences is how many differences of a table are told.
const shownDifferences = 8

// compare compares the rows of a table with those it must have.
func (k *kindOfRows) compare(ctx context.Context, db *sql.DB, p *Plan, want map[string][]string, there map[string]bool) error {
	rows, deleted, err := k.read(ctx, db)
	if err != nil {
		return err
	}
	var wrong []string
	held := map[string]bool{}
	for _, row := range rows {
		key := strings.Join(row[:k.keys], "\x00")
		switch w, ok := want[key]; {
		case held[key]:
			wrong = append(wrong, fmt.Sprintf("%q has two rows", row[:k.keys]))
		case !ok && k.adds && there[strings.Join(row[:k.owners], "\x00")]:
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%q is not on the server", row))
		case !slices.Equal(w, row):
			wrong = append(wrong, fmt.Sprintf("%q differs, the server says %q", row, w))
		}
		held[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !held[key] {
			wrong = append(wrong, fmt.Sprintf("%q is missing", want[key]))
		}
	}
	if deleted > 0 && p.Hard && !k.history {
		wrong = append(wrong, fmt.Sprintf("%d rows are marked deleted", deleted))
	}
	if len(wrong) == 0 {
		return nil
	}
	told := wrong[:min(len(wrong), shownDifferences)]
	return fmt.Errorf("table %s has %d differences (%d rows, %d on the server):\n  %s", k.table, len(wrong), len(rows), len(want), strings.Join(told, "\n  "))
}

// read reads the present rows of a table, and counts those that are marked deleted.
func (k *kindOfRows) read(ctx context.Context, db *sql.DB) (present [][]string, deleted int, err error) {
	live := "NOT _keylift_deleted"
	if k.history {
		live = "_keylift_active"
	}
	found, err := db.QueryContext(ctx, `SELECT `+live+`, _keylift_deleted, "`+strings.Join(k.columns, `", "`)+`" FROM "`+k.table+`"`)
	if err != nil {
		return nil, 0, fmt.Errorf("read table %s: %w", k.table, err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var isLive, isDeleted bool
		cells := make([]any, len(k.columns))
		into := []any{&isLive, &isDeleted}
		for i := range cells {
			into = append(into, &cells[i])
		}
		if err := found.Scan(into...); err != nil {
			return nil, 0, fmt.Errorf("read table %s: %w", k.table, err)
		}
		if isDeleted {
			deleted++
		}
		if isLive && isDeleted {
			return nil, 0, fmt.Errorf("table %s: the row %q is present and marked deleted", k.table, cells)
		}
		if isLive {
			present = append(present, k.texts(cells))
		}
	}
	return present, deleted, found.Err()
}

// texts writes cells as Value.rows does.
func (k *kindOfRows) texts(cells []any) []string {
	row := make([]string, len(cells))
	for i, cell := range cells {
		switch c := cell.(type) {
		case nil:
			row[i] = null
		case float64:
			row[i] = number(c)
		case time.Time:
			row[i] = strconv.FormatInt(c.UnixMicro(), 10)
		default:
			row[i] = fmt.Sprint(c)
		}
	}
	if i := slices.Index(k.columns, "data_type"); i > 0 && row[i] == "zset" {
		row[i-1] = scores(row[i-1])
	}
	return row
}

// checkVersions checks what holds of versions whatever happened: one of a row is
// present at the most and is its last, they do not overlap, and none says what the one
// before it said without a gap between them.
func (k *kindOfRows) checkVersions(ctx context.Context, db *sql.DB) (err error) {
	quote := func(columns []string) string { return `"` + strings.Join(columns, `", "`) + `"` }
	key, content := quote(k.columns[:k.keys]), "''"
	if len(k.columns) > k.keys {
		content = "row(" + quote(k.columns[k.keys:]) + ")::VARCHAR" // as text -0 is not 0
	}
	found, err := db.QueryContext(ctx, `WITH v AS (SELECT row(`+key+`)::VARCHAR AS key, `+content+` AS said, _keylift_start, _keylift_end, _keylift_active,
			lead(_keylift_start) OVER w AS next, lead(said) OVER w AS next_said, count(*) FILTER (_keylift_active) OVER (PARTITION BY `+key+`) AS present
			FROM "`+k.table+`" WINDOW w AS (PARTITION BY `+key+` ORDER BY _keylift_start)),
		w AS (SELECT CASE WHEN present > 1 THEN 'several versions are present'
			WHEN _keylift_active <> (_keylift_end >= '9999-12-31') THEN 'a version is present and over, or neither'
			WHEN _keylift_end < _keylift_start THEN 'a version ends before it starts'
			WHEN next <= _keylift_end THEN 'versions overlap'
			WHEN epoch_ms(next) = epoch_ms(_keylift_end) + 1 AND next_said = said THEN 'a version says nothing new' END AS wrong, * FROM v)
		SELECT wrong, key, said, _keylift_start::VARCHAR, _keylift_end::VARCHAR, coalesce(next::VARCHAR, '-') FROM w WHERE wrong IS NOT NULL LIMIT 3`)
	if err != nil {
		return fmt.Errorf("check versions of table %s: %w", k.table, err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	var wrong []error
	for found.Next() {
		var what, key, said, start, end, next string
		if err := found.Scan(&what, &key, &said, &start, &end, &next); err != nil {
			return fmt.Errorf("check versions of table %s: %w", k.table, err)
		}
		wrong = append(wrong, fmt.Errorf("table %s: %s: of %s, from %s to %s, the next is from %s: %s", k.table, what, key, start, end, next, said))
	}
	return errors.Join(append(wrong, found.Err())...)
}
