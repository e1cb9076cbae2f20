package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// A view shows a table otherwise.
type view struct{ name, query string }

// madeHere begins the comment of every view that is made here; the hash of its query
// follows. Views without it are not touched.
const madeHere = "made by keylift "

// viewsOf returns the statements that make the views of t, where they are not as they
// should be. Names of other tables are taken.
func (d *Destination) viewsOf(ctx context.Context, t *preparedTable, tables map[string]*preparedTable) ([]string, error) {
	if !d.o.Views {
		return nil, nil
	}
	var todo []string
	for _, v := range d.views(t) {
		if v.query == "" {
			d.warn("a view cannot be made: the table has a column of a name that it needs", v.name, t.Name)
			continue
		}
		comment := fmt.Sprintf("%s%016x", madeHere, xxhash.Sum64String(v.query))
		have, found, err := d.comment(ctx, v.name)
		if err != nil {
			return nil, err
		}
		if _, taken := tables[v.name]; taken || found && !strings.HasPrefix(have, madeHere) {
			d.warn("a view cannot be made: there is a table or a view of its name that keylift did not make as one", v.name, t.Name)
			continue
		}
		if have != comment {
			todo = append(todo, "CREATE OR REPLACE VIEW "+d.name(v.name)+" AS "+v.query, "COMMENT ON VIEW "+d.name(v.name)+" IS '"+comment+"'")
		}
	}
	return todo, nil
}

func (d *Destination) warn(text, view, table string) {
	d.o.Log.Warn(text, "view", view, "table", table)
}

// comment returns the comment of a view and whether there is a table or a view of the
// name.
func (d *Destination) comment(ctx context.Context, name string) (comment string, found bool, err error) {
	if d.listed != nil {
		comment, found = d.listed.comments[name]
		return comment, found, nil
	}
	for _, q := range []string{"SELECT '' FROM duckdb_tables() WHERE table_name", "SELECT coalesce(comment, '') FROM duckdb_views() WHERE view_name"} {
		err = d.conn.query(ctx, q+" = ? AND database_name = current_database() AND schema_name = ?", func(c *chunk) error {
			comment, found = c.text(0, 0), true
			return nil
		}, name, d.o.Schema)
		if err != nil || found {
			return comment, found, err
		}
	}
	return "", false, nil
}

// views returns the views of t. A view without a query cannot be made.
func (d *Destination) views(t *preparedTable) []view {
	var views []view
	if t.Ranked {
		views = append(views, view{t.Name + "_ranked", d.ranked(t)})
	}
	if t.History {
		views = append(views, view{t.Name + "_history", d.versions(t)})
	}
	return views
}

// inSchema names a table as a view does: the file may be called otherwise where the view is
// queried.
func (d *Destination) inSchema(table string) string { return quote(d.o.Schema) + "." + quote(table) }

// ranked shows the members of sorted sets with their ranks, from the highest score
// down as ZREVRANK: members of one score by their bytes, the last first.
func (d *Destination) ranked(t *preparedTable) string {
	columns, ok := t.shown([]string{"rank"}, deletedColumn)
	if !ok {
		return ""
	}
	// row.AppendText writes bytes that are no text as base64, and nothing else so.
	const member = `CASE WHEN starts_with("member", 'base64:') THEN from_base64("member"[8:]) ELSE encode("member") END`
	return "SELECT " + columns + ", row_number() OVER (PARTITION BY " + firstColumns(t.Table, t.Owner()) + ` ORDER BY "score" DESC, ` + member + ` DESC) AS "rank"` +
		" FROM " + d.inSchema(t.Name) + " WHERE " + live(t.Table, "")
}

// versions shows all versions of the rows, each from a moment on and, if it is over, up
// to but without another.
func (d *Destination) versions(t *preparedTable) string {
	columns, ok := t.shown([]string{"valid_from", "valid_to", "is_current"})
	if !ok {
		return ""
	}
	return "SELECT " + columns + ", " + startColumn + " AS valid_from, CASE WHEN NOT " + activeColumn + " THEN " + endColumn + " + INTERVAL 1 MILLISECOND END AS valid_to, " +
		activeColumn + " AS is_current FROM " + d.inSchema(t.Name)
}

// shown lists the columns of t that views show, without some. It reports whether names
// that a view adds are free.
func (t *preparedTable) shown(added []string, without ...string) (string, bool) {
	without = append(without, hashColumn, startColumn, endColumn, activeColumn)
	var list []string
	for _, c := range t.columns {
		if slices.Contains(added, strings.ToLower(c.name)) {
			return "", false
		}
		if !slices.Contains(without, c.name) {
			list = append(list, quote(c.name))
		}
	}
	return strings.Join(list, ", "), true
}
