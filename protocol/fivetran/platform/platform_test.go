package platform

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// A connector is a scripted one, right unless a test changes it.
type connector struct {
	sdk.UnimplementedSourceConnectorServer
	form   *sdk.ConfigurationFormResponse
	test   *sdk.TestResponse
	schema *sdk.SchemaResponse
	sends  []any // of Update: responses, raw bytes
	err    error // of Update
	asked  *sdk.UpdateRequest
}

func (c *connector) ConfigurationForm(context.Context, *sdk.ConfigurationFormRequest) (*sdk.ConfigurationFormResponse, error) {
	return c.form, nil
}

func (c *connector) Test(context.Context, *sdk.TestRequest) (*sdk.TestResponse, error) {
	return c.test, nil
}

func (c *connector) Schema(context.Context, *sdk.SchemaRequest) (*sdk.SchemaResponse, error) {
	return c.schema, nil
}

func (c *connector) Update(req *sdk.UpdateRequest, stream grpc.ServerStreamingServer[sdk.UpdateResponse]) error {
	c.asked = req
	for _, m := range c.sends {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return c.err
}

// rawCodec sends bytes as they are.
type rawCodec struct{ encoding.CodecV2 }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// right returns a connector of one table t (id, name, score) that breaks no rule.
func right() *connector {
	toggle := &sdk.FormField{Name: "tls", Label: "TLS", Type: &sdk.FormField_ToggleField{ToggleField: &sdk.ToggleField{}}}
	group := &sdk.FormField{Name: "group", Label: "Group", Type: &sdk.FormField_ConditionalFields{ConditionalFields: &sdk.ConditionalFields{
		Condition: &sdk.VisibilityCondition{ConditionField: "tls", VisibleWhen: &sdk.VisibilityCondition_BoolValue{BoolValue: true}},
		Fields: []*sdk.FormField{{Name: "ca", Label: "CA", Type: &sdk.FormField_UploadField{
			UploadField: &sdk.UploadField{AllowedFileType: []string{".pem"}, MaxFileSizeBytes: 1},
		}}},
	}}}
	choice := &sdk.FormField{Name: "mode", Label: "Mode", DefaultValue: new("a"), Type: &sdk.FormField_DropdownField{DropdownField: &sdk.DropdownField{DropdownField: []string{"a"}}}}
	return &connector{
		form: &sdk.ConfigurationFormResponse{
			Fields: []*sdk.FormField{toggle, group, choice, {Name: "host", Label: "Host", Required: new(true), Type: &sdk.FormField_TextField{}}},
			Tests:  []*sdk.ConfigurationTest{{Name: "connect", Label: "Connect"}},
		},
		test: &sdk.TestResponse{Response: &sdk.TestResponse_Success{Success: true}},
		schema: &sdk.SchemaResponse{Response: &sdk.SchemaResponse_WithoutSchema{WithoutSchema: &sdk.TableList{Tables: []*sdk.Table{{
			Name: "t", Columns: []*sdk.Column{
				{Name: "id", Type: sdk.DataType_LONG, PrimaryKey: true}, {Name: "name", Type: sdk.DataType_STRING}, {Name: "score", Type: sdk.DataType_DOUBLE},
			},
		}}}}},
		sends: []any{records(truncate(), upsert(1, "a"), upsert(2, "b")), checkpoint(`{"n":1}`)},
	}
}

func upsert(id int64, name string) *sdk.Record {
	return &sdk.Record{TableName: "t", Data: map[string]*sdk.ValueType{
		"id":   {Inner: &sdk.ValueType_Long{Long: id}},
		"name": {Inner: &sdk.ValueType_String_{String_: name}}, "score": {Inner: &sdk.ValueType_Null{Null: true}},
	}}
}

func remove(id int64) *sdk.Record {
	return &sdk.Record{TableName: "t", Type: sdk.RecordType_DELETE, Data: map[string]*sdk.ValueType{"id": {Inner: &sdk.ValueType_Long{Long: id}}}}
}

func change(id int64, score float64) *sdk.Record {
	r := remove(id)
	r.Type, r.Data["score"] = sdk.RecordType_UPDATE, &sdk.ValueType{Inner: &sdk.ValueType_Double{Double: score}}
	return r
}

func truncate() *sdk.Record { return &sdk.Record{TableName: "t", Type: sdk.RecordType_TRUNCATE} }

func records(all ...*sdk.Record) *sdk.UpdateResponse {
	return &sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Records{Records: &sdk.Records{Records: all}}}
}

