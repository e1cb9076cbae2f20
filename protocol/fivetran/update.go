package fivetran

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/destination"
	"github.com/keylift/keylift/engine"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/source"
)

const (
	// queueShare is the part of memory_limit that batches take between source and
	// stream, as a divisor.
	queueShare = 8

	// A checkpoint is due after so many rows, where a page of keys ends next: with
	// pages of 250 keys that is before the thousandth. Where few keys match, it
	// comes every few seconds all the same.
	checkpointRows   = 750
	checkpointWithin = 5 * time.Second
)

// Update runs one sync.
func (s *server) Update(req *sdk.UpdateRequest, response grpc.ServerStreamingServer[sdk.UpdateResponse]) error {
	ctx, cancel := context.WithCancel(response.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	// The platform runs beside its connectors: compressing would cost more than it saves.
	if err := grpc.SetSendCompressor(response.Context(), encoding.Identity); err != nil {
		return err
	}
	u := &update{server: s, log: s.o.Logger.With("request", "Update"), began: time.Now()}
	u.stream = &stream{out: newBatcher(response.SendMsg), warnings: newWarnings()}
	u.stream.log = slog.New(warningHandler{u.log.Handler(), u.stream.warnings})
	err := u.run(ctx, req)
	return u.end(response.Context(), err)
}

// An update is one request.
type update struct {
	server *server
	stream *stream
	log    *slog.Logger
	began  time.Time
	sum    *engine.Summary // nil: the sync did not begin
}

func (u *update) run(ctx context.Context, req *sdk.UpdateRequest) (err error) {
	cfg, err := configuration(req.Configuration)
	if err != nil {
		return err
	}
	if u.stream.selection, err = newSelection(req.Selection); err != nil {
		return err
	}
	u.restore(req.GetStateJson())
	src, err := u.server.o.Open(cfg, u.stream.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if nothing, err := u.nothingSelected(ctx, src); err != nil || nothing {
		return err
	}
	u.sum, err = engine.Run(ctx, engine.Options{
		Sync: cfg.TableName, Source: src, Destination: u.stream,
		QueueBytes:     cfg.MemoryLimit / queueShare,
		CheckpointRows: checkpointRows, CheckpointWithin: checkpointWithin,
		MayDelete: cfg.MayDelete(), RetryFor: cfg.RetryFor, Logger: u.stream.log,
	})
	return err
}

// restore takes the state that the platform has kept.
func (u *update) restore(text string) {
	var from origin
	switch u.stream.state, from = parseState(text); from {
	case referenceState:
		u.log.Info("the state was written by the Connector SDK's Redis example: a first snapshot starts")
	case strangeState:
		u.stream.log.Warn("the state of the last sync cannot be read, it may be a newer version's: a first snapshot starts")
	}
}

// nothingSelected reports whether every table was deselected: nothing is read then.
func (u *update) nothingSelected(ctx context.Context, src source.Source) (bool, error) {
	if u.stream.selection.tables == nil {
		return false, nil
	}
	tables, err := src.Tables(ctx)
	if engine.Retryable(err) {
		return false, nil // the run asks again
	}
	if err != nil {
		return false, err
	}
	if err := u.stream.Prepare(ctx, tables); err != nil {
		return false, err
	}
	return len(u.stream.tables) == 0, nil
}

// end tells the platform how the sync ended, and logs it once.
func (u *update) end(ctx context.Context, err error) error {
	outcome := "complete"
	level := slog.LevelInfo
	var sent error
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrInterrupted) && ctx.Err() != nil:
		outcome, sent = "cancelled", status.Error(codes.Canceled, engine.ErrInterrupted.Error())
	case errors.Is(err, engine.ErrInterrupted):
		outcome, sent = "stopped", status.Error(codes.Unavailable, "the connector stops; the next sync resumes from the last checkpoint")
	case mendable(err):
		outcome, level = "task", slog.LevelWarn
		sent = u.stream.task(sentences(err))
	default:
		outcome, level = "failed", slog.LevelError
		sent = statusOf(err)
	}
	u.summary(level, outcome, err)
	return sent
}

// summary logs what the sync did, in one line.
func (u *update) summary(level slog.Level, outcome string, err error) {
	out, took := &u.stream.out, time.Since(u.began)
	args := []any{
		"outcome", outcome, "seconds", fmt.Sprintf("%.3f", took.Seconds()),
		"records", out.sent, "messages", out.messages, "bytes", out.bytes, "checkpoints", u.stream.checkpoints,
	}
	if sum := u.sum; sum != nil {
		args = append(args, "generation", sum.Position.Generation, "rows_read", sum.Rows, "resumed", sum.Resumed, "retries", sum.Retries)
		if len(sum.StartedOver) > 0 {
			args = append(args, "started_over", strings.Join(sum.StartedOver, "; "))
		}
	}
	if u.stream.setAside+out.shortened+out.dropped > 0 {
		args = append(args, "set_aside", u.stream.setAside, "shortened", out.shortened, "dropped", out.dropped)
	}
	if err != nil {
		args = append(args, "error", err)
	}
	u.log.Log(context.Background(), level, "sync ended", args...)
}

// mendable reports whether only the user can mend what failed.
func mendable(err error) bool {
	return errors.As(err, new(*source.AccessError)) || errors.As(err, new(*config.Error)) || errors.As(err, new(*destination.DeleteShareError))
}

// sentences returns an error as the user reads it, its lines joined.
func sentences(err error) string {
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		return strings.Join(wrong.Mistakes, "; ")
	}
	if access, ok := errors.AsType[*source.AccessError](err); ok {
		return access.Error()
	}
	if errors.As(err, new(*destination.DeleteShareError)) {
		return "the server holds no key that this connection reads, though the last sync found some, and nothing was deleted; " +
			"check that this is the right server, that it was not emptied, and that the databases and patterns are right; if the rows are to go, switch \"Accept an empty server\" on for one sync"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// statusOf returns the gRPC status of an error.
func statusOf(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	code := codes.Internal
	access, refused := errors.AsType[*source.AccessError](err)
	switch {
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.As(err, new(*config.Error)):
		code = codes.InvalidArgument
	case refused && access.Refused:
		code = codes.PermissionDenied
	case refused, engine.Retryable(err):
		code = codes.Unavailable
	}
	return status.Error(code, strings.ToValidUTF8(sentences(err), "\uFFFD"))
}
