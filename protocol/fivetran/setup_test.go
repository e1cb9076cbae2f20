package fivetran_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

func TestConfigurationForm(t *testing.T) {
	client, _ := serve(t)
	form, err := client.ConfigurationForm(t.Context(), &sdk.ConfigurationFormRequest{})
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]config.Setting{}
	for _, s := range config.Settings() {
		settings[s.Key] = s
	}
	var names []string
	check := func(f *sdk.FormField) {
		names = append(names, f.Name)
		s, ok := settings[f.Name]
		if !ok || f.Label == "" || f.GetDescription() == "" || f.Type == nil {
			t.Errorf("field %v", f)
		}
		if f.GetRequired() {
			t.Errorf("%s is required, though sentinels may name the host", f.Name)
		}
		if f.GetDefaultValue() != s.Default {
			t.Errorf("%s: default %q, the setting has %q", f.Name, f.GetDefaultValue(), s.Default)
		}
		if _, masked := f.Type.(*sdk.FormField_TextField); s.Secret && (!masked || f.GetTextField() != sdk.TextField_Password) {
			t.Errorf("%s is not masked", f.Name)
		}
	}
	for _, f := range form.Fields {
		group := f.GetConditionalFields()
		if group == nil {
			check(f)
			continue
		}
		names = append(names, f.Name+"(")
		if c := group.Condition; c.ConditionField != "ssl" || !c.GetBoolValue() {
			t.Errorf("condition %v", c)
		}
		for _, f := range group.Fields {
			check(f)
		}
		names = append(names, ")")
	}
	want := "host port username password database ssl tls( tls_ca tls_cert tls_key tls_server_name ) key_pattern exclude_pattern types table_name mode tables unmatched " +
		"allow_empty read_from sentinel_name sentinel_addresses sentinel_username sentinel_password sentinel_tls batch_size big_key_bytes max_value_bytes retry_for connect_timeout read_timeout"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields\n%s, want\n%s", got, want)
	}
	var tests, choices []string
	for _, test := range form.Tests {
		tests = append(tests, test.Name+": "+test.Label)
	}
	if got := strings.Join(tests, ", "); got != "connect: Reach the server, login: Log in, permissions: Permissions, keys: Keys that match" {
		t.Errorf("tests %s", got)
	}
	for _, f := range form.Fields {
		for _, c := range f.GetDescriptiveDropdownFields().GetDescriptiveDropdownField() {
			choices = append(choices, c.Value)
		}
	}
	if got := strings.Join(choices, " "); got != "auto scan replica table skip primary replica true false" {
		t.Errorf("choices %s", got)
	}
	if !form.TableSelectionSupported || form.SchemaSelectionSupported {
		t.Errorf("selection: of tables %t, of schemas %t", form.TableSelectionSupported, form.SchemaSelectionSupported)
	}
}