func checkpoint(state string) *sdk.UpdateResponse {
	return &sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Checkpoint{Checkpoint: &sdk.Checkpoint{StateJson: state}}}
}

func warning(text string) *sdk.UpdateResponse {
	return &sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Warning{Warning: &sdk.Warning{Message: text}}}
}

func task(text string) *sdk.UpdateResponse {
	return &sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Task{Task: &sdk.Task{Message: text}}}
}

// A stand is where connectors are tried.
type stand struct {
	t *testing.T
	o Options
}

func newStand(t *testing.T) *stand {
	t.Helper()
	dir := t.TempDir()
	return &stand{t, Options{
		Configuration: map[string]string{"host": "h"}, Out: io.Discard,
		StateFile: filepath.Join(dir, "state.json"), Warehouse: filepath.Join(dir, "warehouse.db"),
	}}
}

// run runs the platform against c.
func (s *stand) run(c *connector) (*Report, error) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	g := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{encoding.GetCodecV2(grpcproto.Name)}))
	sdk.RegisterSourceConnectorServer(g, c)
	ended := make(chan error)
	go func() { ended <- g.Serve(l) }()
	s.o.Address = l.Addr().String()
	report, err := Run(s.t.Context(), s.o)
	g.Stop()
	if served := <-ended; served != nil {
		s.t.Fatal(served)
	}
	return report, err
}

// rows returns the rows of the table, as text.
func (s *stand) rows() string {
	s.t.Helper()
	db, err := sql.Open("duckdb", s.o.Warehouse+"?access_mode=READ_ONLY")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	var text sql.NullString
	err = db.QueryRowContext(s.t.Context(), "SELECT string_agg(concat(id, name, if(score IS NULL, '', score::VARCHAR), if(_fivetran_deleted, '-', '')), ' ' ORDER BY id) "+
		"FROM t WHERE _fivetran_synced IS NOT NULL").Scan(&text)
	if err != nil {
		s.t.Fatal(err)
	}
	return text.String
}

func (s *stand) state() string {
	b, err := os.ReadFile(s.o.StateFile)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(b)
}

func TestRun(t *testing.T) {
	s := newStand(t)
	c := right()
	report, err := s.run(c)
	if err != nil || report.Upserts != 2 || report.Truncates != 1 || report.Checkpoints != 1 || c.asked.StateJson != nil || c.asked.Selection != nil {
		t.Fatalf("first sync: %+v, %v, asked %v", report, err, c.asked)
	}
	if got := s.rows(); got != "1a 2b" || s.state() != `{"n":1}` {
		t.Errorf("first sync: rows %q, state %s", got, s.state())
	}

	// Of one key the last operation counts, in one message or over several.
	c = right()
	c.sends = []any{
		records(upsert(1, "x"), remove(1), upsert(3, "c"), remove(2), upsert(2, "y"), remove(9)),
		records(upsert(3, "z"), change(2, 1.5), remove(3), upsert(4, "d"), upsert(4, "e")), checkpoint(`{"n":2}`), warning("slowly"),
		&sdk.UpdateResponse{Operation: &sdk.UpdateResponse_Record{Record: upsert(5, "f")}}, checkpoint(`{"n":3}`),
	}
	report, err = s.run(c)
	if err != nil || report.Updates != 1 || report.Deletes != 4 || !slices.Equal(report.Warnings, []string{"slowly"}) || c.asked.GetStateJson() != `{"n":1}` {
		t.Fatalf("second sync: %+v, %v, asked %v", report, err, c.asked)
	}
	if got := s.rows(); got != "1x- 2y1.5 3z- 4e 5f" || s.state() != `{"n":3}` {
		t.Errorf("second sync: rows %q, state %s", got, s.state())
	}

	// A truncate marks what came before it, and nothing behind it.
	c = right()
	c.sends = []any{records(truncate()), records(upsert(5, "g")), checkpoint(`{"n":4}`)}
	if _, err = s.run(c); err != nil {
		t.Fatal(err)
	}
	if got := s.rows(); got != "1x- 2y1.5- 3z- 4e- 5g" {
		t.Errorf("third sync: rows %q", got)
	}
}

