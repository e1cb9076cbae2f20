package replication

// A writeCase is one way to run a command that changes keys, in database 1.
type writeCase struct {
	command string // as COMMAND names it
	before  string // lines that prepare, separated by ;
	run     string // lines that run the command
	// want is what a Window makes of it: "a" for a key to be reread, "-a" for one
	// that is gone, "a=1" for a text, "a=1@0" with an expiry (whatever it is), "2:a"
	// in another database, "flush", "flushall", "swap 1 2"; with = only, nothing
	// changed but it is in the stream.
	want string
}

// writeCases has one case at least for every command that is listed as writing.
var writeCases = []writeCase{
	// Strings.
	{"append", "SET a x", "APPEND a y", "a"},
	{"set", "", "SET a 1", "a=1"},
	{"set", "SET a 0 EX 100", "SET a ''", "a="},
	{"set", "", "SET a 1 EX 100", "a=1@0"},
	{"set", "", "set a 1 px 100000", "a=1@0"},
	{"set", "", "SET a 1 EXAT 33177117420", "a=1@0"},
	{"set", "", "SET a 1 PXAT 33177117420000", "a=1@0"},
	{"set", "SET a 0 EX 100", "SET a 1 KEEPTTL", "a"},
	{"set", "", "SET a 1 NX", "a"},
	{"set", "SET a 0", "SET a 1 XX GET", "a"},
	{"set", "LPUSH a x", "SET a 1", "a=1"},
	{"setex", "", "SETEX a 100 1", "a=1@0"},
	{"psetex", "", "PSETEX a 100000 1", "a=1@0"},
	{"setnx", "", "SETNX a 1", "a"},
	{"getset", "SET a 0 EX 100", "GETSET a 1", "a=1"},
	{"getdel", "SET a 0", "GETDEL a", "-a"},
	{"getex", "SET a 0", "GETEX a EX 100", "a"},
	{"getex", "SET a 0 EX 100", "GETEX a PERSIST", "a"},
	{"getex", "SET a 0", "GETEX a PXAT 1", "-a"},
	{"mset", "SET b 0 EX 100", "MSET a 1 b 2 a 3", "a=3 b=2"},
	{"msetnx", "", "MSETNX a 1 b 2", "a b"},
	{"incr", "", "INCR a", "a"},
	{"incrby", "", "INCRBY a 5", "a"},
	{"incrbyfloat", "", "INCRBYFLOAT a 0.5", "a"},
	{"decr", "", "DECR a", "a"},
	{"decrby", "", "DECRBY a 5", "a"},
	{"setrange", "", "SETRANGE a 3 x", "a"},
	{"setbit", "", "SETBIT a 7 1", "a"},
	{"bitfield", "", "BITFIELD a SET u8 0 255", "a"},
	{"bitop", "SET a x; SET b y", "BITOP OR c a b", "c"},
	{"bitop", "SET c x", "BITOP OR c a b", "c"},
	{"pfadd", "", "PFADD a x y", "a"},
	{"pfcount", "PFADD a x y", "PFCOUNT a", "a"},
	{"pfmerge", "PFADD a x; PFADD b y", "PFMERGE c a b", "c"},
	{"pfdebug", "PFADD a x", "PFDEBUG TODENSE a", "a"},

	// Hashes.
	{"hset", "", "HSET a f 1 g 2", "a"},
	{"hmset", "", "HMSET a f 1", "a"},
	{"hsetnx", "", "HSETNX a f 1", "a"},
	{"hincrby", "", "HINCRBY a f 1", "a"},
	{"hincrbyfloat", "", "HINCRBYFLOAT a f 0.5", "a"},
	{"hdel", "HSET a f 1 g 2", "HDEL a f", "a"},
	{"hdel", "HSET a f 1", "HDEL a f", "a"},

	// Lists.
	{"lpush", "", "LPUSH a x", "a"},
	{"rpush", "", "RPUSH a x", "a"},
	{"lpushx", "LPUSH a x", "LPUSHX a y", "a"},
	{"rpushx", "LPUSH a x", "RPUSHX a y", "a"},
	{"lpop", "RPUSH a x y", "LPOP a", "a"},
	{"rpop", "RPUSH a x", "RPOP a", "a"},
	{"linsert", "RPUSH a x", "LINSERT a BEFORE x y", "a"},
	{"lset", "RPUSH a x", "LSET a 0 y", "a"},
	{"lrem", "RPUSH a x y", "LREM a 0 x", "a"},
	{"ltrim", "RPUSH a x y", "LTRIM a 0 0", "a"},
	{"ltrim", "RPUSH a x y", "LTRIM a 5 9", "a"},
	{"lmove", "RPUSH a x y", "LMOVE a b LEFT RIGHT", "a b"},
	{"lmpop", "RPUSH b x y", "LMPOP 2 a b LEFT COUNT 2", "b"},
	{"rpoplpush", "RPUSH a x y", "RPOPLPUSH a b", "a b"},
	{"blpop", "RPUSH b x y", "BLPOP a b 1", "b"},
	{"brpop", "RPUSH b x y", "BRPOP a b 1", "b"},
	{"blmove", "RPUSH a x y", "BLMOVE a b RIGHT LEFT 1", "a b"},
	{"blmpop", "RPUSH b x y", "BLMPOP 1 2 a b RIGHT", "b"},
	{"brpoplpush", "RPUSH a x y", "BRPOPLPUSH a b 1", "a b"},

	// Sets.
	{"sadd", "", "SADD a x y", "a"},
	{"srem", "SADD a x y", "SREM a x", "a"},
	{"smove", "SADD a x y", "SMOVE a b x", "a b"},
	{"spop", "SADD a x y", "SPOP a", "a"},
	{"spop", "SADD a x y z", "SPOP a 2", "a"},
	{"spop", "SADD a x y", "SPOP a 2", "-a"},
	{"sdiffstore", "SADD a x y; SADD b x", "SDIFFSTORE c a b", "c"},
	{"sinterstore", "SADD a x y; SADD b x", "SINTERSTORE c a b", "c"},
	{"sinterstore", "SADD a x; SADD b y; SADD c z", "SINTERSTORE c a b", "c"},
	{"sunionstore", "SADD a x; SADD b y", "SUNIONSTORE c a b", "c"},

	// Sorted sets.
	{"zadd", "", "ZADD a 1 x", "a"},
	{"zadd", "ZADD a 1 x", "ZADD a XX INCR 1 x", "a"},
	{"zincrby", "", "ZINCRBY a 1 x", "a"},
	{"zrem", "ZADD a 1 x 2 y", "ZREM a x", "a"},
	{"zremrangebylex", "ZADD a 0 x 0 y", "ZREMRANGEBYLEX a [x [x", "a"},
	{"zremrangebyrank", "ZADD a 0 x 0 y", "ZREMRANGEBYRANK a 0 0", "a"},
	{"zremrangebyscore", "ZADD a 0 x 1 y", "ZREMRANGEBYSCORE a 0 1", "a"},
	{"zpopmax", "ZADD a 0 x 1 y", "ZPOPMAX a", "a"},
	{"zpopmin", "ZADD a 0 x 1 y", "ZPOPMIN a 2", "a"},
	{"zmpop", "ZADD b 0 x 1 y", "ZMPOP 2 a b MIN", "b"},
	{"bzpopmax", "ZADD b 0 x 1 y", "BZPOPMAX a b 1", "b"},
	{"bzpopmin", "ZADD b 0 x 1 y", "BZPOPMIN a b 1", "b"},
	{"bzmpop", "ZADD b 0 x 1 y", "BZMPOP 1 2 a b MAX COUNT 9", "b"},
	{"zdiffstore", "ZADD a 0 x 1 y; ZADD b 0 x", "ZDIFFSTORE c 2 a b", "c"},
	{"zinterstore", "ZADD a 0 x 1 y; ZADD b 0 x", "ZINTERSTORE c 2 a b WEIGHTS 2 3", "c"},
	{"zunionstore", "ZADD a 0 x; ZADD b 0 y", "ZUNIONSTORE c 2 a b AGGREGATE MAX", "c"},
	{"zunionstore", "ZADD c 0 x", "ZUNIONSTORE c 1 a", "c"},
	{"zrangestore", "ZADD a 0 x 1 y", "ZRANGESTORE c a 0 0", "c"},

	// Places.
	{"geoadd", "", "GEOADD a 13.361389 38.115556 x", "a"},
	{"georadius", "GEOADD a 13.361389 38.115556 x", "GEORADIUS a 15 37 200 km COUNT 1 STORE c", "c"},
	{"georadius", "GEOADD a 13.361389 38.115556 x", "GEORADIUS a 15 37 200 km STOREDIST store", "store"},
	{"georadiusbymember", "GEOADD a 13.361389 38.115556 x", "GEORADIUSBYMEMBER a x 200 km STORE c", "c"},
	{"geosearchstore", "GEOADD a 13.361389 38.115556 x", "GEOSEARCHSTORE c a FROMMEMBER x BYRADIUS 1 km", "c"},

	// Streams.
	{"xadd", "", "XADD a * f 1", "a"},
	{"xadd", "XADD a 1-1 f 1; XADD a 2-1 f 1", "XADD a NOMKSTREAM MAXLEN ~ 1 3-1 f 2", "a"},
	{"xadd", "XADD a 1-1 f 1; XADD a 2-1 f 1", "XADD a MINID 2 3-1 f 2", "a"},
	{"xdel", "XADD a 1-1 f 1; XADD a 2-1 f 1", "XDEL a 1-1", "a"},
	{"xtrim", "XADD a 1-1 f 1; XADD a 2-1 f 1", "XTRIM a MAXLEN 1", "a"},
	{"xtrim", "XADD a 1-1 f 1; XADD a 2-1 f 1", "XTRIM a MINID = 2", "a"},
	{"xsetid", "XADD a 1-1 f 1", "XSETID a 5-1", "a"},
	{"xgroup|create", "", "XGROUP CREATE a g $ MKSTREAM", "a"},
	{"xgroup|createconsumer", "XGROUP CREATE a g $ MKSTREAM", "XGROUP CREATECONSUMER a g x", "a"},
	{"xgroup|delconsumer", "XGROUP CREATE a g $ MKSTREAM; XGROUP CREATECONSUMER a g x", "XGROUP DELCONSUMER a g x", "a"},
	{"xgroup|setid", "XGROUP CREATE a g $ MKSTREAM", "XGROUP SETID a g 7-7", "a"},
	{"xgroup|destroy", "XGROUP CREATE a g $ MKSTREAM", "XGROUP DESTROY a g", "a"},
	{"xreadgroup", "XGROUP CREATE a g $ MKSTREAM; XADD a 1-1 f 1", "XREADGROUP GROUP g x STREAMS a >", "a"},
	{"xreadgroup", "XGROUP CREATE a g $ MKSTREAM; XADD a 1-1 f 1", "XREADGROUP GROUP g x NOACK STREAMS a >", "a"},
	{"xack", "XGROUP CREATE a g $ MKSTREAM; XADD a 1-1 f 1; XREADGROUP GROUP g x STREAMS a >", "XACK a g 1-1", "a"},
	{"xclaim", "XGROUP CREATE a g $ MKSTREAM; XADD a 1-1 f 1; XREADGROUP GROUP g x STREAMS a >", "XCLAIM a g y 0 1-1", "a"},
	{"xautoclaim", "XGROUP CREATE a g $ MKSTREAM; XADD a 1-1 f 1; XREADGROUP GROUP g x STREAMS a >", "XAUTOCLAIM a g y 0 0", "a"},

	// Keys.
	{"del", "MSET a 1 b 2", "DEL a b c", "-a -b -c"},
	{"unlink", "MSET a 1 b 2", "unlink a b", "-a -b"},
	{"expire", "SET a 1", "EXPIRE a 100", "a"},
	{"expire", "SET a 1", "EXPIRE a -1", "-a"},
	{"expireat", "SET a 1", "EXPIREAT a 33177117420 NX", "a"},
	{"pexpire", "SET a 1", "PEXPIRE a 100000", "a"},
	{"pexpireat", "SET a 1", "PEXPIREAT a 33177117420000", "a"},
	{"persist", "SET a 1 EX 100", "PERSIST a", "a"},
	{"rename", "SET a 1", "RENAME a b", "-a b"},
	{"rename", "SET a 1 EX 100; SET b 2", "RENAME a b", "-a b"},
	{"renamenx", "SET a 1", "RENAMENX a b", "-a b"},
	{"move", "SET a 1", "MOVE a 2", "-a 2:a"},
	{"copy", "SET a 1", "COPY a b", "b"},
	{"copy", "SET a 1; SET b 2", "COPY a b REPLACE", "b"},
	{"copy", "SET a 1", "COPY a db DB 2 REPLACE", "2:db"},
	{"restore", "", "RESTORE a 0 $dump", "a"},
	{"restore", "SET a 1", "RESTORE a 100000 $dump REPLACE IDLETIME 7", "a"},
	{"restore-asking", "", "RESTORE-ASKING a 33177117420000 $dump ABSTTL", "a"},
	{"migrate", "MSET a 1 b 2", "MIGRATE $peer '' 0 300000 KEYS a b", "-a -b"},
	{"sort", "RPUSH a 2 1", "SORT a STORE b", "b"},
	{"sort", "RPUSH a 2 1; SET b 1", "SORT a LIMIT 0 1 BY store GET get GET # ALPHA DESC STORE store", "store"},
	{"sort", "SET b 1", "SORT a STORE b", "b"},
	{"sort", "ZADD a 2 x 1 y", "SORT a ALPHA STORE b", "b"},

	// Databases.
	{"flushdb", "SET a 1", "FLUSHDB", "flush"},
	{"flushdb", "SET a 1", "FLUSHDB ASYNC; SET b 1", "flush b=1"},
	{"flushall", "SET a 1; SELECT 2; SET a 1", "FLUSHALL; SET b 1", "flushall b=1"},
	{"swapdb", "SET a 1; SELECT 2; SET b 2; SELECT 1", "SET c 3; SWAPDB 1 2; SET d 4", "swap d=4 2:swap"},
	{"swapdb", "SET a 1", "SWAPDB 1 2; FLUSHDB; SELECT 2; DEL x; FLUSHDB", "flush 2:flush"},

	// What is in the stream and changes no key.
	{"publish", "", "PUBLISH a b", "="},
	{"spublish", "", "SPUBLISH a b", "="},
	{"function|load", "", "FUNCTION LOAD $function", "="},
	{"function|delete", "FUNCTION LOAD $function", "FUNCTION DELETE keylift", "="},
	{"function|flush", "FUNCTION LOAD $function", "FUNCTION FLUSH", "="},
	{"function|restore", "", "FUNCTION RESTORE $functions", "="},

	// What is told by its effects.
	{"eval", "", "EVAL 'redis.call(\"set\",KEYS[1],1) redis.call(\"del\",ARGV[1]) redis.call(\"incr\",\"c\")' 1 a b", "a=1 c"},
	{"eval", "SET b 2", "EVAL 'redis.call(\"select\",2) redis.call(\"set\",KEYS[1],1) redis.call(\"select\",1) redis.call(\"del\",\"b\")' 1 a", "-b 2:a=1"},
	{"evalsha", "", "SCRIPT LOAD 'return redis.call(\"incr\",KEYS[1])'; EVALSHA 2c8193be8e76bacf1c822c5ab16440a7c2a61441 1 a", "a"},
	{"fcall", "FUNCTION LOAD $function", "FCALL keylift_set 1 a 7", "a=7"},
	{"exec", "", "MULTI; SET a 1; SELECT 2; SET b 2; SELECT 1; INCR a; RENAME a c; EXEC", "-a c 2:b=2"},
	{"exec", "SET a 1", "MULTI; INCR b; FLUSHDB; SET c 1; EXEC", "flush c=1"},
}
