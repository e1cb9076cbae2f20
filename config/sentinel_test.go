package config_test

import (
	"reflect"
	"testing"

	"github.com/keylift/keylift/config"
)

func TestLoad_sentinel(t *testing.T) {
	const doc = "sentinel_name: game\nsentinel_addresses: [a:1, b, 'fd00::1', '[fd00::2]:7']\nssl: true\nusername: u\npassword: p\n"
	four := []string{"a:1", "b:26379", "[fd00::1]:26379", "[fd00::2]:7"}
	tests := []struct {
		name, doc string
		overrides []config.Override
		want      config.Sentinel // without the password
		host      string
		username  string
	}{
		{"a list", doc, nil, config.Sentinel{Name: "game", Addresses: four, TLS: true}, "", "u"},
		{"text", `{"sentinel_name": "game", "sentinel_addresses": "a, b:2"}`, nil, config.Sentinel{Name: "game", Addresses: []string{"a:26379", "b:2"}}, "", ""},
		{"without TLS", doc + "sentinel_tls: false\nsentinel_username: s\n", nil, config.Sentinel{Name: "game", Addresses: four, Username: "s"}, "", "u"},
		{"with TLS alone", "sentinel_name: game\nsentinel_addresses: a\nsentinel_tls: true\ntls_server_name: x", nil, config.Sentinel{Name: "game", Addresses: []string{"a:26379"}, TLS: true}, "", ""},
		{"another name", doc, []config.Override{{"sentinel_name", "other"}}, config.Sentinel{Name: "other", Addresses: four, TLS: true}, "", "u"},
		{"other addresses", doc, []config.Override{{"sentinel_addresses", "c"}, {"sentinel_addresses", "d"}}, config.Sentinel{Name: "game", Addresses: []string{"c:26379", "d:26379"}, TLS: true}, "", "u"},
		{"a host in their place", doc, []config.Override{{"host", "h"}}, config.Sentinel{}, "h", "u"},
		{"a url in their place", doc, []config.Override{{"url", "redis://h"}}, config.Sentinel{}, "h", ""},
		{"in place of a host", "host: h\nport: 7\nusername: u", []config.Override{{"sentinel_name", "game"}, {"sentinel_addresses", "a"}}, config.Sentinel{Name: "game", Addresses: []string{"a:26379"}}, "", "u"},
		{"in place of a socket", "url: unix://u:p@/s", []config.Override{{"sentinel_name", "game"}, {"sentinel_addresses", "a"}}, config.Sentinel{Name: "game", Addresses: []string{"a:26379"}}, "", "u"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.doc, tt.overrides...)
			if !reflect.DeepEqual(c.Sentinel, tt.want) || c.Host != tt.host || c.Socket != "" || c.Username != tt.username || !c.NamesServer() {
				t.Errorf("got %+v, host %q, socket %q, user %q", c.Sentinel, c.Host, c.Socket, c.Username)
			}
		})
	}
	c := load(t, doc+"sentinel_password_file: "+file(t, "s3cret\n"))
	if c.Sentinel.Password.Reveal() != "s3cret" || c.Password.Reveal() != "p" {
		t.Errorf("passwords %q and %q", c.Sentinel.Password.Reveal(), c.Password.Reveal())
	}
	if _, address := c.Address(); address != "" {
		t.Errorf("address %q", address)
	}
	again := load(t, printed(t, c))
	again.Sentinel.Password, c.Sentinel.Password = config.Secret{}, config.Secret{}
	if !reflect.DeepEqual(again.Sentinel, c.Sentinel) {
		t.Errorf("printed and loaded again: %+v", again.Sentinel)
	}
}
