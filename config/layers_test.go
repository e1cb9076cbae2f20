package config_test

import (
	"testing"

	"github.com/keylift/keylift/config"
)

func TestLoad_environment(t *testing.T) {
	t.Setenv("KEYLIFT_TEST_HOST", "redis.internal")
	t.Setenv("KEYLIFT_TEST_PORT", "7000")
	t.Setenv("KEYLIFT_TEST_EMPTY", "")
	t.Setenv("KEYLIFT_TEST_ODD", "a$$b${KEYLIFT_TEST_HOST}")
	tests := []struct{ name, doc, host, password, pattern string }{
		{"a value", "host: ${KEYLIFT_TEST_HOST}", "redis.internal", "", "*"},
		{"within a value", `{"host": "eu.${KEYLIFT_TEST_HOST}.example"}`, "eu.redis.internal.example", "", "*"},
		{"a default", "host: ${KEYLIFT_TEST_NONE:-other}", "other", "", "*"},
		{"a default for an empty variable", "host: ${KEYLIFT_TEST_EMPTY:-other}", "other", "", "*"},
		{"a default not needed", "host: ${KEYLIFT_TEST_HOST:-other}", "redis.internal", "", "*"},
		{"an empty default is absent", "host: h\npassword: ${KEYLIFT_TEST_NONE:-}", "h", "", "*"},
		{"an empty variable is absent", "host: h\npassword: ${KEYLIFT_TEST_EMPTY}", "h", "", "*"},
		{"what a variable holds is not expanded", "host: h\npassword: ${KEYLIFT_TEST_ODD}", "h", "a$$b${KEYLIFT_TEST_HOST}", "*"},
		{"dollar signs", "host: h\npassword: a$$b$c$${D}$", "h", "a$b$c${D}$", "*"},
		{"in a list", "host: h\nkey_pattern: ['${KEYLIFT_TEST_HOST}:*']", "h", "", "redis.internal:*"},
		{"two", "host: h\nkey_pattern: ${KEYLIFT_TEST_HOST}:${KEYLIFT_TEST_PORT}", "h", "", "redis.internal:7000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.doc)
			if c.Host != tt.host || c.Password.Reveal() != tt.password || c.KeyPatterns[0] != tt.pattern {
				t.Errorf("got %s, %s, %v", c.Host, c.Password.Reveal(), c.KeyPatterns)
			}
		})
	}
	if c := load(t, "host: h\nport: ${KEYLIFT_TEST_PORT}"); c.Port != 7000 {
		t.Errorf("port: got %d, want 7000", c.Port)
	}
}

func TestLoad_files(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a line", "s3cret\n", "s3cret"},
		{"no newline", "s3cret", "s3cret"},
		{"a newline of Windows", "s3cret\r\n", "s3cret"},
		{"one newline only is dropped", " s3cret \n\n", " s3cret \n"},
		{"nothing is expanded", "$$ ${HOME}\n", "$$ ${HOME}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, "host: h\npassword: ''\npassword_file: "+file(t, tt.text))
			if c.Password.Reveal() != tt.want {
				t.Errorf("got %q, want %q", c.Password.Reveal(), tt.want)
			}
		})
	}
	c := load(t, "username_file: "+file(t, "game\n")+"\nurl_file: "+file(t, "redis://h:7000/1\n"))
	if _, address := c.Address(); address != "h:7000" || c.Username != "game" || c.Databases.Numbers[0] != 1 {
		t.Errorf("got %s, %s, %v", address, c.Username, c.Databases)
	}
}

