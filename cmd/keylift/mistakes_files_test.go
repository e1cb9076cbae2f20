package main

// wrongFiles are files that cannot be written to or read.
var wrongFiles = []blunder{
	{
		args: "sync --url redis://$REDIS --destination nowhere/warehouse.db", code: exitFailed,
		want: "open nowhere/warehouse.db: there is no folder nowhere; make it, or choose another destination",
	},
	{args: "sync --url redis://$REDIS --destination duckdb:$FOLDER", code: exitFailed, want: "open $FOLDER: it is a folder; name a file in it"},
	{
		args: "sync --url redis://$REDIS --destination text.db/warehouse.db", code: exitFailed,
		want: "open text.db/warehouse.db: text.db is no folder; choose another destination",
	},
	{args: "sync --url redis://$REDIS --destination text.db", code: exitFailed, want: "open text.db: it is no DuckDB file; choose another destination"},
	{args: "sync --url redis://$REDIS --destination short.db", code: exitFailed, want: "open short.db: it is no DuckDB file; choose another destination"},
	{args: "sync --url redis://$REDIS --destination sqlite.db", code: exitFailed, want: "open sqlite.db: it is no DuckDB file; choose another destination"},
	{
		args: "sync --url redis://$REDIS --destination newer.db", code: exitFailed,
		want: "open newer.db: the file was written by a newer DuckDB than this keylift has; use a newer keylift, or choose another destination",
	},
	{
		args: "sync --url redis://$REDIS --destination damaged.db", code: exitFailed,
		want: "open damaged.db: the file is damaged: what DuckDB reads does not match its checksum; take the file back from a backup, or sync into another",
	},
	{args: "sync --url redis://$REDIS --destination $HELD/held.db", code: exitFailed, want: "open $HELD/held.db: process $HOLDER has the file open; close it there first"},
	{
		args: "sync --url redis://$REDIS --destination /sys/warehouse.db", code: exitFailed,
		want: `open /sys/warehouse.db: the system does not permit that (IO Error: Cannot open file "/sys/warehouse.db": $DENIAL); check the permissions of the file and of its folder`,
	},
	{
		args: "sync --url redis://$REDIS --destination taken.db", code: exitFailed,
		want: `column "key" of table "redis_data" is INTEGER, this sync needs VARCHAR NOT NULL; give the table another name, or use another destination_schema`,
	},
	{
		args: "sync --url redis://$REDIS --destination viewed.db", code: exitFailed,
		want: `"redis_data" is a view, and this sync needs a table of that name; drop the view, or give the table another name`,
	},
	{
		args: "sync --url redis://$REDIS --destination nokey.db", code: exitFailed,
		want: `table "redis_data" has no column "key" (VARCHAR NOT NULL), and it cannot be added; give the table another name, or use another destination_schema`,
	},
	{
		args: "sync --url redis://$REDIS --destination retyped.db", code: exitFailed,
		want: `column "size" of table "redis_data" is VARCHAR, this sync needs BIGINT; give the table another name, or use another destination_schema`,
	},
	{
		args: "sync --url redis://$REDIS --destination required.db", code: exitFailed,
		want: `column "note" of table "redis_data" may not be NULL, and this sync does not fill it; give the table another name, or use another destination_schema`,
	},
	{
		args: "sync --url redis://$REDIS --destination nohash.db", code: exitFailed,
		want: `table "redis_data" has no column "_keylift_hash" (UBIGINT), and it cannot be added; give the table another name, or use another destination_schema`,
	},
	{
		args: "sync --url redis://$REDIS --destination notoken.db", code: exitFailed,
		want: `the table _keylift_sync is not as keylift made it (Binder Error: Referenced column "token" not found in FROM clause!); drop it, and the next sync reads everything anew and corrects the rows`,
	},
	{
		args: "sync --url redis://$REDIS --database 0,1", code: exitFailed,
		want: `table "redis_data" has no column "database" (BIGINT NOT NULL), and it cannot be added; give the table another name, or use another destination_schema`,
	},
	{
		args: "sync --url redis://$REDIS --destination-schema information_schema", code: exitFailed,
		want: `prepare tables: schema "information_schema" is not for tables (Catalog Error: Schema with name information_schema does not exist!); choose another destination_schema`,
	},
	{args: "status --destination nowhere.db", code: exitFailed, want: "open nowhere.db: there is no such file; run keylift sync first"},
	{args: "status --destination text.db", code: exitFailed, want: "open text.db: it is no DuckDB file; choose another destination"},
	{
		args: "status --destination damaged.db", code: exitFailed,
		want: "open damaged.db: the file is damaged: what DuckDB reads does not match its checksum; take the file back from a backup, or sync into another",
	},
	{
		args: "status --destination newer.db", code: exitFailed,
		want: "open newer.db: the file was written by a newer DuckDB than this keylift has; use a newer keylift, or choose another destination",
	},
	{
		args: "status --destination notoken.db", code: exitFailed,
		want: `the table _keylift_sync is not as keylift made it (Binder Error: Referenced column "token" not found in FROM clause!); drop it, and the next sync reads everything anew and corrects the rows`,
	},
	{args: "state show --destination nowhere.db", code: exitFailed, want: "open nowhere.db: there is no such file; run keylift sync first"},
	{
		args: "state show --destination $HELD/held.db", code: exitFailed,
		want: "$HELD/held.db is held by process $HOLDER, which follows the server into it; end that process, run this, and start it again: it goes on where it was",
	},
	{args: "state reset --destination nowhere.db", code: exitFailed, want: "open nowhere.db: there is no such file; run keylift sync first"},
	{
		args: "state reset --destination nowhere/warehouse.db", code: exitFailed,
		want: "open nowhere/warehouse.db: there is no folder nowhere; make it, or choose another destination",
	},
	{
		args: "state reset --destination $HELD/held.db", code: exitFailed,
		want: "$HELD/held.db is held by process $HOLDER, which follows the server into it; end that process, run this, and start it again: it goes on where it was",
	},
	{args: "verify --url redis://$REDIS --destination nowhere.db", code: exitFailed, want: "open nowhere.db: there is no such file; run keylift sync first"},
	{args: "verify --url redis://$REDIS --destination foreign.db", code: exitFailed, want: "duckdb:foreign.db holds no complete sync yet; run keylift sync first"},
	{
		args: "verify --url redis://$REDIS --destination $HELD/held.db", code: exitFailed,
		want: "$HELD/held.db is held by process $HOLDER, which follows the server into it; end that process, run this, and start it again: it goes on where it was",
	},
	{args: "verify --url redis://$REDIS --destination taken.db", code: exitFailed, want: "duckdb:taken.db holds no complete sync yet; run keylift sync first"},
	{args: "sync,check,preview --rdb-file nowhere.rdb", code: exitAccess, want: "nowhere.rdb: no such file or directory; check rdb_file"},
	{args: "sync --rdb-file $FOLDER", code: exitAccess, want: "$FOLDER: it is a folder; name a file in rdb_file"},
	{args: "sync,preview --rdb-file text.db", code: exitAccess, want: "text.db: it is no RDB file; name one in rdb_file"},
	{args: "sync,check --rdb-file empty.txt", code: exitAccess, want: "empty.txt: it is no RDB file; name one in rdb_file"},
	{
		args: "sync --rdb-file cut.rdb", code: exitAccess,
		want: "cut.rdb: the file is damaged at byte 20: the file ends too early; nothing of it is published; make it anew, or name another in rdb_file",
	},
	{
		args: "sync --rdb-file flipped.rdb", code: exitAccess,
		want: "flipped.rdb: the file is damaged at byte 21: the checksum does not match; nothing of it is published; make it anew, or name another in rdb_file",
	},
	{
		args: "sync --rdb-file newer.rdb", code: exitAccess,
		want: "newer.rdb: it holds a value of type 241 in RDB version 99, which this keylift does not know; use a newer one, or read the server itself with mode scan",
	},
	{
		args: "sync --rdb-file halved.rdb", code: exitAccess,
		want: "halved.rdb: the file is damaged at byte 17: the file ends too early; nothing of it is published; make it anew, or name another in rdb_file",
	},
	{
		args: "sync --rdb-file longer.rdb", code: exitAccess,
		want: "longer.rdb: the file is damaged at byte 29: bytes follow the end of the file; nothing of it is published; make it anew, or name another in rdb_file",
	},
	{
		args: "discover --url redis://$REDIS --write nowhere/tables.yaml", code: exitFailed,
		want: "write the tables: open nowhere/tables.yaml: no such file or directory; name a file in a folder that is there and may be written to",
	},
	{
		args: "demo --destination nowhere/warehouse.db", code: exitFailed,
		want: "open nowhere/warehouse.db: there is no folder nowhere; make it, or choose another destination",
	},
}
