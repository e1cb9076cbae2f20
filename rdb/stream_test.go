package rdb_test

// idBytes is an ID as consumer groups and nodes hold it.
func idBytes(ms, seq uint64) []byte { return join(big(8, ms), big(8, seq)) }

// node is a node of a stream that begins at ID 1000-5: two entries with the
// fields of the master entry, one deleted, one with fields of its own.
var node = join(
	str(idBytes(1000, 5)),
	str(listpack(
		3, 1, 2, "name", 7, 0,
		2, 0, 0, "ann", "one", 5,
		2, 0, 1, "bob", 2, 5,
		3, 1, -5, "gone", 9, 5,
		0, 300, -1, 1, "x", "y", 6,
	)),
)

var nodeEntries = []string{
	`1000-5 "name" "ann" "7" "one"`,
	`1000-6 "name" "bob" "7" "2"`,
	`1300-4 "x" "y"`,
}

// A group as each version of the encoding writes it: name, last ID, entries read;
// what is pending; consumers with what they have pending.
var (
	group1 = join(str("g"), length(1000), 6, 1, idBytes(1000, 5), little(8, 77), 1, 1, str("c"), little(8, 78), 1, idBytes(1000, 5))
	group2 = join(str("g"), length(1000), 6, 0x81, big(8, 1<<64-1), 1, idBytes(1000, 5), little(8, 77), 1, 1, str("c"), little(8, 78), 1, idBytes(1000, 5))
	group3 = join(str("g"), length(1000), 6, 2, 1, idBytes(1000, 5), little(8, 77), 1, 1, str("c"), little(8, 78), little(8, 79), 1, idBytes(1000, 5))
	group5 = join(
		str("g"), length(1000), 6, 2, 2, idBytes(1000, 5), little(8, 77), 1, idBytes(1000, 6), little(8, 77), 1,
		1, str("c"), little(8, 78), little(8, 79), 1, idBytes(1000, 5), 1, idBytes(1000, 6),
	)
	state1   = join(3, length(1300), 4)                          // number of entries, last ID
	state2   = join(state1, length(1000), 5, length(1001), 0, 4) // first ID, greatest deleted ID, entries added
	state4   = join(4, 0x81, big(8, 1<<63), 0x81, big(8, 1<<63), length(1000), 5, length(1001), 0, 5)
	producer = join(length(100), length(100), 1, str("p"), 2, str("i"), 1, 0, str("j"), 2, 0, 2, 1) // duration, size, producers, added, duplicates
)

var streams = []encoded{
	{name: "stream 1", version: 9, body: join(15, 1, node, state1, 1, group1), want: visit{Type: "stream", Elements: nodeEntries}},
	{name: "stream 1, empty", version: 9, body: join(15, 0, 0, 0, 0, 0), want: visit{Type: "stream"}},
	{name: "stream 2", version: 10, body: join(19, 1, node, state2, 1, group2), want: visit{Type: "stream", Elements: nodeEntries}},
	{name: "stream 3", version: 11, body: join(21, 1, node, state2, 1, group3), want: visit{Type: "stream", Elements: nodeEntries}, newer: true},
	{name: "stream 4", version: 13, body: join(26, 1, node, state2, 1, group3, producer), want: visit{Type: "stream", Elements: nodeEntries}, newer: true},
	{name: "stream 5", version: 14, body: join(27, 1, node, state2, 1, group5, producer), want: visit{Type: "stream", Elements: nodeEntries}, newer: true},
	{
		name: "stream 2, two nodes", version: 10,
		body: join(19, 2, node, str(idBytes(1<<63, 1<<63)), str(listpack(1, 0, 0, 0, 2, 0, 0, 3)), state4, 0),
		want: visit{Type: "stream", Elements: append(nodeEntries[:3:3], "9223372036854775808-9223372036854775808")},
	},
}
