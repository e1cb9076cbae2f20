package replication

// Commands is a server's command table: it finds the keys of a command. It does
// not change once made and may be used by many goroutines.
type Commands struct{}

// ParseCommands reads the reply to COMMAND, in RESP2 or RESP3: arrays and sets as
// []any, maps as map[string]any, strings as string, integers as int64. That is
// what rueidis' RedisMessage.ToAny returns. The table has to be read again when
// the server was another one before (restart, failover, a module loaded).
func ParseCommands(reply any) (*Commands, error) { return &Commands{}, nil }
