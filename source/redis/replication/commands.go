package replication

import (
	"errors"
	"fmt"
	"strings"
)

// Commands is a server's command table: it finds the keys of a command. It does
// not change once made and may be used by many goroutines.
type Commands struct {
	byName map[string]*entry // in lower case
}

// An entry is one command of the table.
type entry struct {
	name    string
	rule    rule
	specs   []spec
	unclear bool // its keys cannot be told from specs
	subs    map[string]*entry
}

// A spec is one key specification, as
// https://redis.io/docs/latest/develop/reference/key-specs/ describes them.
type spec struct {
	reads bool // the server says that the keys are not changed

	keyword   string // in lower case; empty: the first key is at index
	index     int
	startFrom int

	keynum            bool // the keys are counted by an argument
	last, limit       int
	numIndex, firstAt int
	step              int
}

// ParseCommands reads the reply to COMMAND, in RESP2 or RESP3: arrays and sets as
// []any, maps as map[string]any, strings as string, integers as int64. The
// table has to be read again when the server is another one (restart, failover) and
// with every snapshot: modules are loaded meanwhile, and commands unknown before
// are why a Window loses track.
func ParseCommands(reply any) (*Commands, error) {
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New("read the reply to COMMAND: it lists no commands")
	}
	c := &Commands{byName: make(map[string]*entry, len(list))}
	for _, item := range list {
		if item == nil {
			continue
		}
		e, err := parseEntry(item)
		if err != nil {
			return nil, fmt.Errorf("read the reply to COMMAND: %w", err)
		}
		c.byName[e.name] = e
	}
	return c, nil
}

// parseEntry reads one command: name, arity, flags, first key, last key, step,
// then since 6.0 categories and since 7.0 tips, key specifications, subcommands.
func parseEntry(item any) (*entry, error) {
	const flagsAt, firstAt, specsAt, subsAt = 2, 3, 8, 9
	fields, ok := item.([]any)
	if !ok || len(fields) <= firstAt+2 {
		return nil, fmt.Errorf("an entry is %.60q", fmt.Sprint(item))
	}
	name, ok := fields[0].(string)
	if !ok {
		return nil, fmt.Errorf("a name is %.60q", fmt.Sprint(fields[0]))
	}
	e := &entry{name: strings.ToLower(name)}
	e.rule = rules[strings.TrimPrefix(e.name, "_")] // RediSearch has each command as _FT… too
	flags := texts(fields[flagsAt])
	if len(fields) > specsAt {
		specs, _ := fields[specsAt].([]any)
		for _, item := range specs {
			e.addSpec(item)
		}
		// A module that finds its keys by itself still declares some.
		e.unclear = e.unclear || flags["movablekeys"] && flags["module"]
	} else {
		e.addRange(number(fields[firstAt]), number(fields[firstAt+1]), number(fields[firstAt+2]))
		e.unclear = flags["movablekeys"]
	}
	if len(fields) <= subsAt {
		return e, nil
	}
	subs, _ := fields[subsAt].([]any)
	for _, item := range subs {
		sub, err := parseEntry(item)
		if err != nil {
			return nil, err
		}
		if e.subs == nil {
			e.subs = make(map[string]*entry, len(subs))
		}
		_, short, _ := strings.Cut(sub.name, "|")
		e.subs[short] = sub
	}
	return e, nil
}

// addRange adds the keys that servers before 7.0 tell: from an index to another,
// of which a negative one counts from the end.
func (e *entry) addRange(first, last, step int) {
	if first < 1 {
		return
	}
	if last > 0 {
		last -= first
	}
	e.specs = append(e.specs, spec{index: first, last: last, step: max(step, 1)})
}

// addSpec adds a key specification. One that tells nothing makes the command
// unclear, unless its keys are only read.
func (e *entry) addSpec(item any) {
	m := mapOf(item)
	flags := texts(m["flags"])
	s := spec{reads: flags["RO"]}
	begin, find := mapOf(m["begin_search"]), mapOf(m["find_keys"])
	from, how := mapOf(begin["spec"]), mapOf(find["spec"])
	known := !flags["incomplete"]
	switch begin["type"] {
	case "index":
		s.index = number(from["index"])
		known = known && s.index > 0
	case "keyword":
		keyword, _ := from["keyword"].(string)
		s.keyword, s.startFrom = strings.ToLower(keyword), number(from["startfrom"])
		known = known && s.keyword != ""
	default:
		known = false
	}
	switch find["type"] {
	case "range":
		s.last, s.limit, s.step = number(how["lastkey"]), number(how["limit"]), number(how["keystep"])
	case "keynum":
		s.keynum = true
		s.numIndex, s.firstAt, s.step = number(how["keynumidx"]), number(how["firstkey"]), number(how["keystep"])
	default:
		known = false
	}
	if s.step < 1 {
		s.step = 1
	}
	switch {
	case known:
		e.specs = append(e.specs, s)
	case !s.reads:
		e.unclear = true
	}
}

// mapOf reads a map of RESP3, or its flat form in RESP2.
func mapOf(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		m := make(map[string]any, len(v)/2)
		for i := 0; i+1 < len(v); i += 2 {
			if name, ok := v[i].(string); ok {
				m[name] = v[i+1]
			}
		}
		return m
	}
	return nil
}

// texts reads a list of strings as a set.
func texts(v any) map[string]bool {
	list, _ := v.([]any)
	set := make(map[string]bool, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			set[s] = true
		}
	}
	return set
}

func number(v any) int {
	n, _ := v.(int64)
	return int(n)
}

// find returns the entry of a command by its arguments, nil for none: of a
// subcommand if it is a container's.
func (c *Commands) find(args [][]byte) *entry {
	e := lookUp(c.byName, args[0])
	if e == nil || e.subs == nil || e.rule != bySpecs {
		return e
	}
	if len(args) < 2 {
		return nil
	}
	return lookUp(e.subs, args[1])
}

// lookUp finds a name in any case, without allocating.
func lookUp(entries map[string]*entry, name []byte) *entry {
	var lower [64]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return entries[string(lower[:len(name)])]
}

// keys appends the indices of the command's keys by s. It reports false when they
// do not fit the command.
func (s *spec) keys(c *Command, indices []int) ([]int, bool) {
	n := len(c.Args) + c.Cut
	first := s.index
	if s.keyword != "" {
		if first = s.afterKeyword(c.Args, n); first == 0 {
			return indices, true
		}
	}
	last := first + s.last
	switch {
	case s.keynum:
		at := first + s.numIndex
		count, ok := argNumber(c.Args, at)
		if !ok || count < 0 || count > int64(n) {
			return indices, false
		}
		first += s.firstAt
		last = first + (int(count)-1)*s.step
	case s.last == -1 && s.limit > 1:
		last = first + (n-first)/s.limit - 1
	case s.last < 0:
		last = n + s.last
	}
	if first < 1 || last >= n {
		return indices, false
	}
	for i := first; i <= last; i += s.step {
		indices = append(indices, i)
	}
	return indices, true
}

// afterKeyword returns the index after the keyword, 0 for none. A negative
// startFrom counts from the end and searches towards the beginning.
func (s *spec) afterKeyword(args [][]byte, n int) int {
	i, by := s.startFrom, 1
	if i < 0 {
		i, by = n+i, -1
	}
	for ; i > 0 && i < len(args); i += by {
		if isWord(args[i], s.keyword) {
			return i + 1
		}
	}
	return 0
}
