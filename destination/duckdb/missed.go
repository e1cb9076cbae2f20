package duckdb

import (
	"context"
	"slices"
)

// missed tells of tables, and of columns, that are to be made although the sync has a
// position: somebody may have dropped them. It returns what has all keys read anew
// where tables are. The tables are listed, and not made yet.
func (d *Destination) missed(ctx context.Context, names []string, tables map[string]*preparedTable) ([]string, error) {
	if d.listed.columns[syncTable] == nil {
		return nil, nil
	}
	var gone []string
	for _, name := range names {
		have := d.listed.columns[name]
		if have == nil {
			gone = append(gone, name)
		} else if err := d.missedColumns(ctx, name, tables[name].columns[len(have):]); err != nil {
			return nil, err
		}
	}
	if gone == nil {
		return nil, nil
	}
	known, err := d.count(ctx, "SELECT count(*) FROM "+d.name(syncTable)+" WHERE token <> ''")
	if known == 0 || err != nil {
		return nil, err
	}
	d.o.Log.Warn("a table is not there: all keys are read anew", "table", gone[0], "tables", len(gone))
	return []string{"UPDATE " + d.name(syncTable) + " SET token = ''"}, nil
}

// missedColumns tells of columns that a table with rows is to get.
func (d *Destination) missedColumns(ctx context.Context, table string, columns []column) error {
	for _, c := range columns {
		if slices.Contains(historyColumns, c) {
			continue
		}
		rows, err := d.count(ctx, "SELECT count(*) FROM "+d.name(table))
		if rows == 0 || err != nil {
			return err
		}
		d.o.Log.Warn("a column is not there and is added: where somebody has dropped it, rows that do not change keep NULL; drop the table to have all of it read anew", "table", table, "column", c.name)
	}
	return nil
}
