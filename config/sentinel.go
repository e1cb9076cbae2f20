package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// A Sentinel group names the server to read. The zero Sentinel is none.
type Sentinel struct {
	Name      string   // that the sentinels monitor the primary by
	Addresses []string // of the sentinels, host:port
	Username  string   // "" is the sentinels' default user
	Password  Secret
	TLS       bool // the sentinels are asked by TLS
}

// sentinelPort is where sentinels listen unless they are told otherwise.
const sentinelPort = "26379"

const wantAddresses = "addresses of sentinels such as sentinel-1.example.com:26379, one or a list of them"

var sentinelAddresses = kind[[]string]{
	allowed: wantAddresses,
	schema:  words("", true, nil).schema,
	parse: func(n node) ([]string, error) {
		items, err := listOf(n, true)
		if err != nil {
			return nil, err
		}
		var all []string
		for _, item := range items {
			a, err := addressOf(item)
			switch {
			case err != nil:
				return nil, fmt.Errorf("holds %s: write %s", holds(item), wantAddresses)
			case slices.Contains(all, a):
				return nil, fmt.Errorf("holds %s twice: keep one", holds(item))
			}
			all = append(all, a)
		}
		return all, nil
	},
	show: func(all []string) any { return all },
}

// addressOf returns the address that n holds, with the port of sentinels if it
// holds none.
func addressOf(n node) (string, error) {
	s, err := textOf(n)
	if err != nil {
		return "", err
	}
	s = strings.TrimSpace(s)
	name, number, err := net.SplitHostPort(s)
	if _, bare := netip.ParseAddr(s); bare == nil || err != nil {
		name, number = s, sentinelPort
	}
	if name, err = host.parse(node{shape: text, text: name}); err != nil {
		return "", err
	}
	if _, err := wholeOf(node{shape: text, text: number}, 1, 65535); err != nil {
		return "", err
	}
	return net.JoinHostPort(name, number), nil
}

// ofSentinels are the settings that only mean something beside sentinel_name.
var ofSentinels = []string{"sentinel_addresses", "sentinel_username", "sentinel_password", "sentinel_tls"}

// validateSentinel checks what goes with a Sentinel group and what does not.
func (l *loader) validateSentinel(c *Config, all layer) {
	name, named := all["sentinel_name"]
	if !named {
		for _, key := range ofSentinels {
			if g, ok := all[key]; ok {
				l.wrong(g, "is given without sentinel_name: add the name that the sentinels monitor the primary by, or remove it")
			}
		}
		return
	}
	for _, key := range []string{"host", "port", "nodes", "url"} {
		g, ok := all[key]
		if key == "url" {
			g.part = "" // it is the url itself that names a socket
		}
		if ok {
			l.wrong(g, "cannot be given beside %s, which decides it: keep one of them", name.name)
		}
	}
	if _, ok := all["sentinel_addresses"]; !ok {
		l.wrong(name, "is given without sentinel_addresses: add the addresses of the sentinels")
	}
	if _, ok := all["sentinel_tls"]; !ok {
		c.Sentinel.TLS = c.TLS.Enabled
		c.origins["sentinel_tls"] = "ssl"
	}
}