// What a broken-off sync has sent stays; the state is that of its last checkpoint,
// and the next sync is known to resume.
func TestRun_resume(t *testing.T) {
	s := newStand(t)
	c := right()
	c.sends = append(c.sends, records(upsert(3, "c")))
	c.err = status.Error(codes.Unavailable, "the server is gone")
	_, err := s.run(c)
	if err == nil || err.Error() != "Update fails: Unavailable: the server is gone" {
		t.Fatalf("got %v", err)
	}
	if got := s.rows(); got != "1a 2b 3c" || s.state() != `{"n":1}` {
		t.Errorf("rows %q, state %s", got, s.state())
	}

	c = right()
	c.sends = []any{records(truncate(), upsert(1, "x")), checkpoint(`{"n":2}`)}
	want(t, s, c, `table "t" is truncated although the sync resumes an unfinished one, and no warning says why`)
	if got := s.rows(); got != "1a 2b 3c" || s.state() != `{"n":1}` {
		t.Errorf("after a breach: rows %q, state %s", got, s.state())
	}

	c.sends = append([]any{warning("the server has restarted")}, c.sends...)
	report, err := s.run(c)
	if err != nil || !report.Resumed || s.rows() != "1x 2b- 3c-" {
		t.Errorf("%+v, %v, rows %q", report, err, s.rows())
	}
	if report, err = s.run(right()); err != nil || report.Resumed {
		t.Errorf("after a finished sync: %+v, %v", report, err)
	}
}

func TestRun_schemas(t *testing.T) {
	s := newStand(t)
	c := right()
	tables := c.schema.GetWithoutSchema().Tables
	c.schema.Response = &sdk.SchemaResponse_WithSchema{WithSchema: &sdk.SchemaList{Schemas: []*sdk.Schema{{Name: "game", Tables: tables}}}}
	r := upsert(1, "a")
	r.SchemaName = new("game")
	wider := []*sdk.Table{{Name: "t", Columns: append(slices.Clone(tables[0].Columns), &sdk.Column{Name: "more", Type: sdk.DataType_INT})}}
	wide := upsert(2, "b")
	wide.SchemaName, wide.Data["more"] = new("game"), &sdk.ValueType{Inner: &sdk.ValueType_Int{Int: 7}}
	c.sends = []any{
		records(r), checkpoint(`{}`),
		&sdk.UpdateResponse{Operation: &sdk.UpdateResponse_SchemaChange{SchemaChange: &sdk.SchemaChange{
			Change: &sdk.SchemaChange_WithSchema{WithSchema: &sdk.SchemaList{Schemas: []*sdk.Schema{{Name: "game", Tables: wider}}}},
		}}},
		records(wide), checkpoint(`{}`),
	}
	s.o.Deselect = []string{"game.t.score"}
	delete(r.Data, "score")
	delete(wide.Data, "score")
	if _, err := s.run(c); err != nil {
		t.Fatal(err)
	}
	chosen := c.asked.GetSelection().GetWithSchema().GetSchemas()[0].Tables[0]
	if !chosen.Included || chosen.Columns["score"] || !chosen.Columns["name"] {
		t.Errorf("selection %v", chosen)
	}
	db, err := sql.Open("duckdb", s.o.Warehouse)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text string
	if err := db.QueryRowContext(t.Context(), "SELECT string_agg(concat(id, name, more), ' ' ORDER BY id) FROM game.t").Scan(&text); err != nil || text != "1a 2b7" {
		t.Errorf("rows %q, %v", text, err)
	}
}

