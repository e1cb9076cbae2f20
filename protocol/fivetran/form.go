package fivetran

import (
	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// A field is one field of the setup form; it fills the setting of its name.
type field struct {
	name, label, help string
	placeholder       string
	secret            bool
	toggle            bool
	upload            bool
	underTLS          bool     // shown where TLS is on
	choices           []choice // a drop-down
}

// A choice is one line of a drop-down.
type choice struct{ value, label, help string }

// fields are those of the form, in the order of setting a connection up. What
// users seldom touch comes last.
var fields = []field{
	{
		name: "host", label: "Host", placeholder: "redis.example.com",
		help: "Name or IP address of the Redis or Valkey server. A replica will do, and spares the primary. Leave it empty only where sentinels name the server.",
	},
	{name: "port", label: "Port", help: "Port of the server."},
	{
		name: "username", label: "User name", placeholder: "keylift",
		help: "ACL user to log in as. Leave it empty for the server's default user.",
	},
	{name: "password", label: "Password", secret: true, help: "Password of the user. Leave it empty where the server asks for none."},
	{
		name: "database", label: "Database", placeholder: "0",
		help: "Number of the database to read, several such as 0,3, or all. With more than one, the primary key is database and key.",
	},
	{name: "ssl", label: "Connect by TLS", toggle: true, help: "Encrypt the connection and verify the server's certificate. Managed services mostly ask for it."},
	{name: "tls_ca", label: "CA certificate", upload: true, underTLS: true, help: "PEM file of the authority that signed the server's certificate. Leave it empty for publicly trusted certificates."},
	{name: "tls_cert", label: "Client certificate", upload: true, underTLS: true, help: "PEM file, where the server asks its clients for a certificate. Goes with the client key."},
	{name: "tls_key", label: "Client key", upload: true, underTLS: true, help: "PEM file of the client certificate's private key."},
	{name: "tls_server_name", label: "Name in the certificate", underTLS: true, help: "Where the server's certificate does not hold the host given above."},
	{
		name: "key_pattern", label: "Key pattern", placeholder: "player:*",
		help: `Redis pattern of the keys to sync, such as player:*, or a list such as ["player:*", "leaderboard:*"].`,
	},
	{name: "exclude_pattern", label: "Exclude pattern", placeholder: "tmp:*", help: "Redis pattern, or a list of them, of keys to leave out. It wins over the key pattern."},
	{name: "types", label: "Types", placeholder: "hash, zset", help: "Types of keys to sync, of string, hash, list, set, zset and stream. Leave it empty for all."},
	{name: "table_name", label: "Table", help: "Name of the destination table."},
	{
		name: "mode", label: "Reading mode",
		help: "How the server is read.",
		choices: []choice{
			{"auto", "Automatic", "Scan, which suits every server; where the last sync read as a replica and the server still permits it, it goes on so."},
			{"scan", "Scan", "By SCAN, which every server permits: each sync reads every key, at its own moment."},
			{"replica", "Replica", "As a replica does, where PSYNC is permitted: the first sync reads all keys at one moment, later ones only what changed since, deletes among it."},
		},
	},
	{
		name: "tables", label: "Tables from key templates", placeholder: `[{"name": "players", "keys": "player:{player_id:int}:profile", "layout": "columns"}]`,
		help: "JSON list of tables that are fed by the keys which match a template: name, keys, layout, type and columns, as the tables setting of keylift. Tables of layout elements are read by scan.",
	},
	{
		name: "unmatched", label: "Keys that match no template",
		help: "What becomes of them.",
		choices: []choice{
			{"table", "Read", "They go to the table named above."},
			{"skip", "Skip", "They are not read."},
		},
	},
	{
		name: "allow_empty", label: "Accept an empty server", toggle: true,
		help: "Delete all rows where a sync finds no key to read. Otherwise such a sync stops, for most often it met the wrong server, or one that was emptied by mistake.",
	},
	{
		name: "read_from", label: "Read from",
		help: "Whether a replica spares the primary.",
		choices: []choice{
			{"primary", "Primary", "The server itself is read."},
			{"replica", "Replica", "A replica is read once it holds what the primary held when the sync began. Where none can be read, the primary is."},
		},
	},
	{name: "sentinel_name", label: "Sentinel: name", placeholder: "mymaster", help: "In place of the host: the name that sentinels monitor the primary by."},
	{name: "sentinel_addresses", label: "Sentinel: addresses", placeholder: "sentinel-1:26379, sentinel-2:26379", help: "Addresses of the sentinels, with commas. They tell where the primary is, which must be reachable there."},
	{name: "sentinel_username", label: "Sentinel: user name", help: "ACL user of the sentinels. Leave it empty for their default user."},
	{name: "sentinel_password", label: "Sentinel: password", secret: true, help: "Password of the sentinels. Leave it empty where they ask for none."},
	{
		name: "sentinel_tls", label: "Sentinel: TLS",
		help: "Whether the sentinels are asked by TLS. Leave it empty where they are as the server is.",
		choices: []choice{
			{"true", "By TLS", "Also where the server is reached without."},
			{"false", "Without TLS", "Also where the server is reached by TLS."},
		},
	},
	{name: "batch_size", label: "Batch size", help: "Keys asked for in one round trip, from 1 to 100000. More is faster, and holds up the server's other clients for longer."},
	{name: "big_key_bytes", label: "Big keys", help: "A collection larger than this is read in chunks, so that the server never stalls on it. Such as 16MiB."},
	{name: "max_value_bytes", label: "Largest value", help: "A value whose text is larger becomes NULL, with its true size and a warning. Such as 100MiB."},
	{name: "retry_for", label: "Retry for", help: "Time that faults which may pass are retried for before a sync fails. Such as 5m."},
	{name: "connect_timeout", label: "Connect timeout", help: "Time for a connection to be made. Such as 30s."},
	{name: "read_timeout", label: "Read timeout", help: "Time for the server to answer. Such as 30s."},
}

const (
	tlsGroup       = "tls"
	maxUploadBytes = 1 << 20
)

// fieldOf returns the field of a name, nil if there is none.
func fieldOf(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// form returns the setup form.
func form() *sdk.ConfigurationFormResponse {
	defaults := map[string]string{}
	for _, s := range config.Settings() {
		defaults[s.Key] = s.Default
	}
	f := &sdk.ConfigurationFormResponse{TableSelectionSupported: true}
	var group *sdk.ConditionalFields
	for i := range fields {
		made := fields[i].proto(defaults[fields[i].name])
		if !fields[i].underTLS {
			f.Fields = append(f.Fields, made)
			continue
		}
		if group == nil {
			group = &sdk.ConditionalFields{Condition: &sdk.VisibilityCondition{
				ConditionField: "ssl", VisibleWhen: &sdk.VisibilityCondition_BoolValue{BoolValue: true},
			}}
			f.Fields = append(f.Fields, &sdk.FormField{
				Name: tlsGroup, Label: "TLS", Type: &sdk.FormField_ConditionalFields{ConditionalFields: group},
			})
		}
		group.Fields = append(group.Fields, made)
	}
	for i := range setupTests {
		f.Tests = append(f.Tests, &sdk.ConfigurationTest{Name: setupTests[i].name, Label: setupTests[i].label})
	}
	return f
}

// proto returns the field as the form has it.
func (f *field) proto(def string) *sdk.FormField {
	made := &sdk.FormField{Name: f.name, Label: f.label, Description: &f.help}
	if f.placeholder != "" {
		made.Placeholder = &f.placeholder
	}
	if def != "" {
		made.DefaultValue = &def
	}
	switch {
	case f.toggle:
		made.Type = &sdk.FormField_ToggleField{ToggleField: &sdk.ToggleField{}}
	case f.upload:
		made.Type = &sdk.FormField_UploadField{UploadField: &sdk.UploadField{
			AllowedFileType: []string{".pem", ".crt", ".cer", ".key"}, MaxFileSizeBytes: maxUploadBytes,
		}}
	case f.choices != nil:
		down := &sdk.DescriptiveDropDownFields{}
		for _, c := range f.choices {
			down.DescriptiveDropdownField = append(down.DescriptiveDropdownField,
				&sdk.DescriptiveDropDownField{Value: c.value, Label: c.label, Description: c.help})
		}
		made.Type = &sdk.FormField_DescriptiveDropdownFields{DescriptiveDropdownFields: down}
	case f.secret:
		made.Type = &sdk.FormField_TextField{TextField: sdk.TextField_Password}
	default:
		made.Type = &sdk.FormField_TextField{TextField: sdk.TextField_PlainText}
	}
	return made
}
