package fivetran

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
)

// ConfigurationForm returns the setup form and the names of its tests.
func (s *server) ConfigurationForm(context.Context, *sdk.ConfigurationFormRequest) (*sdk.ConfigurationFormResponse, error) {
	return form(), nil
}

// Schema returns the tables that a configuration leads to.
func (s *server) Schema(ctx context.Context, req *sdk.SchemaRequest) (response *sdk.SchemaResponse, err error) {
	log, began := s.o.Logger.With("request", "Schema"), time.Now()
	defer func() { ended(log, began, err) }()
	cfg, err := configuration(req.Configuration)
	if err != nil {
		return nil, statusOf(err)
	}
	src, err := s.o.Open(cfg, log)
	if err != nil {
		return nil, statusOf(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	tables, err := src.Tables(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	return &sdk.SchemaResponse{Response: &sdk.SchemaResponse_WithoutSchema{WithoutSchema: schemaOf(tables)}}, nil
}

// A setupTest is one line of the tests that follow the form.
type setupTest struct {
	name, label string
	// run returns what keeps a sync from working, as the user reads it.
	run func(t *trial, ctx context.Context) error
}

// A trial is what the tests share.
type trial struct {
	cfg *config.Config
	src source.Source
	log *slog.Logger
}

var setupTests = []setupTest{
	{"connect", "Reach the server", (*trial).connect},
	{"login", "Log in", (*trial).login},
	{"permissions", "Permissions", (*trial).permissions},
	{"keys", "Keys that match", (*trial).keys},
}

// Test runs one of the form's tests.
func (s *server) Test(ctx context.Context, req *sdk.TestRequest) (*sdk.TestResponse, error) {
	log, began := s.o.Logger.With("request", "Test", "test", req.Name), time.Now()
	for i := range setupTests {
		if t := &setupTests[i]; t.name == req.Name {
			err := s.try(ctx, t, req, log)
			ended(log, began, err)
			if err == nil {
				return &sdk.TestResponse{Response: &sdk.TestResponse_Success{Success: true}}, nil
			}
			if ctx.Err() != nil {
				return nil, statusOf(ctx.Err())
			}
			return &sdk.TestResponse{Response: &sdk.TestResponse_Failure{Failure: strings.ToValidUTF8(sentences(err), "\uFFFD")}}, nil
		}
	}
	return nil, status.Errorf(codes.InvalidArgument, "there is no test %q; the form lists those there are", req.Name)
}

func (s *server) try(ctx context.Context, t *setupTest, req *sdk.TestRequest, log *slog.Logger) (err error) {
	cfg, err := configuration(req.Configuration)
	if err != nil {
		return err
	}
	src, err := s.o.Open(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return t.run(&trial{cfg: cfg, src: src, log: log}, ctx)
}

// ended logs how a request other than Update ended.
func ended(log *slog.Logger, began time.Time, err error) {
	seconds := fmt.Sprintf("%.3f", time.Since(began).Seconds())
	if err != nil {
		log.Warn("request failed", "seconds", seconds, "error", err)
		return
	}
	log.Info("request succeeded", "seconds", seconds)
}

// connect passes when the server answers, be it with a refusal.
func (t *trial) connect(ctx context.Context) error {
	_, err := t.src.Inspect(ctx)
	if access, ok := errors.AsType[*source.AccessError](err); ok && access.Refused {
		return nil
	}
	return err
}

func (t *trial) login(ctx context.Context) error {
	_, err := t.src.Inspect(ctx)
	return err
}

// permissions fails where a sync could not run; what it can do without is logged.
func (t *trial) permissions(ctx context.Context) error {
	report, err := t.src.Inspect(ctx)
	if err != nil {
		return err
	}
	grant := ""
	if len(report.Missing) > 0 {
		user := t.cfg.Username
		if user == "" {
			user = "default"
		}
		grant = fmt.Sprintf("ACL SETUSER %s %s", user, strings.Join(report.Missing, " "))
	}
	var failures []string
	for _, f := range report.Findings {
		switch f.Level {
		case source.Fail:
			failures = append(failures, f.Detail)
		case source.Warn:
			t.log.Warn(f.Detail)
		}
	}
	switch {
	case len(failures) > 0 && grant != "":
		return fmt.Errorf("%s. Run in the server: %s", strings.Join(failures, "; "), grant)
	case len(failures) > 0:
		return errors.New(strings.Join(failures, "; "))
	case grant != "":
		t.log.Warn("the sync works, and would be better with permissions that are missing", "grant", grant)
	}
	return nil
}

const (
	enoughKeys   = 1000             // that match
	keysTestTime = 20 * time.Second // to find the first
)

// keys passes when some key matches, and logs about how many there are.
func (t *trial) keys(ctx context.Context) (err error) {
	report, err := t.src.Inspect(ctx)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, keysTestTime)
	defer cancel()
	reader, err := t.src.Open(limited, row.Position{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	found := 0
	for found < enoughKeys {
		b, err := reader.Next(limited)
		switch {
		case errors.Is(err, io.EOF):
			return t.allRead(found, report.Keys)
		case err != nil && limited.Err() != nil && ctx.Err() == nil:
			if found == 0 {
				return fmt.Errorf("no key matched in %s of reading about %d keys; check the key pattern, the exclude pattern, the types and the database", keysTestTime, report.Keys)
			}
			t.log.Info("keys match", "at_least", found, "keys_about", report.Keys)
			return nil
		case err != nil:
			return err
		}
		found += b.Len()
		b.Release()
	}
	t.log.Info("keys match", "at_least", found, "keys_about", report.Keys)
	return nil
}

// allRead ends the test of a server that was read whole.
func (t *trial) allRead(found int, keys int64) error {
	switch {
	case found > 0:
		t.log.Info("keys match", "matching", found, "keys_about", keys)
		return nil
	case keys > 0:
		return fmt.Errorf("none of about %d keys matches; check the key pattern, the exclude pattern and the types", keys)
	}
	return errors.New("the database holds no key; check the number of the database, and that this is the right server")
}
