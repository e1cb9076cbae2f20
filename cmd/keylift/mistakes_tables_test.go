package main

// wrongTables are tables that cannot be.
var wrongTables = []blunder{
	{
		args: "sync --host h --tables players", code: exitUsage,
		want: `--tables holds "players": write a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`,
	},
	{
		args: `sync --host h --tables [{"name":"p",}]`, code: exitUsage,
		want: `--tables is no list in JSON: invalid character '}' looking for beginning of object key string: write a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`,
	},
	{
		args: "sync", doc: "host: h\ntables: players", code: exitUsage,
		want: `line 2: tables holds "players": write a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`,
	},
	{
		args: "sync", doc: "host: h\ntables: {name: players}", code: exitUsage,
		want: `line 2: tables holds a mapping: write a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`,
	},
	{
		args: "sync", doc: "host: h\ntables: [players]", code: exitUsage,
		want: `line 2: tables[0] holds "players": write a list of tables such as [{name: players, keys: "player:{player_id}"}], or a text that holds it in JSON`,
	},
	{args: "sync", doc: "host: h\nkeys: 'player:{id}'", code: exitUsage, want: `line 2: unknown key "keys": it is a key of a table: indent it under tables`},
	{
		args: "sync", doc: "host: h\ntables: [{name: players}]", code: exitUsage,
		want: `line 2: tables[players].keys is missing: write a key template in quotes, such as "player:{player_id}:profile"`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{keys: 'player:{id}'}]", code: exitUsage,
		want: "line 2: tables[0].name is missing: write a name of at most 63 bytes without quotes or control characters, that does not begin with _keylift",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: _keylift_x, keys: 'player:{id}'}]", code: exitUsage,
		want: `line 2: tables[_keylift_x].name holds "_keylift_x": write a name of at most 63 bytes without quotes or control characters, that does not begin with _keylift`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: redis_data, keys: 'player:{id}'}]", code: exitUsage,
		want: "line 2: tables[redis_data].name is the same as table_name, the table of keys that match no template: rename one, or set unmatched to skip",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{id'}]", code: exitUsage,
		want: `tables[players].keys has no } behind "{id": close the capture, or write \{ for the character`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{}'}]", code: exitUsage,
		want: `tables[players].keys has a capture of the name "": use lower-case letters, digits and _, and no digit at the beginning`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{Id}'}]", code: exitUsage,
		want: `tables[players].keys has a capture of the name "Id": use lower-case letters, digits and _, and no digit at the beginning`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{id}{name}'}]", code: exitUsage,
		want: `tables[players].keys has two captures side by side at "{name}": put text between them, which tells where one ends`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{id}:{id}'}]", code: exitUsage,
		want: `tables[players].keys captures "id" twice: give each its own name`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{key}'}]", code: exitUsage,
		want: `tables[players]: the key and capture {key} would both be column "key": name one of them otherwise`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: players, keys: 'player:{id:number}'}]", code: exitUsage,
		want: `tables[players].keys has a capture of the type "number": use one of string, boolean, int, double, decimal, utc_datetime, unix_s, unix_ms, json`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: a, keys: 'a:{id}'}, {name: A, keys: 'b:{id}'}]", code: exitUsage,
		want: "line 2: tables[A].name is that of another before it: give each its own",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: boards, keys: 'b:{id}', layout: rows}]", code: exitUsage,
		want: `line 2: tables[boards].layout holds "rows": write value, columns or elements`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: boards, keys: 'b:{id}', layout: elements}]", code: exitUsage,
		want: "line 2: tables[boards].type is missing, and layout elements needs it: write hash, list, set, zset, stream or timeseries",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: boards, keys: 'b:{id}', layout: elements, type: string}]", code: exitUsage,
		want: "line 2: tables[boards].type is string, but layout elements is for hash, list, set, zset, stream or timeseries: choose another layout",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: boards, keys: 'b:{id}', type: sorted set}]", code: exitUsage,
		want: `line 2: tables[boards].type holds "sorted set": write string, hash, list, set, zset, stream, json or timeseries`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', columns: [{field: level}]}]", code: exitUsage,
		want: "line 2: tables[p].columns is for layout columns, and for layout elements with type stream: remove it",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [level]}]", code: exitUsage,
		want: `line 2: tables[p].columns[0] holds "level": write a list of columns such as [{field: level, type: int}]`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [{type: int}]}]", code: exitUsage,
		want: "line 2: tables[p].columns[0].field is missing: write text (true, false and the like in quotes)",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [{field: level, type: number}]}]", code: exitUsage,
		want: `line 2: tables[p].columns[level].type holds "number": write boolean, int, double, decimal, utc_datetime, unix_s, unix_ms, string or json`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [{field: level, type: int, default: low}]}]", code: exitUsage,
		want: `tables[p]: the default "low" of column "level" is no int: write one that is, or another type`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [{field: a}, {field: a}]}]", code: exitUsage,
		want: "line 2: tables[p].columns[a].field is that of another before it: give each its own",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [{field: lastLogin}, {field: last_login}]}]", code: exitUsage,
		want: `tables[p]: field "lastLogin" and field "last_login" would both be column "last_login": name one of them otherwise`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, columns: [{field: id}]}]", code: exitUsage,
		want: `tables[p]: capture {id} and field "id" would both be column "id": name one of them otherwise`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, type: zset}]", code: exitUsage,
		want: "line 2: tables[p].type is zset, but layout columns is for hash or json: choose another layout",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', new_fields: add}]", code: exitUsage,
		want: "line 2: tables[p].new_fields is for layout columns: remove it",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', layout: columns, new_fields: all}]", code: exitUsage,
		want: `line 2: tables[p].new_fields holds "all": write extra or add`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', history: always}]", code: exitUsage,
		want: `line 2: tables[p].history holds "always": write true or false`,
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', trim: mirror}]", code: exitUsage,
		want: "line 2: tables[p].trim is for layout elements with type stream or timeseries: remove it",
	},
	{
		args: "sync", doc: "host: h\ntables: [{name: p, keys: 'p:{id}', colour: red}]", code: exitUsage,
		want: `line 2: unknown key "colour" in tables[p]: write name, keys, layout, type, columns, new_fields, history or trim`,
	},
	{args: "sync", doc: "host: h\nunmatched: drop\ntables: [{name: p, keys: 'p:{id}'}]", code: exitUsage, want: `line 2: unmatched holds "drop": write table or skip`},
}
