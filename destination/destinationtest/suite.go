// Package destinationtest is the conformance suite of destinations. A
// destination adopts it by a test that calls Run. Faulty, which fails at a
// chosen call, serves other tests too.
package destinationtest

import (
	"testing"
	"time"

	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/row"
)

// A Place is where one destination keeps its rows: a file, a schema.
type Place struct {
	// Open opens the destination; after Close, it opens the same one again, with
	// the rows that it holds.
	Open func(t *testing.T) destination.Store
	// System returns the system columns of the row of table whose key is key.
	System func(t *testing.T, d destination.Store, table, key string) System
	// Versions returns all versions of the rows of a table with History.
	Versions func(t *testing.T, d destination.Store, table *row.Table) []Version
}

// A System is what the system columns of a row hold.
type System struct {
	Deleted bool
	Synced  time.Time
}

// A NewPlace makes an empty place, to be removed by t.Cleanup, whose destination treats
// deleted keys as deletes says.
type NewPlace func(t *testing.T, deletes destination.Deletes) Place

// Run runs the suite against the destinations of places that newPlace makes.
func Run(t *testing.T, newPlace NewPlace) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, newPlace NewPlace)
	}{
		{"first snapshot", testFirstSnapshot},
		{"unchanged snapshot", testUnchanged},
		{"changed rows", testChanged},
		{"expiry", testExpiry},
		{"deletes", testDeletes},
		{"revival", testRevival},
		{"keep", testKeep},
		{"duplicates", testDuplicates},
		{"scope", testScope},
		{"scope sees whole rows", testScopeRows},
		{"empty snapshot", testEmptySnapshot},
		{"too many deletes", testMayDelete},
		{"too many deletes over tables", testMayDeleteTables},
		{"keys that come into another table", testMayDeleteMoved},
		{"changes", testChanges},
		{"two tables", testTwoTables},
		{"table of an earlier run", testEarlierTable},
		{"several batches", testManyRows},

		{"several rows a key", testGroup},
		{"elements that repeat", testRepeatedElements},
		{"marks", testMarks},
		{"rows that are added", testAppends},
		{"history", testHistory},
		{"history later", testHistoryLater},

		{"checkpoint", testCheckpoint},
		{"stage is not visible", testStageInvisible},
		{"resume after stage", testResume},
		{"rollback", testRollback},
		{"snapshot given up", testGivenUp},
		{"replay", testReplay},
		{"cancelled context", testCancelled},
		{"status", testStatus},
		{"reset", testReset},

		{"types", testTypes},
		{"text", testText},
		{"text keys", testTextKeys},
		{"long text", testLongText},
		{"composite key", testCompositeKey},

		{"prepare again", testPrepareAgain},
		{"new column", testNewColumn},
		{"new column in a batch", testNewColumnInBatch},
		{"wider types", testWider},
		{"refused tables", testRefused},

		{"random operations", testRandom},
		{"faults", testFaults},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newPlace) })
	}
}
