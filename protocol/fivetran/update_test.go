package fivetran_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

func TestUpdate(t *testing.T) {
	client, log := serve(t)
	configuration, redis := startRedis(t, testserver.Options{}, "SET a 1", "HSET b f v", "SET c 3")

	first, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration})
	if first.err != nil || steps != "TUC" || first.warnings != nil || first.tasks != nil {
		t.Fatalf("first sync: %s, %+v", steps, first)
	}
	if got, want := keysOf(first.records), map[string]string{"a": "1", "b": `{"f":"v"}`, "c": "3"}; !maps.Equal(got, want) {
		t.Errorf("first sync: %v, want %v", got, want)
	}
	var columns []string
	for name := range first.records[1].Data {
		columns = append(columns, name)
	}
	slices.Sort(columns)
	if got := strings.Join(columns, " "); got != "data_type expires_at key last_modified size ttl value" {
		t.Errorf("columns %s", got)
	}

	// A key that is gone is in no record: TRUNCATE has marked its row.
	do(t, redis, "DEL a", "SET c 33")
	second, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration, StateJson: last(first.states)})
	if second.err != nil || steps != "TUC" {
		t.Fatalf("second sync: %s, %v", steps, second.err)
	}
	if got, want := keysOf(second.records), map[string]string{"b": `{"f":"v"}`, "c": "33"}; !maps.Equal(got, want) {
		t.Errorf("second sync: %v, want %v", got, want)
	}
	for generation, states := range [][]string{first.states, second.states} {
		var state struct {
			Version, Generation int
		}
		if err := json.Unmarshal([]byte(*last(states)), &state); err != nil || state.Version != 1 || state.Generation != generation+1 {
			t.Errorf("state %s: %v", *last(states), err)
		}
	}

	// No key is left: nothing is sent, until the user says that it is meant so.
	do(t, redis, "FLUSHALL")
	third, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration, StateJson: last(second.states)})
	if want := "the server holds no key that this connection reads"; third.err != nil || steps != "!" || !strings.HasPrefix(third.tasks[0], want) {
		t.Fatalf("third sync: %s, %v, %q, want a task: %s", steps, third.err, third.tasks, want)
	}
	third, steps = update(t, client, &sdk.UpdateRequest{Configuration: with(configuration, "allow_empty", "true"), StateJson: last(second.states)})
	if third.err != nil || steps != "TC" {
		t.Fatalf("third sync: %s, %v", steps, third.err)
	}
	fourth, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration, StateJson: last(third.states)})
	if fourth.err != nil || steps != "TC" {
		t.Fatalf("fourth sync: %s, %v", steps, fourth.err)
	}
	if n := strings.Count(log.String(), "sync ended: request=Update outcome=complete"); n != 4 {
		t.Errorf("%d summaries in the log\n%s", n, log)
	}
}

// Checkpoints come at least every batch of about a thousand keys; a sync that
// goes on from any of them sends the rest, without TRUNCATE.
func TestUpdate_resume(t *testing.T) {
	client, _ := serve(t)
	configuration, redis := startRedis(t, testserver.Options{})
	fillKeys(t, redis, 20_000)
	first, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration})
	if first.err != nil || !strings.HasPrefix(steps, "TUCUC") || len(first.states) < 14 {
		t.Fatalf("%s, %d checkpoints, %v", steps, len(first.states), first.err)
	}
	all := keysOf(first.records)
	if len(all) != 20_000 {
		t.Fatalf("%d keys", len(all))
	}
	sent := 20_000
	for i := 0; i < len(first.states)-1; i += 3 {
		rest, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration, StateJson: &first.states[i]})
		if rest.err != nil || strings.Contains(steps, "T") || rest.warnings != nil {
			t.Fatalf("after checkpoint %d: %s, %v, %v", i, steps, rest.warnings, rest.err)
		}
		if n := len(keysOf(rest.records)); n >= sent || n == 0 {
			t.Errorf("after checkpoint %d: %d keys, %d after the one before", i, n, sent)
		} else {
			sent = n
		}
		if len(first.states[i]) > 2<<10 {
			t.Errorf("a state of %d bytes", len(first.states[i]))
		}
	}

	// What the position points into has changed: the snapshot starts over and says so.
	for name, req := range map[string]*sdk.UpdateRequest{
		"pattern": {Configuration: with(configuration, "key_pattern", "key:1*")},
		"table":   {Configuration: with(configuration, "table_name", "elsewhere")},
		"columns": {Configuration: configuration, Selection: without("redis_data", "ttl")},
	} {
		req.StateJson = &first.states[5]
		again, steps := update(t, client, req)
		if again.err != nil || !strings.HasPrefix(steps, "WTU") || len(again.warnings) != 1 {
			t.Errorf("%s: %s, %v, %v", name, steps, again.warnings, again.err)
		}
	}
}

