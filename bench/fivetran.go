package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// fivetran measures a sync of the Fivetran connector, a real process, into a
// client that counts the records and drops them.
func fivetran(batch string) run {
	return func(ctx context.Context, b *bench, _ int) (sample, error) {
		serving, stop := context.WithCancel(ctx)
		defer stop()
		server, port, err := b.serve(serving)
		if err != nil {
			return sample{}, err
		}
		var out []byte
		var dropErr error
		dropped := make(chan struct{})
		go func() {
			defer close(dropped)
			defer stop()
			out, dropErr = output(b.command(ctx, "drop", b.server.Address(), port, batch))
		}()
		s, log, err := b.measure(ctx, server)
		stop()
		<-dropped
		if err := errors.Join(err, dropErr); err != nil {
			return s, fmt.Errorf("%w\n%s", err, log)
		}
		o, err := parseOutcome(out)
		s.keys, s.seconds = o.Keys, o.Seconds
		return s, err
	}
}

// serve returns the connector as a process that ends with its context, and its port.
func (b *bench) serve(ctx context.Context) (server *exec.Cmd, port string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	server = exec.CommandContext(ctx, b.connector, "--port", port)
	server.Cancel = func() error { return errors.Join(server.Process.Signal(os.Interrupt), os.ErrProcessDone) }
	return server, port, l.Close()
}

// syncMany has one connector sync many databases at once, twice.
func (b *bench) syncMany(ctx context.Context, l *limit, r *bigResult) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	server, port, err := b.serve(serving)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	for range 2 {
		out, err := output(b.command(ctx, "drop-many", b.server.Address(), port, strconv.Itoa(l.many)))
		if err != nil {
			return err
		}
		o, err := parseOutcome(out)
		if err != nil || o.Keys != l.rows {
			return errors.Join(fmt.Errorf("%d keys, want %d", o.Keys, l.rows), err)
		}
		if r.again = o.Seconds; r.seconds == 0 {
			r.seconds = o.Seconds
		}
	}
	stop()
	if err := server.Wait(); err != nil && serving.Err() == nil {
		return err
	}
	r.peak = peakMemory(server.ProcessState)
	return b.slowest(ctx, r)
}

// readFivetranMany calls Update for many databases at once; the arguments are the
// connector's port and their number. It returns the number of keys of all.
func readFivetranMany(ctx context.Context, address string, args []string) (keys int, err error) {
	if len(args) != 2 {
		return 0, errors.New("drop-many needs a port and a number")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return 0, err
	}
	read := make([]int, n)
	g, ctx := errgroup.WithContext(ctx)
	for d := range n {
		g.Go(func() (err error) {
			read[d], err = update(ctx, args[0], map[string]string{"host": host, "port": port, "database": strconv.Itoa(d)})
			return err
		})
	}
	err = g.Wait()
	for _, r := range read {
		keys += r
	}
	return keys, err
}

// A dropped response is only counted.
type dropped struct{ records int }

// dropCodec counts the records of responses without decoding them.
type dropCodec struct{ encoding.CodecV2 }

func (c dropCodec) Unmarshal(data mem.BufferSlice, v any) error {
	d, ok := v.(*dropped)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	message := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer message.Free()
	field, _, n := protowire.ConsumeTag(message.ReadOnlyData())
	if n < 0 || field != 6 { // UpdateResponse.records
		return nil
	}
	records, m := protowire.ConsumeBytes(message.ReadOnlyData()[n:])
	for m >= 0 && len(records) > 0 {
		d.records++
		m = protowire.ConsumeFieldValue(1, protowire.BytesType, records[1:])
		records = records[min(len(records), 1+max(m, 0)):]
	}
	return protowire.ParseError(min(m, 0))
}

// readFivetran calls the connector's Update and drops what it sends; the
// arguments are its port and the batch size. It returns the number of keys.
func readFivetran(ctx context.Context, address string, args []string) (keys int, err error) {
	if len(args) != 2 {
		return 0, errors.New("drop needs a port and a batch size")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	return update(ctx, args[0], map[string]string{"host": host, "port": port, "batch_size": args[1]})
}

// update calls Update of the connector at a port of this machine and drops what it
// sends. It returns the number of keys.
func update(ctx context.Context, at string, configuration map[string]string) (keys int, err error) {
	conn, err := grpc.NewClient("127.0.0.1:"+at, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	stream, err := conn.NewStream(ctx, &sdk.SourceConnector_ServiceDesc.Streams[0], sdk.SourceConnector_Update_FullMethodName, grpc.WaitForReady(true),
		grpc.ForceCodecV2(dropCodec{encoding.GetCodecV2(grpcproto.Name)}), grpc.MaxCallRecvMsgSize(128<<20))
	if err != nil {
		return 0, err
	}
	request := &sdk.UpdateRequest{Configuration: configuration}
	if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil {
		return 0, err
	}
	var d dropped
	for {
		err := stream.RecvMsg(&d)
		if errors.Is(err, io.EOF) {
			return d.records - 1, nil // but for the TRUNCATE
		}
		if err != nil {
			return 0, err
		}
	}
}
