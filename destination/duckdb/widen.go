package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/keylift/keylift/row"
)

// takes reports whether column h holds what c is to hold. Decimals may be texts, as
// a file has them that was made before they had a type of their own.
func (h column) takes(c column) bool {
	return h.sqlType == c.sqlType || h.sqlType == textType && c.sqlType == decimalType
}

// widens reports whether every value of one type has its like in another.
func widens(from, to string) bool {
	switch to {
	case "DOUBLE", decimalType:
		return from == "BIGINT"
	case textType:
		return true
	}
	return false
}

// widened returns the value of a column of one type as one of another.
func widened(name, from, to string) string {
	c := quote(name)
	switch {
	case to != textType:
		return "CAST(" + c + " AS " + to + ")"
	case from == "DOUBLE":
		return "regexp_replace(CAST(" + c + " AS VARCHAR), '\\.0$', '')"
	case from == decimalType:
		return decimalText(c)
	case from == timestampType:
		return "rtrim(rtrim(strftime(make_timestamp(epoch_us(" + c + ")), '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || 'Z'"
	}
	return "CAST(" + c + " AS VARCHAR)"
}

// decimalText returns a decimal as text without zeros at its end.
func decimalText(c string) string {
	return "rtrim(rtrim(CAST(" + c + " AS VARCHAR), '0'), '.')"
}

// widen makes the table of t one that takes rows of another table of its name. It
// takes effect with the transaction.
func (tx *tx) widen(ctx context.Context, t *preparedTable, to *row.Table) error {
	if slices.Contains(t.fits, to) {
		return nil
	}
	before := slices.Clone(t.columns)
	todo, err := tx.d.fit(ctx, t, to, t.staged && !tx.local[t])
	if err != nil {
		return err
	}
	if slices.Equal(t.columns, before) {
		return nil
	}
	tx.widened = true
	if a := tx.open[t]; a != nil {
		delete(tx.open, t)
		if err := a.close(ctx); err != nil {
			return err
		}
	}
	if len(to.Columns) > len(t.Columns) {
		t.Table = to
	}
	if tx.local[t] {
		todo = append(todo, tx.d.copyStage(t, before)...)
	}
	if err := tx.d.execAll(ctx, todo...); err != nil {
		return fmt.Errorf("add to its %d columns, for new_fields is add (without it further fields go into _extra): %w", len(before), err)
	}
	views, err := tx.d.viewsOf(ctx, t, tx.d.tables)
	if err != nil {
		return err
	}
	return tx.d.execAll(ctx, views...)
}

// copyStage returns the statements that copy the stage, which has these columns, to one
// that has those of t. DuckDB cannot alter a table in the transaction that has written
// whole row groups to it.
func (d *Destination) copyStage(t *preparedTable, from []column) []string {
	var into, values []string
	for i, c := range from {
		value := quote(c.name)
		if to := t.columns[i].sqlType; to != c.sqlType {
			value = widened(c.name, c.sqlType, to)
		}
		into, values = append(into, quote(c.name)), append(values, value)
	}
	stage, wider := d.name(stageName(t.Name)), d.name("_keylift_wider_"+t.Name)
	return []string{
		"CREATE TABLE " + wider + " (" + definitions(t.columns) + ")",
		"INSERT INTO " + wider + " (" + strings.Join(into, ", ") + ") SELECT " + strings.Join(values, ", ") + " FROM " + stage,
		"DROP TABLE " + stage,
		"ALTER TABLE " + wider + " RENAME TO " + quote(stageName(t.Name)),
	}
}

// narrow forgets what widen did in a transaction that was rolled back.
func (d *Destination) narrow(ctx context.Context) error {
	for _, t := range d.tables {
		columns, err := d.columns(ctx, t.Name)
		if err != nil {
			return err
		}
		t.Table, t.columns, t.fits = t.given, columns, []*row.Table{t.given}
	}
	return nil
}