// without returns a selection of all but some columns of a table.
func without(table string, columns ...string) *sdk.Selection {
	chosen := &sdk.TableSelection{Included: true, TableName: table, Columns: map[string]bool{}, IncludeNewColumns: true}
	for _, c := range columns {
		chosen.Columns[c] = false
	}
	return &sdk.Selection{Selection: &sdk.Selection_WithoutSchema{WithoutSchema: &sdk.TablesWithNoSchema{Tables: []*sdk.TableSelection{chosen}, IncludeNewTables: true}}}
}

func TestUpdate_selection(t *testing.T) {
	client, _ := serve(t)
	configuration, redis := startRedis(t, testserver.Options{}, "SET a 1", "CONFIG RESETSTAT")
	r, _ := update(t, client, &sdk.UpdateRequest{Configuration: configuration, Selection: without("redis_data", "value", "ttl", "key")})
	var columns []string
	for name := range r.records[1].Data {
		columns = append(columns, name)
	}
	slices.Sort(columns)
	if got := strings.Join(columns, " "); r.err != nil || got != "data_type expires_at key last_modified size" {
		t.Errorf("columns %s, %v", got, r.err)
	}

	// Only what was chosen by name.
	few := &sdk.TableSelection{Included: true, TableName: "redis_data", Columns: map[string]bool{"value": true}}
	selection := &sdk.Selection{Selection: &sdk.Selection_WithoutSchema{WithoutSchema: &sdk.TablesWithNoSchema{Tables: []*sdk.TableSelection{few}}}}
	r, _ = update(t, client, &sdk.UpdateRequest{Configuration: configuration, Selection: selection})
	if d := r.records[1].Data; r.err != nil || len(d) != 2 || d["value"].GetString_() != "1" || d["key"].GetString_() != "a" {
		t.Errorf("data %v, %v", d, r.err)
	}

	// A deselected table is not read.
	do(t, redis, "CONFIG RESETSTAT")
	for _, selection := range []*sdk.TablesWithNoSchema{
		{Tables: []*sdk.TableSelection{{TableName: "redis_data"}}, IncludeNewTables: true},
		{},
	} {
		r, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration, Selection: &sdk.Selection{Selection: &sdk.Selection_WithoutSchema{WithoutSchema: selection}}})
		if r.err != nil || steps != "" {
			t.Errorf("deselected: %s, %v", steps, r.err)
		}
	}
	stats, err := redis.Do(t.Context(), redis.B().Info().Section("commandstats").Build()).ToString()
	if err != nil || !strings.Contains(stats, "cmdstat_scan:calls=2,") { // one to try it, for each
		t.Errorf("%v, %s", err, stats)
	}

	schemas := &sdk.Selection{Selection: &sdk.Selection_WithSchema{WithSchema: &sdk.TablesWithSchema{}}}
	if r, _ = update(t, client, &sdk.UpdateRequest{Configuration: configuration, Selection: schemas}); status.Code(r.err) != codes.InvalidArgument {
		t.Errorf("a selection with schemas: %v", r.err)
	}
}

func TestUpdate_state(t *testing.T) {
	client, log := serve(t)
	configuration, _ := startRedis(t, testserver.Options{}, "SET a 1")
	for name, tt := range map[string]struct {
		state, steps, logged string
	}{
		"empty":        {"", "TUC", ""},
		"reset":        {"{}", "TUC", ""},
		"reference":    {`{"cursor": 42, "last_sync_time": "2025-01-01T00:00:00Z", "timeseries_state": {}}`, "TUC", "the Connector SDK's Redis example"},
		"newer":        {`{"version": 2, "generation": 7, "position": "x", "more": true}`, "WTUC", "cannot be read"},
		"broken":       {`{"version": 1, "generation`, "WTUC", "cannot be read"},
		"no object":    {`[1]`, "WTUC", "cannot be read"},
		"old position": {`{"version": 1, "generation": 7, "position": "x", "tables": "0"}`, "WTUC", "columns have changed"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(log.String())
			r, steps := update(t, client, &sdk.UpdateRequest{Configuration: configuration, StateJson: &tt.state})
			if r.err != nil || steps != tt.steps {
				t.Errorf("%s, %v, %v", steps, r.warnings, r.err)
			}
			if lines := log.String()[before:]; !strings.Contains(lines, tt.logged) {
				t.Errorf("log %s", lines)
			}
		})
	}
}