func TestLoad_overrides(t *testing.T) {
	const doc = "host: h\nport: 7000\nusername: u\npassword: p\nssl: true\ndatabase: 3\nbatch_size: 50"
	tests := []struct {
		name, doc          string
		overrides          []config.Override
		address            string
		username, password string
		tls                bool
		database           int
	}{
		{"none", doc, nil, "h:7000", "u", "p", true, 3},
		{"a port", doc, []config.Override{{"port", "7001"}}, "h:7001", "u", "p", true, 3},
		{"an empty one is absent", doc, []config.Override{{"port", ""}}, "h:7000", "u", "p", true, 3},
		{"one that is right in place of one that is wrong", "host: h\nport: x", []config.Override{{"port", "7001"}}, "h:7001", "", "", false, 0},
		{"nothing is expanded", doc, []config.Override{{"password", "$$ ${X}"}}, "h:7000", "u", "$$ ${X}", true, 3},
		{"a file in place of a password", doc, []config.Override{{"password_file", file(t, "q\n")}}, "h:7000", "u", "q", true, 3},
		{"a url is another server", doc, []config.Override{{"url", "redis://other"}}, "other:6379", "", "", false, 3},
		{"a url with a database", doc, []config.Override{{"url", "rediss://v:w@other:1/2"}}, "other:1", "v", "w", true, 2},
		{"a url and a password", doc, []config.Override{{"url", "redis://other"}, {"password", "w"}}, "other:6379", "", "w", false, 3},
		{"a url from a file", doc, []config.Override{{"url_file", file(t, "redis://other")}}, "other:6379", "", "", false, 3},
		{"a socket", doc, []config.Override{{"url", "unix:///s"}}, "/s", "", "", false, 3},
		{"a host in place of the url's", "url: redis://u:p@h:7000/3", []config.Override{{"host", "other"}}, "other:7000", "u", "p", false, 3},
		{"a host in place of a socket", "url: unix://u:p@/s?db=3", []config.Override{{"host", "other"}}, "other:6379", "u", "p", false, 3},
		{"a password in place of the url's", "url: redis://u:p@h/3", []config.Override{{"password", "w"}}, "h:6379", "u", "w", false, 3},
		{"a password that the url lacks", "url: redis://u@h/3", []config.Override{{"password", "w"}}, "h:6379", "u", "w", false, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.doc, tt.overrides...)
			_, address := c.Address()
			if address != tt.address || c.Username != tt.username || c.Password.Reveal() != tt.password || c.TLS.Enabled != tt.tls || c.Databases.Numbers[0] != tt.database {
				t.Errorf("got %s, %s, %s, %t, %v", address, c.Username, c.Password.Reveal(), c.TLS.Enabled, c.Databases)
			}
		})
	}
}

func TestLoad_url(t *testing.T) {
	tests := []struct {
		url                string
		network, address   string
		username, password string
		tls                bool
		database           int
	}{
		{"redis://localhost", "tcp", "localhost:6379", "", "", false, 0},
		{"redis://localhost/", "tcp", "localhost:6379", "", "", false, 0},
		{"redis://localhost:7000/5", "tcp", "localhost:7000", "", "", false, 5},
		{"redis://localhost?db=6", "tcp", "localhost:6379", "", "", false, 6},
		{"rediss://localhost:6380", "tcp", "localhost:6380", "", "", true, 0},
		{"REDISS://localhost", "tcp", "localhost:6379", "", "", true, 0},
		{"redis://:pw@localhost", "tcp", "localhost:6379", "", "pw", false, 0},
		{"redis://game:pw@localhost/1", "tcp", "localhost:6379", "game", "pw", false, 1},
		{"redis://g%40me:p%2Fw%23%3A%25@localhost", "tcp", "localhost:6379", "g@me", "p/w#:%", false, 0},
		{"redis://game:p:w@localhost", "tcp", "localhost:6379", "game", "p:w", false, 0},
		{"redis://10.0.0.7:6379", "tcp", "10.0.0.7:6379", "", "", false, 0},
		{"redis://[::1]", "tcp", "[::1]:6379", "", "", false, 0},
		{"redis://u:p@[fd00::2]:7000/15", "tcp", "[fd00::2]:7000", "u", "p", false, 15},
		{"redis://[fe80::1%25eth0]:7000", "tcp", "[fe80::1%eth0]:7000", "", "", false, 0},
		{"unix:///run/redis.sock", "unix", "/run/redis.sock", "", "", false, 0},
		{"unix://u:p@/run/my%20redis.sock?db=2", "unix", "/run/my redis.sock", "u", "p", false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			c := load(t, `{"url": "`+tt.url+`"}`)
			network, address := c.Address()
			if network != tt.network || address != tt.address || c.Username != tt.username || c.Password.Reveal() != tt.password ||
				c.TLS.Enabled != tt.tls || c.Databases.Numbers[0] != tt.database {
				t.Errorf("got %s %s, %s, %s, %t, %v", network, address, c.Username, c.Password.Reveal(), c.TLS.Enabled, c.Databases)
			}
		})
	}
}
