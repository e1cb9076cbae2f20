package platform

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// receiveBytes is what the runner takes, to be able to say what is too long.
const receiveBytes = 1 << 30

// What was sent is applied at a checkpoint once it is this much, or this old.
const (
	applyRows  = 100_000
	applyBytes = 64 << 20
	applyEvery = 2 * time.Second
)

// A frame is a message as it came.
type frame struct{ data []byte }

// A frameCodec leaves responses encoded, for their length is to be checked and an
// invalid one explained.
type frameCodec struct{ encoding.CodecV2 }

func (c frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	f.data = data.Materialize()
	return nil
}

// A syncing is one Update under way.
type syncing struct {
	*platform
	check     checker
	warehouse *warehouse

	rows, bytes int64 // not applied
	applied     time.Time
	state       string // of the last checkpoint; "" once it is in the state file
}

// run calls Update and takes what it sends, to its end.
func (s *syncing) run(ctx context.Context, state string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.conn.NewStream(ctx, &sdk.SourceConnector_ServiceDesc.Streams[0], sdk.SourceConnector_Update_FullMethodName,
		grpc.ForceCodecV2(frameCodec{encoding.GetCodecV2(grpcproto.Name)}), grpc.MaxCallRecvMsgSize(receiveBytes))
	if err != nil {
		return failed("Update", err)
	}
	request := &sdk.UpdateRequest{Configuration: s.o.Configuration, Selection: s.selection()}
	if state != "" {
		request.StateJson = &state
	}
	err = stream.SendMsg(request)
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // the reason comes with the response
		return failed("Update", err)
	}
	s.check.last, s.applied = s.check.now(), s.check.now()
	for {
		var f frame
		switch err := stream.RecvMsg(&f); {
		case errors.Is(err, io.EOF):
			s.check.end()
			return s.check.breaches.err()
		case status.Code(err) == codes.ResourceExhausted:
			s.check.breaches.add("a message is longer than %d bytes: %d are allowed", receiveBytes, maxMessageBytes)
			return s.check.breaches.err()
		case err != nil:
			return failed("Update", err)
		}
		if task, err := s.take(ctx, f.data); err != nil {
			return err
		} else if task != nil {
			return s.behindTask(stream, task)
		}
	}
}

// behindTask demands that nothing follows a task.
func (s *syncing) behindTask(stream grpc.ClientStream, task *TaskError) error {
	var f frame
	if err := stream.RecvMsg(&f); err == nil {
		s.check.breaches.add("something follows a task, which ends a sync")
		return s.check.breaches.err()
	}
	return task
}

// take checks one message and takes it in. Of a message that breaks a rule
// nothing is applied.
func (s *syncing) take(ctx context.Context, data []byte) (*TaskError, error) {
	s.report.Messages++
	s.report.Bytes += int64(len(data))
	s.bytes += int64(len(data))
	if len(data) > maxMessageBytes {
		s.check.breaches.add("a message has %d bytes: %d are allowed", len(data), maxMessageBytes)
	}
	response := &sdk.UpdateResponse{}
	if err := proto.Unmarshal(data, response); err != nil {
		what := "cannot be decoded: " + err.Error()
		if strings.Contains(err.Error(), "UTF-8") {
			what = "holds text that is not valid UTF-8"
		}
		s.check.breaches.add("a message %s", what)
		return nil, s.check.breaches.err()
	}
	switch op := response.Operation.(type) {
	case *sdk.UpdateResponse_Record:
		return nil, s.takeRecords(ctx, []*sdk.Record{op.Record})
	case *sdk.UpdateResponse_Records:
		return nil, s.takeRecords(ctx, op.Records.GetRecords())
	case *sdk.UpdateResponse_Checkpoint:
		return nil, s.takeCheckpoint(ctx, op.Checkpoint.GetStateJson())
	case *sdk.UpdateResponse_SchemaChange:
		return nil, s.takeSchemaChange(ctx, op.SchemaChange)
	case *sdk.UpdateResponse_Warning:
		if op.Warning.GetMessage() == "" {
			s.check.breaches.add("a warning says nothing")
		}
		s.check.warned = true
		s.report.Warnings = append(s.report.Warnings, op.Warning.GetMessage())
		s.say("warning: %s", op.Warning.GetMessage())
	case *sdk.UpdateResponse_Task:
		if op.Task.GetMessage() == "" {
			s.check.breaches.add("a task does not say what to do")
		}
		return &TaskError{op.Task.GetMessage()}, s.check.breaches.err()
	default:
		s.check.breaches.add("a message holds no operation")
	}
	return nil, s.check.breaches.err()
}

func (s *syncing) takeRecords(ctx context.Context, records []*sdk.Record) error {
	s.check.records(records)
	if err := s.check.breaches.err(); err != nil {
		return err
	}
	for _, r := range records {
		t := s.tables[tableName{r.GetSchemaName(), r.TableName}]
		switch r.Type {
		case sdk.RecordType_UPSERT:
			s.report.Upserts++
		case sdk.RecordType_UPDATE:
			s.report.Updates++
		case sdk.RecordType_DELETE:
			s.report.Deletes++
		case sdk.RecordType_TRUNCATE:
			s.report.Truncates++
		}
		s.rows++
		if err := s.warehouse.take(ctx, t, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *syncing) takeCheckpoint(ctx context.Context, state string) error {
	s.report.Checkpoints++
	s.check.checkpoint(state)
	if err := s.check.breaches.err(); err != nil {
		return err
	}
	s.state = state
	if s.rows < applyRows && s.bytes < applyBytes && s.check.now().Sub(s.applied) < applyEvery {
		return nil
	}
	return s.apply(ctx, false)
}

func (s *syncing) takeSchemaChange(ctx context.Context, change *sdk.SchemaChange) error {
	if (change.GetWithSchema() != nil) != s.schemas || change.GetChange() == nil {
		s.check.breaches.add("a schema change does not go with the schema, or is empty")
		return s.check.breaches.err()
	}
	s.addSchemas(change.GetWithSchema())
	s.addTables("", change.GetWithoutSchema().GetTables())
	if err := s.check.breaches.err(); err != nil {
		return err
	}
	if err := s.warehouse.apply(ctx, s.state, false); err != nil {
		return err
	}
	for _, t := range s.tables {
		if err := s.warehouse.prepare(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// apply brings the warehouse up to date and then keeps the state of the last
// checkpoint, whose records are in it now.
func (s *syncing) apply(ctx context.Context, finished bool) error {
	if err := s.warehouse.apply(ctx, s.state, finished); err != nil {
		return err
	}
	s.rows, s.bytes, s.applied = 0, 0, s.check.now()
	if s.state == "" {
		return nil
	}
	err := writeState(s.o.StateFile, s.state)
	s.state = ""
	return err
}