// Each mistake makes one of the tests fail, with what to do about it.
func TestTest(t *testing.T) {
	client, log := serve(t)
	configuration, _ := startRedis(t, testserver.Options{Password: "pw", ACL: []string{
		"default on >pw ~* &* +@all",
		"few on >pw ~* &* +@all -scan -dump -memory",
		"typed on >pw ~* &* +@all -dump",
	}}, "SET player:1 1", "SET player:2 2", "HSET hash f v")
	empty, _ := startRedis(t, testserver.Options{})
	for name, tt := range map[string]struct {
		configuration map[string]string
		fails, want   string
		passes        string
	}{
		"all well":        {configuration, "", "", "connect login permissions keys"},
		"one permission":  {with(configuration, "username", "typed"), "", "", "permissions keys"},
		"not there":       {with(configuration, "port", "1"), "connect", "the connection was refused; check host and port", ""},
		"wrong password":  {with(configuration, "password", "x"), "login", "check username and password", "connect"},
		"no password":     {with(configuration, "password", ""), "login", "set password", "connect"},
		"too few":         {with(configuration, "username", "few"), "permissions", "ACL SETUSER few +dump +memory|usage +scan", "connect login"},
		"no match":        {with(configuration, "key_pattern", "nothing:*"), "keys", "none of about 3 keys matches; check the key pattern", "connect login permissions"},
		"an empty server": {empty, "keys", "the database holds no key", "connect login permissions"},
		"a wrong value":   {with(configuration, "port", "0"), "connect", `port holds "0": write a whole number`, ""},
		"no such layout":  {with(configuration, "tables", `[{"name": "players", "keys": "player:{id}", "layout": "rows"}]`), "connect", `tables[players].layout holds "rows": write value, columns or elements`, ""},
		"kept versions":   {with(configuration, "tables", `[{"name": "players", "keys": "player:{id}", "history": true}]`), "connect", "tables[players].history is true: leave it out, and choose history mode", ""},
		"open columns":    {with(configuration, "tables", `[{"name": "players", "keys": "player:{id}", "layout": "columns", "new_fields": "add"}]`), "connect", "tables[players].new_fields is add: leave it out", ""},
		"followed boards": {with(configuration, "mode", "replica", "tables", `[{"name": "boards", "keys": "board:{id}", "layout": "elements", "type": "zset"}]`), "connect", "tables[boards].layout is elements, which mode replica cannot keep right in Fivetran: choose mode scan", ""},
		"no such mode":    {with(configuration, "mode", "rdb"), "connect", `mode holds "rdb", which the form does not offer`, ""},
		"no certificate":  {with(configuration, "ssl", "true", "tls_ca", "bm9uZQ=="), "connect", "tls_ca is no PEM file", ""},
		"half a pair":     {with(configuration, "ssl", "true", "tls_cert", base64.StdEncoding.EncodeToString([]byte("-----BEGIN X-----"))), "login", "upload both or neither", ""},
		"TLS left over":   {with(configuration, "ssl", "false", "tls_ca", "bm9uZQ==", "tls_server_name", "x"), "", "", "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			for test := range strings.FieldsSeq(tt.passes) {
				r, err := client.Test(t.Context(), &sdk.TestRequest{Name: test, Configuration: tt.configuration})
				if err != nil || !r.GetSuccess() {
					t.Errorf("%s: %v, %v", test, r, err)
				}
			}
			if tt.fails == "" {
				return
			}
			r, err := client.Test(t.Context(), &sdk.TestRequest{Name: tt.fails, Configuration: tt.configuration})
			if err != nil || r.GetSuccess() || !strings.Contains(r.GetFailure(), tt.want) {
				t.Errorf("%s: %v, %v; want %q", tt.fails, r, err, tt.want)
			}
		})
	}
	for _, want := range []string{"keys match: request=Test test=keys matching=3 keys_about=3", `grant=\"ACL SETUSER typed +dump\"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s\n%s", want, log)
		}
	}
	if _, err := client.Test(t.Context(), &sdk.TestRequest{Name: "nonesuch"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a test that is not there: %v", err)
	}
}

func TestSchema(t *testing.T) {
	client, _ := serve(t)
	configuration, _ := startRedis(t, testserver.Options{})
	for databases, want := range map[string]string{
		"0":   "redis_data: key STRING*, value STRING, data_type STRING, ttl LONG, expires_at UTC_DATETIME, last_modified UTC_DATETIME, size LONG",
		"0,1": "redis_data: database LONG*, key STRING*, value STRING, data_type STRING, ttl LONG, expires_at UTC_DATETIME, last_modified UTC_DATETIME, size LONG",
	} {
		r, err := client.Schema(t.Context(), &sdk.SchemaRequest{Configuration: with(configuration, "database", databases)})
		if err != nil || len(r.GetWithoutSchema().GetTables()) != 1 || r.GetSelectionNotSupported() {
			t.Fatalf("%v, %v", r, err)
		}
		table := r.GetWithoutSchema().Tables[0]
		var columns []string
		for _, c := range table.Columns {
			text := c.Name + " " + c.Type.String()
			if c.PrimaryKey {
				text += "*"
			}
			columns = append(columns, text)
		}
		if got := table.Name + ": " + strings.Join(columns, ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for name, tt := range map[string]struct {
		configuration map[string]string
		want          codes.Code
	}{
		"wrong value": {with(configuration, "port", "x"), codes.InvalidArgument},
		"unreachable": {with(configuration, "port", "1"), codes.Unavailable},
		"login":       {with(configuration, "username", "nobody", "password", "x"), codes.PermissionDenied},
	} {
		if _, err := client.Schema(t.Context(), &sdk.SchemaRequest{Configuration: tt.configuration}); status.Code(err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}
