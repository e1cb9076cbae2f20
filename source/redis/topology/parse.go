package topology

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// A line is one of CLUSTER NODES.
type line struct {
	Node
	primary string // of a replica
	myself  bool
	ignored bool // neither primary nor replica, or not known to the cluster yet
}

// Parse reads what one node answered to CLUSTER NODES. Where it does not tell its own
// host, that is from, as it was reached.
func Parse(nodes, from string) (*Map, error) {
	var primaries []Node
	var replicas []line
	asked := ""
	for text := range strings.Lines(nodes) {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		l, err := parseLine(words, from)
		if err != nil {
			return nil, fmt.Errorf("read CLUSTER NODES: %w", err)
		}
		if l.myself {
			asked = l.ID
		}
		switch {
		case l.ignored:
		case l.primary != "":
			replicas = append(replicas, l)
		default:
			primaries = append(primaries, l.Node)
		}
	}
	if asked == "" {
		return nil, errors.New("read CLUSTER NODES: no line is that of the node itself")
	}
	m := New(primaries)
	m.Asked = asked
	for _, r := range replicas {
		if n := m.Node(r.primary); n != nil {
			n.Replicas = append(n.Replicas, Replica{ID: r.ID, Address: r.Address, Hostname: r.Hostname, Failed: r.Failed})
		}
	}
	return m, nil
}

// columns is how many words a line has before its slots: id, address, flags, primary,
// ping, pong, epoch, link.
const columns = 8

func parseLine(words []string, from string) (l line, err error) {
	if len(words) < columns {
		return l, fmt.Errorf("a line has %d words, which is too few", len(words))
	}
	l.ID = words[0]
	if l.Address, l.Hostname, err = parseAddress(words[1], from); err != nil {
		return l, err
	}
	primary := false
	for flag := range strings.SplitSeq(words[2], ",") {
		switch flag {
		case "myself":
			l.myself = true
		case "master":
			primary = true
		case "slave":
			l.primary = words[3]
		case "fail":
			l.Failed = true
		case "handshake", "noaddr":
			l.ignored = true
		}
	}
	l.ignored = l.ignored || !primary && l.primary == ""
	if l.ConfigEpoch, err = strconv.ParseInt(words[6], 10, 64); err != nil {
		return l, fmt.Errorf("%q is no configuration epoch", words[6])
	}
	if l.primary != "" {
		return l, nil
	}
	for _, w := range words[columns:] {
		if strings.HasPrefix(w, "[") {
			err = l.parseOpen(w)
		} else {
			err = l.Slots.addRun(w)
		}
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

// parseAddress reads host:port@bus, behind which a hostname and, from 7.2 on, fields
// with names may follow after commas. The host may be an IPv6 address or empty, and up
// to Redis 3.2 there is no bus.
func parseAddress(word, from string) (address, hostname string, err error) {
	endpoint, rest, _ := strings.Cut(word, ",")
	if name, _, _ := strings.Cut(rest, ","); !strings.Contains(name, "=") {
		hostname = name
	}
	endpoint, _, _ = strings.Cut(endpoint, "@")
	i := strings.LastIndexByte(endpoint, ':')
	if i < 0 {
		return "", "", fmt.Errorf("%q is no address", word)
	}
	host, port := strings.Trim(endpoint[:i], "[]"), endpoint[i+1:]
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("%q is no address", word)
	}
	if hostname == "?" {
		hostname = ""
	}
	if host == "" || host == "?" {
		host = from
	}
	return net.JoinHostPort(host, port), hostname, nil
}

// parseOpen reads [slot->-id], of a slot that is given away, or [slot-<-id], of one
// that is taken.
func (l *line) parseOpen(w string) error {
	text := strings.TrimSuffix(strings.TrimPrefix(w, "["), "]")
	number, id, migrating := strings.Cut(text, "->-")
	into := &l.Migrating
	if !migrating {
		var importing bool
		if number, id, importing = strings.Cut(text, "-<-"); !importing {
			return fmt.Errorf("%q is no open slot", w)
		}
		into = &l.Importing
	}
	slot, err := strconv.ParseUint(number, 10, 16)
	if err != nil || slot >= Count || id == "" {
		return fmt.Errorf("%q is no open slot", w)
	}
	if *into == nil {
		*into = map[int]string{}
	}
	(*into)[int(slot)] = id
	return nil
}
