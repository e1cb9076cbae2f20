// Package platform plays Fivetran towards a source connector, any connector: it
// asks for the form, runs the tests, asks for the schema, and syncs into a local
// DuckDB file with the platform's semantics. It checks the rules of the protocol
// on the way and refuses a connector that breaks one. It is for trying a connector
// out and for its tests; it schedules nothing.
package platform

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// Options say which connector to call, and where to keep what it sends.
type Options struct {
	Address       string            // host:port of the connector
	Configuration map[string]string // what a user would fill in; files in base64
	StateFile     string            // holds the state between syncs
	Warehouse     string            // the DuckDB file
	Deselect      []string          // tables, and columns as "table.column", that are not to be sent
	Out           io.Writer         // told how it goes, a line each
	WaitFor       time.Duration     // for the connector to listen; 0: a minute
}

// A Report counts what one sync sent.
type Report struct {
	Upserts, Updates, Deletes, Truncates int64
	Messages, Bytes                      int64
	Checkpoints                          int64
	Warnings                             []string
	Resumed                              bool // the last sync had not ended
	Elapsed                              time.Duration
}

// waitFor is how long a connector may take until it listens.
const waitFor = time.Minute

// A BreachError lists the rules that a connector broke.
type BreachError struct {
	Breaches []string // one sentence each
}

func (e *BreachError) Error() string { return strings.Join(e.Breaches, "\n") }

// A TaskError says what a connector asks its user to do.
type TaskError struct{ Message string }

func (e *TaskError) Error() string { return "the connector asks you to act: " + e.Message }

// Run sets a connector up and syncs once. The error is a *BreachError where the
// connector broke a rule, a *TaskError where it asks its user to act. What came before
// is in the warehouse, and the report is valid.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	report = &Report{}
	conn, err := grpc.NewClient(o.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return report, fmt.Errorf("connect to %s: %w", o.Address, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	p := &platform{o: o, client: sdk.NewSourceConnectorClient(conn), conn: conn, report: report}
	if err := p.setUp(ctx); err != nil {
		return report, err
	}
	if err := p.schema(ctx); err != nil {
		return report, err
	}
	return report, p.sync(ctx)
}

// A platform is one run.
type platform struct {
	o        Options
	client   sdk.SourceConnectorClient
	conn     *grpc.ClientConn
	report   *Report
	tables   map[tableName]*table
	schemas  bool // the connector has schemas
	breaches breaches
}

func (p *platform) say(format string, args ...any) { _, _ = fmt.Fprintf(p.o.Out, format+"\n", args...) }

// setUp asks for the form, checks it, and runs its tests.
func (p *platform) setUp(ctx context.Context) error {
	waiting, stop := context.WithTimeout(ctx, cmp.Or(p.o.WaitFor, waitFor))
	defer stop()
	form, err := p.client.ConfigurationForm(waiting, &sdk.ConfigurationFormRequest{}, grpc.WaitForReady(true))
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no connector answers at %s; start it there (keylift serve), or say where it is by --port or --address", p.o.Address)
	}
	if err != nil {
		return failed("ConfigurationForm", err)
	}
	checkForm(&p.breaches, form)
	if err := p.breaches.err(); err != nil {
		return err
	}
	if err := p.checkConfiguration(form); err != nil {
		return err
	}
	p.say("form: %d fields, %d tests", len(form.Fields), len(form.Tests))
	for _, test := range form.Tests {
		response, err := p.client.Test(ctx, &sdk.TestRequest{Name: test.Name, Configuration: p.o.Configuration})
		if err != nil {
			return failed("Test "+test.Name, err)
		}
		switch r := response.Response.(type) {
		case *sdk.TestResponse_Failure:
			if r.Failure != "" {
				return fmt.Errorf("the test %q fails: %s", test.Label, r.Failure)
			}
			p.breaches.add("the test %q fails and does not say why", test.Name)
		case *sdk.TestResponse_Success:
			if !r.Success {
				p.breaches.add("the test %q neither succeeds nor says why it fails", test.Name)
			}
		default:
			p.breaches.add("the test %q has no outcome", test.Name)
		}
		p.say("test: %s: passed", test.Label)
	}
	return p.breaches.err()
}

// checkConfiguration compares the configuration with the form, as the form itself
// would.
func (p *platform) checkConfiguration(form *sdk.ConfigurationFormResponse) error {
	var names []string
	for f := range formFields(form.Fields) {
		names = append(names, f.Name)
		if f.GetRequired() && p.o.Configuration[f.Name] == "" {
			return fmt.Errorf("the configuration lacks %q, which the form requires", f.Name)
		}
	}
	for name := range p.o.Configuration {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the configuration holds %q, which the form does not have; its fields are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// schema asks for the tables.
func (p *platform) schema(ctx context.Context) error {
	response, err := p.client.Schema(ctx, &sdk.SchemaRequest{Configuration: p.o.Configuration})
	if err != nil {
		return failed("Schema", err)
	}
	p.tables = map[tableName]*table{}
	switch r := response.Response.(type) {
	case *sdk.SchemaResponse_WithSchema:
		p.schemas = true
		p.addSchemas(r.WithSchema)
	case *sdk.SchemaResponse_WithoutSchema:
		p.addTables("", r.WithoutSchema.GetTables())
	case *sdk.SchemaResponse_SchemaResponseNotSupported:
		return errors.New("the connector does not describe its tables before a sync, which this runner needs")
	default:
		p.breaches.add("the schema response is empty")
	}
	if err := p.breaches.err(); err != nil {
		return err
	}
	p.say("schema: %d tables", len(p.tables))
	return p.deselect(response.GetSelectionNotSupported())
}

// sync runs Update and applies what it sends.
func (p *platform) sync(ctx context.Context) (err error) {
	began := time.Now()
	defer func() { p.report.Elapsed = time.Since(began) }()
	w, err := openWarehouse(ctx, p.o.Warehouse)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	state, err := readState(p.o.StateFile)
	if err != nil {
		return err
	}
	if p.report.Resumed, err = w.unfinished(ctx, state); err != nil {
		return err
	}
	for _, t := range p.tables {
		if err := w.prepare(ctx, t); err != nil {
			return err
		}
	}
	s := &syncing{platform: p, warehouse: w, check: checker{platform: p, resumed: p.report.Resumed, now: time.Now, breaches: &p.breaches}}
	err = s.run(ctx, state)
	// What came is applied whatever the end: the platform may have done so before it.
	if applied := s.apply(context.WithoutCancel(ctx), err == nil); applied != nil {
		return errors.Join(err, applied)
	}
	return err
}

// failed explains an error of a call.
func failed(call string, err error) error {
	s := status.Convert(err)
	if s.Code() == codes.Unknown || s.Message() == "" {
		return &BreachError{[]string{fmt.Sprintf("%s fails with the status %s, message %q: a status needs a code and a clear message", call, s.Code(), s.Message())}}
	}
	return fmt.Errorf("%s fails: %s: %s", call, s.Code(), s.Message())
}

// readState returns what the state file holds; "" if there is none.
func readState(file string) (string, error) {
	b, err := os.ReadFile(file)
	switch {
	case os.IsNotExist(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the state: %w", err)
	case !json.Valid(b):
		return "", fmt.Errorf("the state in %s is not JSON; remove the file to start over", file)
	}
	return string(b), nil
}

// writeState replaces the state file.
func writeState(file, state string) error {
	next := file + ".next"
	if err := os.WriteFile(next, []byte(state), 0o600); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := os.Rename(next, filepath.Clean(file)); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}
