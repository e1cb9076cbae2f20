package fivetran_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/protocol/fivetran"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis"
)

// A logged buffer takes lines of a log from several goroutines.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open makes a source of what the tests configure.
func open(cfg *config.Config, log *slog.Logger) (source.Source, error) {
	network, address := cfg.Address()
	return redis.Open(redis.Options{
		Network: network, Address: address, Username: cfg.Username, Password: cfg.Password.Reveal(), Table: cfg.TableName,
		Databases: cfg.Databases.Numbers, Patterns: cfg.KeyPatterns, MaxValueBytes: cfg.MaxValueBytes, BatchSize: cfg.BatchSize, Logger: log,
	})
}

// serve starts a connector and returns a client of it and its log.
func serve(t *testing.T) (sdk.SourceConnectorClient, *logged) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := &logged{}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- fivetran.Serve(ctx, l, fivetran.Options{Open: open, Logger: fivetran.NewLogger(out)}) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(128<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		checkLog(t, out.String())
	})
	return sdk.NewSourceConnectorClient(conn), out
}

// checkLog demands the platform's form of every line.
func checkLog(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var fields map[string]string
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("log line %q: %v", line, err)
		}
		if level := fields["level"]; len(fields) != 3 || fields["message"] == "" || fields["message-origin"] != "sdk_connector" ||
			level != "INFO" && level != "WARNING" && level != "SEVERE" {
			t.Errorf("log line %s", line)
		}
	}
}

// startRedis starts a server with some keys and returns the configuration of it.
func startRedis(t *testing.T, o testserver.Options, commands ...string) (map[string]string, rueidis.Client) {
	t.Helper()
	s := testserver.Redis(t, o)
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Address()}, Password: o.Password, ForceSingleClient: true, DisableCache: true, ClientSetInfo: rueidis.DisableClientSetInfo,
		ConnWriteTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	do(t, client, commands...)
	host, port, err := net.SplitHostPort(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"host": host, "port": port, "password": o.Password}, client
}

func do(t *testing.T, client rueidis.Client, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if err := client.Do(t.Context(), client.B().Arbitrary(strings.Fields(command)...).Build()).Error(); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
}

// with returns a configuration with other values.
func with(configuration map[string]string, pairs ...string) map[string]string {
	c := maps.Clone(configuration)
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i]] = pairs[i+1]
	}
	return c
}

// A reply is what one Update sent.
type reply struct {
	records  []*sdk.Record
	states   []string
	warnings []string
	tasks    []string
	err      error // nil: the sync ended well
}

// steps tells the order of a reply: "T" TRUNCATE, "U" UPSERT, "D" DELETE, "C"
// checkpoint, "W" warning, "!" task; runs of one are told once.
func update(t *testing.T, client sdk.SourceConnectorClient, req *sdk.UpdateRequest) (r reply, steps string) {
	t.Helper()
	stream, err := client.Update(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	step := func(s string) {
		if !strings.HasSuffix(steps, s) {
			steps += s
		}
	}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return r, steps
		}
		if err != nil {
			r.err = err
			return r, steps
		}
		switch op := response.Operation.(type) {
		case *sdk.UpdateResponse_Records:
			for _, record := range op.Records.Records {
				r.records = append(r.records, record)
				step(map[sdk.RecordType]string{sdk.RecordType_UPSERT: "U", sdk.RecordType_DELETE: "D", sdk.RecordType_TRUNCATE: "T"}[record.Type])
			}
		case *sdk.UpdateResponse_Checkpoint:
			r.states = append(r.states, op.Checkpoint.StateJson)
			step("C")
		case *sdk.UpdateResponse_Warning:
			r.warnings = append(r.warnings, op.Warning.Message)
			step("W")
		case *sdk.UpdateResponse_Task:
			r.tasks = append(r.tasks, op.Task.Message)
			step("!")
		default:
			t.Fatalf("unexpected response %v", response)
		}
	}
}

// keysOf returns the values of the records by key.
func keysOf(records []*sdk.Record) map[string]string {
	all := map[string]string{}
	for _, r := range records {
		if r.Type == sdk.RecordType_UPSERT {
			all[r.Data["key"].GetString_()] = r.Data["value"].GetString_()
		}
	}
	return all
}

func last(states []string) *string {
	if len(states) == 0 {
		return nil
	}
	return &states[len(states)-1]
}

func fillKeys(t *testing.T, client rueidis.Client, n int) {
	t.Helper()
	var commands rueidis.Commands
	for i := range n {
		commands = append(commands, client.B().Set().Key(fmt.Sprintf("key:%d", i)).Value(fmt.Sprintf("value %d", i)).Build())
	}
	for _, reply := range client.DoMulti(t.Context(), commands...) {
		if err := reply.Error(); err != nil {
			t.Fatal(err)
		}
	}
}