// want demands that c is refused with these sentences.
func want(t *testing.T, s *stand, c *connector, sentences ...string) {
	t.Helper()
	_, err := s.run(c)
	var breach *BreachError
	if !errors.As(err, &breach) {
		t.Errorf("got %v, want a breach: %s", err, sentences)
		return
	}
	for _, sentence := range sentences {
		if !slices.ContainsFunc(breach.Breaches, func(b string) bool { return strings.Contains(b, sentence) }) {
			t.Errorf("breaches %q, want %q", breach.Breaches, sentence)
		}
	}
	if len(breach.Breaches) != len(sentences) {
		t.Errorf("breaches %q, want %q", breach.Breaches, sentences)
	}
}

// without returns a record without a column.
func without(r *sdk.Record, column string) *sdk.Record {
	delete(r.Data, column)
	return r
}

// as returns a record with another value in a column.
func as(r *sdk.Record, column string, v *sdk.ValueType) *sdk.Record {
	r.Data[column] = v
	return r
}

// Every rule that a connector can break is caught.
func TestRun_breaches(t *testing.T) {
	many := make([]*sdk.Record, 101)
	for i := range many {
		many[i] = upsert(int64(i), "x")
	}
	elsewhere := upsert(1, "a")
	elsewhere.TableName = "elsewhere"
	strange := upsert(1, "a")
	strange.Type = 9
	// UpdateResponse{Warning{"\xff"}}
	latin := []byte{0x22, 0x03, 0x0a, 0x01, 0xff}
	for sentence, breaks := range map[string]func(c *connector){
		`the form has two fields "host"`: func(c *connector) { c.form.Fields = append(c.form.Fields, c.form.Fields[3]) },
		`field "x" of the form, labelled ""`: func(c *connector) {
			c.form.Fields = append(c.form.Fields, &sdk.FormField{Name: "x", Type: &sdk.FormField_TextField{}})
		},
		`field "x" of the form has no type`: func(c *connector) { c.form.Fields = append(c.form.Fields, &sdk.FormField{Name: "x", Label: "X"}) },
		`field "mode" of the form has nothing to choose from`: func(c *connector) {
			c.form.Fields[2].GetDropdownField().DropdownField, c.form.Fields[2].DefaultValue = nil, nil
		},
		`the default of field "mode" is not among its choices`: func(c *connector) { c.form.Fields[2].DefaultValue = new("b") },
		`field "ca" of the form takes no file`: func(c *connector) {
			c.form.Fields[1].GetConditionalFields().Fields[0].GetUploadField().AllowedFileType = nil
		},
		`group "group" of the form depends on "tsl"`:           func(c *connector) { c.form.Fields[1].GetConditionalFields().Condition.ConditionField = "tsl" },
		`group "group" of the form does not say when it shows`: func(c *connector) { c.form.Fields[1].GetConditionalFields().Condition.VisibleWhen = nil },
		`group "group" of the form is empty`:                   func(c *connector) { c.form.Fields[1].GetConditionalFields().Fields = nil },
		`test "connect" of the form, labelled ""`:              func(c *connector) { c.form.Tests[0].Label = "" },
		`the test "connect" has no outcome`:                    func(c *connector) { c.test = &sdk.TestResponse{} },
		`the test "connect" neither succeeds`:                  func(c *connector) { c.test = &sdk.TestResponse{Response: &sdk.TestResponse_Success{}} },
		`the test "connect" fails and does not say why`:        func(c *connector) { c.test = &sdk.TestResponse{Response: &sdk.TestResponse_Failure{}} },

		`the schema response is empty`:            func(c *connector) { c.schema = &sdk.SchemaResponse{} },
		`a table has no name`:                     func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Name = "" },
		`table "t" is described twice`:            func(c *connector) { l := c.schema.GetWithoutSchema(); l.Tables = append(l.Tables, l.Tables[0]) },
		`table "t" has no primary key`:            func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Columns[0].PrimaryKey = false },
		`table "t" has two columns "name"`:        func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Columns[2].Name = "name" },
		`table "t" has a column without a name`:   func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Columns[2].Name = "" },
		`"_fivetran_x" of table "t" has a name`:   func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Columns[2].Name = "_fivetran_x" },
		`has the type NAIVE_TIME`:                 func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Columns[2].Type = sdk.DataType_NAIVE_TIME },
		`has the type UNSPECIFIED`:                func(c *connector) { c.schema.GetWithoutSchema().Tables[0].Columns[2].Type = 0 },
		`a message holds 101 records`:             func(c *connector) { c.sends[0] = records(many...) },
		`a message has 128000017 bytes`:           func(c *connector) { c.sends[0] = warning(strings.Repeat("x", 128_000_007)) },
		`a message holds text that is not valid`:  func(c *connector) { c.sends[0] = latin },
		`a message cannot be decoded`:             func(c *connector) { c.sends[0] = []byte{0xff} },
		`a message holds no operation`:            func(c *connector) { c.sends[0] = &sdk.UpdateResponse{} },
		`a record is of table "elsewhere"`:        func(c *connector) { c.sends[0] = records(elsewhere) },
		`has the unknown type 9`:                  func(c *connector) { c.sends[0] = records(strange) },
		`UPSERT of table "t" lacks column "name"`: func(c *connector) { c.sends[0] = records(without(upsert(1, "a"), "name")) },
		`UPSERT of table "t" has no value in "id"`: func(c *connector) {
			c.sends[0] = records(as(upsert(1, "a"), "id", &sdk.ValueType{Inner: &sdk.ValueType_Null{Null: true}}))
		},
		`DELETE of table "t" has no value in "id"`: func(c *connector) { c.sends[0] = records(without(remove(1), "id")) },
		`UPDATE of table "t" has no value in "id"`: func(c *connector) { c.sends[0] = records(without(change(1, 1), "id")) },
		`carries column "rank", which the schema does not have`: func(c *connector) {
			c.sends[0] = records(as(upsert(1, "a"), "rank", &sdk.ValueType{Inner: &sdk.ValueType_Long{}}))
		},
		`has a LONG in column "name", which is STRING`: func(c *connector) {
			c.sends[0] = records(as(upsert(1, "a"), "name", &sdk.ValueType{Inner: &sdk.ValueType_Long{}}))
		},
		`has a UNSPECIFIED in column "name"`:            func(c *connector) { c.sends[0] = records(as(upsert(1, "a"), "name", &sdk.ValueType{})) },
		`table "t" is truncated twice in one sync`:      func(c *connector) { c.sends[0] = records(truncate(), upsert(1, "a"), truncate()) },
		`is truncated behind records of the same sync`:  func(c *connector) { c.sends[0] = records(upsert(1, "a"), truncate()) },
		`the state of a checkpoint is not JSON`:         func(c *connector) { c.sends[1] = checkpoint(`{"n":`) },
		`keep it below 65536, it is stored`:             func(c *connector) { c.sends[1] = checkpoint(`"` + strings.Repeat("x", 70_000) + `"`) },
		`the sync ends with 3 records behind its last`:  func(c *connector) { c.sends = c.sends[:1] },
		`a warning says nothing`:                        func(c *connector) { c.sends[0] = warning("") },
		`a task does not say what to do`:                func(c *connector) { c.sends = []any{task("")} },
		`something follows a task, which ends a sync`:   func(c *connector) { c.sends = []any{task("act"), task("again")} },
		`a status needs a code and a clear message`:     func(c *connector) { c.err = errors.New("oops") },
		`Update fails with the status Internal, messag`: func(c *connector) { c.err = status.Error(codes.Internal, "") },
		`a schema change does not go with the schema`: func(c *connector) {
			c.sends[0] = &sdk.UpdateResponse{Operation: &sdk.UpdateResponse_SchemaChange{SchemaChange: &sdk.SchemaChange{}}}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := right()
			breaks(c)
			want(t, newStand(t), c, sentence)
		})
	}
	t.Run("deselected", func(t *testing.T) {
		s := newStand(t)
		s.o.Deselect = []string{"t.score"}
		want(t, s, right(), `UPSERT of table "t" carries column "score", which was deselected`)
		s.o.Deselect = []string{"t"}
		want(t, s, right(), `a record is of table "t", which was deselected`)
	})
	t.Run("several", func(t *testing.T) {
		c := right()
		c.sends[0] = records(without(upsert(1, "a"), "name"), elsewhere)
		want(t, newStand(t), c, `lacks column "name"`, `table "elsewhere"`)
	})
	t.Run("no schema", func(t *testing.T) {
		c := right()
		c.schema.Response = &sdk.SchemaResponse_WithSchema{WithSchema: &sdk.SchemaList{Schemas: []*sdk.Schema{{Name: "game", Tables: c.schema.GetWithoutSchema().Tables}}}}
		want(t, newStand(t), c, `a record of table "t" names no schema`)
	})
}

