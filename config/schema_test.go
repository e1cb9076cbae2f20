package config_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/keylift/keylift/config"
)

func TestSchema(t *testing.T) {
	type property struct {
		Description string `json:"description"`
		Default     any    `json:"default"`
		WriteOnly   bool   `json:"writeOnly"`
	}
	var schema struct {
		Schema     string              `json:"$schema"`
		Type       string              `json:"type"`
		Additional bool                `json:"additionalProperties"`
		Properties map[string]property `json:"properties"`
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Schema != "https://json-schema.org/draft/2020-12/schema" || schema.Type != "object" || schema.Additional {
		t.Errorf("the head: got %q, %q, %t", schema.Schema, schema.Type, schema.Additional)
	}
	all := config.Settings()
	if len(schema.Properties) != len(all) {
		t.Errorf("got %d properties, want %d", len(schema.Properties), len(all))
	}
	defaults := map[string]any{}
	var secrets []string
	for _, s := range all {
		p, ok := schema.Properties[s.Key]
		if !ok || p.Description == "" {
			t.Errorf("%s has no property or no description", s.Key)
		}
		if p.Default != nil {
			defaults[s.Key] = p.Default
		}
		if p.WriteOnly {
			secrets = append(secrets, s.Key)
		}
	}
	wantDefaults := map[string]any{
		"port": 6379.0, "password_refresh": "10m", "database": 0.0, "ssl": false, "tls_insecure": false, "key_pattern": "*", "mode": "auto", "read_from": "primary", "follow": false, "repair_interval": "1h", "publish_interval": "1s", "batch_size": 100.0,
		"fast": false, "big_key_bytes": "16MiB", "max_value_bytes": "100MiB", "destination": "duckdb:warehouse.db",
		"max_command_ms": 20.0, "max_source_latency": "0s", "max_keys_per_second": 0.0, "max_bytes_per_second": "0",
		"destination_schema": "main", "table_name": "redis_data", "deletes": "soft", "max_delete_share": "50%", "allow_empty": false, "unmatched": "table", "views": true, "checkpoint_interval": 1000.0,
		"memory_limit": "256MiB", "spool_bytes": "1GiB", "connect_timeout": "30s", "read_timeout": "30s", "retry_for": "5m",
	}
	if !reflect.DeepEqual(defaults, wantDefaults) {
		t.Errorf("defaults: got %v\nwant %v", defaults, wantDefaults)
	}
	if want := []string{"password", "password_command", "url", "sentinel_password"}; !slices.Equal(secrets, want) {
		t.Errorf("secrets: got %v, want %v", secrets, want)
	}
}

func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range config.Settings() {
		if seen[s.Key] || s.Doc == "" || s.Group == "" || s.Default == "" && s.Example == "" {
			t.Errorf("%+v: a key must be one of its kind, with a text, a group and a default or an example", s)
		}
		seen[s.Key] = true
	}
	i := slices.IndexFunc(config.Settings(), func(s config.Setting) bool { return s.Key == "tls_server_name" })
	if got := config.Settings()[i].Flag(); got != "--tls-server-name" {
		t.Errorf("Flag: got %s", got)
	}
}

// An example of each setting is one that loads.
func TestSettings_examples(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "s3cret")
	t.Setenv("SENTINEL_PASSWORD", "s3cret")
	pem, secret := file(t, "-----BEGIN CERTIFICATE-----\n"), file(t, "redis://h\n")
	for _, s := range config.Settings() {
		example := s.Example
		doc := "host: h\nssl: true\n"
		switch s.Key {
		case "host", "ssl":
			doc = "ssl: true\n"
			if s.Key == "ssl" {
				doc = "host: h\n"
			}
		case "password_refresh":
			doc += "password_command: token\n"
		case "url", "url_file":
			doc = ""
		case "sentinel_name":
			doc = "sentinel_addresses: s\n"
		case "sentinel_addresses":
			doc = "sentinel_name: game\n"
		case "sentinel_username", "sentinel_password", "sentinel_password_file", "sentinel_tls":
			doc = "sentinel_name: game\nsentinel_addresses: s\n"
		case "tls_ca":
			example = pem
		case "tls_cert":
			example, doc = pem, doc+"tls_key: "+pem+"\n"
		case "tls_key":
			example, doc = pem, doc+"tls_cert: "+pem+"\n"
		}
		if s.Key == "username_file" || s.Key == "password_file" || s.Key == "sentinel_password_file" || s.Key == "url_file" {
			example = secret
		}
		if example == "" {
			example = `"` + s.Default + `"`
		}
		load(t, doc+s.Key+": "+example)
	}
}
