package memory

import (
	"fmt"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/destination/destinationtest"
	"github.com/keylift/keylift/row"
)

// System returns the system columns of the row of table whose key is the one
// string key.
func (d *Destination) System(table, key string) (deleted bool, synced time.Time) {
	r := d.tables[table].rows[fmt.Sprintf("%#v,", key)]
	if r == nil {
		return false, time.Time{}
	}
	return r.deleted, r.synced
}

// Versions returns all versions of the rows of t.
func (d *Destination) Versions(t *row.Table) []destinationtest.Version {
	var all []destinationtest.Version
	add := func(cells map[string]any, v destinationtest.Version) {
		v.Row = row.NewBatch(t)
		appendRow(v.Row, cells)
		all = append(all, v)
	}
	for _, v := range d.tables[t.Name].ended {
		add(v.cells, destinationtest.Version{Start: v.start, End: v.end, Deleted: v.deleted})
	}
	for _, r := range d.tables[t.Name].rows {
		add(r.cells, destinationtest.Version{Start: r.start, End: destination.LastMoment, Active: true})
	}
	return all
}