// Checkpoints come at least every hour.
func TestChecker_late(t *testing.T) {
	now := time.Unix(0, 0)
	b := &breaches{}
	c := &checker{platform: &platform{tables: map[tableName]*table{{"", "t"}: {columns: right().schema.GetWithoutSchema().Tables[0].Columns, keys: 1}}}, breaches: b, now: func() time.Time { return now }, last: now}
	for range 3 {
		now = now.Add(59 * time.Minute)
		c.records([]*sdk.Record{upsert(1, "a")})
		c.checkpoint("{}")
	}
	if b.err() != nil {
		t.Error(b.err())
	}
	now = now.Add(61 * time.Minute)
	c.records([]*sdk.Record{upsert(1, "a")})
	if err := b.err(); err == nil || err.Error() != "no checkpoint came for more than 1h0m0s" {
		t.Errorf("got %v", err)
	}
}

// A connector that is not there is not waited for without end.
func TestRun_nobody(t *testing.T) {
	port, err := testserver.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer port.Release()
	_, err = Run(t.Context(), Options{Address: port.Address(), Out: io.Discard, WaitFor: 10 * time.Millisecond})
	if want := "no connector answers at " + port.Address() + "; start it there (keylift serve), or say where it is by --port or --address"; err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
}

// What is no breach, but keeps a sync from running, is said as it is.
func TestRun_refused(t *testing.T) {
	s := newStand(t)
	c := right()
	c.sends = []any{task("grant SCAN")}
	_, err := s.run(c)
	if asked, ok := errors.AsType[*TaskError](err); !ok || asked.Message != "grant SCAN" {
		t.Errorf("task: %v", err)
	}
	c.test = &sdk.TestResponse{Response: &sdk.TestResponse_Failure{Failure: "no route"}}
	if _, err := s.run(c); err == nil || err.Error() != `the test "Connect" fails: no route` {
		t.Errorf("test: %v", err)
	}
	for want, o := range map[string]Options{
		`lacks "host"`: {Configuration: map[string]string{}},
		`holds "hots"`: {Configuration: map[string]string{"host": "h", "hots": "x"}},
		`"u" cannot be deselected: there is no such table`:         {Deselect: []string{"u"}},
		`"t.id" cannot be deselected: it is no column, or part of`: {Deselect: []string{"t.id"}},
	} {
		s := newStand(t)
		if o.Configuration != nil {
			s.o.Configuration = o.Configuration
		}
		s.o.Deselect = o.Deselect
		if _, err := s.run(right()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := os.WriteFile(s.o.StateFile, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(right()); err == nil || !strings.Contains(err.Error(), "is not JSON; remove the file") {
		t.Errorf("got %v", err)
	}
}
