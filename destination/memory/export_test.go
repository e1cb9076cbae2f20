package memory

import (
	"fmt"
	"time"
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
