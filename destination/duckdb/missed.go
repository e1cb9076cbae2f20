package duckdb

import (
	"context"
	"slices"
)

// missed tells of a table, or of columns of it, that are to be made although the sync
// has a position: somebody may have dropped them. It returns what has all keys read
// anew where that is the table.
func (d *Destination) missed(ctx context.Context, p *preparedTable) ([]string, error) {
	have := d.listed.columns[p.Name]
	if d.listed.columns[syncTable] == nil {
		return nil, nil
	}
	if have == nil {
		known, err := d.count(ctx, "SELECT count(*) FROM "+d.name(syncTable)+" WHERE token <> ''")
		if known == 0 || err != nil {
			return nil, err
		}
		d.o.Log.Warn("a table is not there: all keys are read anew", "table", p.Name)
		return []string{"UPDATE " + d.name(syncTable) + " SET token = ''"}, nil
	}
	for _, c := range p.columns[len(have):] {
		if slices.Contains(historyColumns, c) {
			continue
		}
		rows, err := d.count(ctx, "SELECT count(*) FROM "+d.name(p.Name))
		if rows == 0 || err != nil {
			return nil, err
		}
		d.o.Log.Warn("a column is not there and is added: where somebody has dropped it, rows that do not change keep NULL; drop the table to have all of it read anew", "table", p.Name, "column", c.name)
	}
	return nil, nil
}
