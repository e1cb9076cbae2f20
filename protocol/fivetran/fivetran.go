// Package fivetran is keylift as a source connector of Fivetran: a gRPC server
// that the platform calls to set a connection up, to test it, to learn its
// tables, and to sync them. A sync is the engine's, with the response stream for a
// destination. Which source a configuration means is decided by whoever serves.
//
// sdk holds the protocol's messages; platform plays the other side.
package fivetran

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // for clients that compress
	"google.golang.org/grpc/keepalive"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/source"
)

// DefaultPort is where the platform expects a connector.
const DefaultPort = 50051

// Options say what to serve.
type Options struct {
	// Open makes the source that a configuration describes, without connecting.
	Open   func(cfg *config.Config, log *slog.Logger) (source.Source, error)
	Logger *slog.Logger // see NewLogger
}

const (
	// maxRequestBytes is the platform's own limit of a message.
	maxRequestBytes = 128 << 20
	// stopWithin is how long a sync may take to send its last checkpoint.
	stopWithin = 10 * time.Second
)

// Listen listens on a port of every address of the machine, IPv4 and IPv6.
func Listen(ctx context.Context, port int) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w; choose another --port", port, err)
	}
	return l, nil
}

// Serve serves on l, which it closes, until ctx ends. Syncs under way then send a
// checkpoint to resume from and end.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s := &server{o: o, stopping: running}
	g := grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequestBytes),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	sdk.RegisterSourceConnectorServer(g, s)
	stopped := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		defer close(stopped)
		stop()
		last := time.AfterFunc(stopWithin, g.Stop)
		defer last.Stop()
		g.GracefulStop()
	})
	o.Logger.Info("serving", "address", l.Addr())
	err := g.Serve(l)
	if !end() {
		<-stopped
	}
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// A server answers the platform's requests, several at a time.
type server struct {
	sdk.UnimplementedSourceConnectorServer
	o        Options
	stopping context.Context //nolint:containedctx // it ends when the server is to stop, not with a request
}