// What only the user can mend is a task, and ends the sync; for the rest there
// are statuses.
func TestUpdate_task(t *testing.T) {
	client, _ := serve(t)
	configuration, _ := startRedis(t, testserver.Options{Password: "open-sesame", ACL: []string{
		"noscan on >open-sesame ~* +@all -scan", "default on >open-sesame ~* &* +@all",
	}}, "SET a 1")
	for name, tt := range map[string]struct {
		configuration map[string]string
		want          string
	}{
		"wrong password": {with(configuration, "password", "close-sesame"), "check username and password"},
		"no permission":  {with(configuration, "username", "noscan"), "SCAN is not permitted"},
		"unreachable":    {with(configuration, "port", "1"), "check host and port"},
		"no such field":  {with(configuration, "hots", "x"), `no field "hots"`},
		"a command":      {with(configuration, "password_command", "id"), `no field "password_command"`},
		"a file":         {with(configuration, "password_file", "/etc/passwd"), `no field "password_file"`},
		"wrong value":    {with(configuration, "batch_size", "many"), "batch_size holds"},
		"no host":        {map[string]string{}, "host is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			r, steps := update(t, client, &sdk.UpdateRequest{Configuration: tt.configuration})
			if r.err != nil || steps != "!" || len(r.tasks) != 1 || !strings.Contains(r.tasks[0], tt.want) {
				t.Errorf("%s, %v, %v; want a task with %q", steps, r.tasks, r.err, tt.want)
			}
		})
	}
}

// A cancelled sync stops reading, and the connector takes the next one.
func TestUpdate_cancel(t *testing.T) {
	client, log := serve(t)
	configuration, redis := startRedis(t, testserver.Options{})
	fillKeys(t, redis, 50_000)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.Update(ctx, &sdk.UpdateRequest{Configuration: configuration})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	for !strings.Contains(log.String(), "outcome=cancelled") {
		time.Sleep(10 * time.Millisecond)
	}
	if strings.Contains(log.String(), "rows_read=50000") {
		t.Errorf("it read on\n%s", log)
	}
	if r, _ := update(t, client, &sdk.UpdateRequest{Configuration: configuration}); r.err != nil || len(keysOf(r.records)) != 50_000 {
		t.Errorf("the next sync: %d keys, %v", len(keysOf(r.records)), r.err)
	}
}

// Values that are too long are NULL, with a warning.
func TestUpdate_oversized(t *testing.T) {
	client, _ := serve(t)
	configuration, redis := startRedis(t, testserver.Options{}, "SET small 1")
	if err := redis.Do(t.Context(), redis.B().Set().Key("big").Value(strings.Repeat("x", 3<<20)).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	r, steps := update(t, client, &sdk.UpdateRequest{Configuration: with(configuration, "max_value_bytes", "2MiB")})
	if r.err != nil || len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "becomes NULL") {
		t.Fatalf("%s, %v, %v", steps, r.warnings, r.err)
	}
	for _, record := range r.records[1:] {
		if d := record.Data; d["key"].GetString_() == "big" && (!d["value"].GetNull() || d["size"].GetLong() != 3<<20) {
			t.Errorf("got %.300v", record)
		}
	}
	if r, _ := update(t, client, &sdk.UpdateRequest{Configuration: configuration}); r.err != nil || len(keysOf(r.records)["big"]) != 3<<20 {
		t.Errorf("within the limit: %v", r.err)
	}
}

// Nothing that the platform or a reader of the log sees holds a password, the
// name of a key or a value.
func TestUpdate_canary(t *testing.T) {
	client, log := serve(t)
	const password, key, value = "canary-password", "canary-key", "canary-value"
	configuration, _ := startRedis(t, testserver.Options{Password: password, ACL: []string{
		"default on >" + password + " ~* &* +@all", "some on >" + password + " ~other:* +@all",
	}}, "SET "+key+" "+value, "SET other:1 "+value, "SET other:big "+strings.Repeat(value, 1000))
	var said []string
	for _, c := range []map[string]string{
		configuration,
		with(configuration, "username", "some"), // its key may not be read
		with(configuration, "max_value_bytes", "100"),
		with(configuration, "password", password+"-wrong"),
		with(configuration, "tls_ca", password, "ssl", "true"),
	} {
		r, _ := update(t, client, &sdk.UpdateRequest{Configuration: c})
		said = append(append(append(said, r.states...), r.warnings...), r.tasks...)
		if r.err != nil {
			said = append(said, r.err.Error())
		}
		for _, name := range []string{"connect", "login", "permissions", "keys"} {
			response, err := client.Test(t.Context(), &sdk.TestRequest{Name: name, Configuration: c})
			said = append(said, response.GetFailure())
			if err != nil {
				said = append(said, err.Error())
			}
		}
		if _, err := client.Schema(t.Context(), &sdk.SchemaRequest{Configuration: c}); err != nil {
			said = append(said, err.Error())
		}
	}
	if !strings.Contains(strings.Join(said, "\n"), "were set aside") {
		t.Errorf("nothing was set aside: %q", said)
	}
	for _, canary := range []string{password, key, value} {
		for _, text := range append(said, log.String()) {
			if strings.Contains(text, canary) {
				t.Errorf("%q is in %s", canary, text)
			}
		}
	}
}
