package redis

import (
	"slices"
	"strconv"
	"strings"
)

// parseInfo reads the reply of INFO. Titles of sections are names without a value.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		name, val, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		info[name] = val
	}
	return info
}

// keyspace returns the number of keys of each database that holds any.
func keyspace(info map[string]string) map[int]int64 {
	keys := map[int]int64{}
	for name, val := range info {
		db, ok := strings.CutPrefix(name, "db")
		if !ok {
			continue
		}
		number, err := strconv.Atoi(db)
		if err != nil {
			continue
		}
		count, _, _ := strings.Cut(strings.TrimPrefix(val, "keys="), ",")
		if n, err := strconv.ParseInt(count, 10, 64); err == nil {
			keys[number] = n
		}
	}
	return keys
}

// offsetOf returns how far a server's history has come, by its INFO.
func offsetOf(info map[string]string) int64 { return numberIn(info, "master_repl_offset") }

// appliedOf returns how much of its primary's history a replica has applied, by its INFO.
func appliedOf(info map[string]string) int64 { return numberIn(info, "slave_repl_offset") }

// branchedAt returns the offset from which on a server's history is its own and not
// that of the server that it took over from, by its INFO.
func branchedAt(info map[string]string) int64 { return numberIn(info, "second_repl_offset") }

// numberIn returns a number in INFO; 0 if it is not told.
func numberIn(info map[string]string, name string) int64 {
	n, err := strconv.ParseInt(info[name], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// replicasIn returns the addresses of replicas that a primary's INFO tells, in order,
// so that runs find the same one.
func replicasIn(info map[string]string) []string {
	var all []string
	for i := 0; ; i++ {
		line, ok := info["slave"+itoa(i)]
		if !ok {
			slices.Sort(all)
			return all
		}
		fields := map[string]string{}
		for field := range strings.SplitSeq(line, ",") {
			name, val, _ := strings.Cut(field, "=")
			fields[name] = val
		}
		// Port 0 has who joins as a replica and answers nobody, as keylift does.
		if fields["state"] == "online" && fields["port"] != "0" {
			all = append(all, joined(fields["ip"], fields["port"]))
		}
	}
}

// copiesFrom returns the address that a replica copies from.
func copiesFrom(info map[string]string) string {
	return joined(info["master_host"], info["master_port"])
}
