package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// SentinelOptions are the choices for a Sentinel group. The zero SentinelOptions
// start one primary, one replica and three Sentinels.
type SentinelOptions struct {
	Name     string  // of the primary; default mymaster
	Replicas int     // default 1
	Server   Options // of the primary and the replicas; with TLS the Sentinels have it, too
	Password string  // of the Sentinels
	// Front returns the address of a proxy, which the Sentinels, the other servers and
	// their clients are to reach a server at. Nil: they reach it at its own.
	Front func(s *Server) (address string)
}

const sentinels = 3

// A Group is a primary, its replicas and the Sentinels that watch them. Its methods
// are called by one goroutine at a time.
type Group struct {
	options   SentinelOptions
	dir       string // of the certificates
	certs     *certificates
	servers   []*Server
	known     []string // addresses of the servers, as the others know them
	sentinels []*Server
}

// StartSentinel starts a group and returns when its Sentinels know of each other and
// of the replicas. The error is ErrMissing where there is no program to run.
func StartSentinel(ctx context.Context, o SentinelOptions) (*Group, error) {
	if o.Name == "" {
		o.Name = "mymaster"
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	g := &Group{options: o}
	if err := g.start(ctx); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	return g, nil
}

func (g *Group) start(ctx context.Context) (err error) {
	if g.dir, err = os.MkdirTemp("", "keylift-sentinel-"); err != nil {
		return fmt.Errorf("make the group's folder: %w", err)
	}
	if g.options.Server.TLS {
		if g.certs, err = makeCertificates(g.dir, g.options.Server.Expired); err != nil {
			return err
		}
	}
	for range 1 + g.options.Replicas {
		if err := g.launch(ctx); err != nil {
			return err
		}
	}
	for range sentinels {
		if err := g.watch(ctx); err != nil {
			return err
		}
	}
	return g.Wait(ctx)
}

// launch starts a server: the first is the primary, others are its replicas. What
// becomes of it later it remembers over a restart.
func (g *Group) launch(ctx context.Context) error {
	o := g.options.Server
	o.certs, o.rewrites = g.certs, true
	o.Args = slices.Concat([]string{"--repl-diskless-sync", "no"}, o.Args)
	if o.TLS {
		o.Args = append(o.Args, "--tls-replication", "yes")
	}
	if o.Password != "" {
		o.Args = append(o.Args, "--masterauth", o.Password)
	}
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	known := s.Address()
	var commands [][]string
	if g.options.Front != nil {
		known = g.options.Front(s)
		host, port, _ := strings.Cut(known, ":")
		commands = append(commands, []string{"CONFIG", "SET", "replica-announce-ip", host, "replica-announce-port", port})
	}
	if len(g.servers) > 0 {
		host, port, _ := strings.Cut(g.known[0], ":")
		commands = append(commands, []string{"REPLICAOF", host, port})
	}
	g.servers, g.known = append(g.servers, s), append(g.known, known)
	for _, command := range append(commands, []string{"CONFIG", "REWRITE"}) {
		if _, err := s.ask(ctx, command...); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	if len(g.servers) == 1 {
		return nil
	}
	return until(ctx, "the replica has the data", func(ctx context.Context) bool {
		return s.follows(ctx, g.servers[0], known)
	})
}

// watch starts a Sentinel.
func (g *Group) watch(ctx context.Context) error {
	o := Options{Program: g.options.Server.Program, TLS: g.options.Server.TLS, Password: g.options.Password, certs: g.certs, rewrites: true}
	host, port, _ := strings.Cut(g.known[0], ":")
	name := g.options.Name
	lines := []string{
		fmt.Sprintf("sentinel monitor %s %s %s %d", name, host, port, sentinels/2+1),
		fmt.Sprintf("sentinel down-after-milliseconds %s 2000", name),
		fmt.Sprintf("sentinel failover-timeout %s 5000", name),
	}
	if p := g.options.Server.Password; p != "" {
		lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", name, p))
	}
	if o.Password != "" {
		lines = append(lines, "sentinel sentinel-pass "+o.Password)
	}
	if o.TLS {
		lines = append(lines, "tls-replication yes") // speak TLS to all
	}
	o.sentinel = strings.Join(lines, "\n") + "\n"
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	g.sentinels = append(g.sentinels, s)
	// Where it can be told to look around more often than every other second, it is.
	_, _ = s.ask(ctx, "SENTINEL", "DEBUG", "info-period", "200", "publish-period", quickly, "ask-period", "200")
	return nil
}

// How often Sentinels tell each other what they know, in ms. One that has seen a replica
// be a primary for four times as long, and was told of no failover, makes it a replica
// again: in the midst of a failover, too.
const quickly, usually = "200", "2000"

func (g *Group) publishEvery(ctx context.Context, ms string) {
	for _, s := range g.sentinels {
		_, _ = s.ask(ctx, "SENTINEL", "DEBUG", "publish-period", ms)
	}
}

// Name returns the name of the primary, as Sentinels know it.
func (g *Group) Name() string { return g.options.Name }

// Servers returns the primary of the beginning and then its replicas.
func (g *Group) Servers() []*Server { return slices.Clone(g.servers) }

// Sentinels returns the Sentinels.
func (g *Group) Sentinels() []*Server { return slices.Clone(g.sentinels) }

// Wait returns when all Sentinels that run know of the same primary, of each other
// and of the replicas that run, and these have the data.
func (g *Group) Wait(ctx context.Context) error {
	return until(ctx, "the Sentinels agree", func(ctx context.Context) bool {
		primary, err := g.Primary(ctx)
		if err != nil || primary.info(ctx, "role") != "master" {
			return false
		}
		replicas := 0
		for i, s := range g.servers {
			if s == primary || s.Exited() {
				continue
			}
			replicas++
			if !s.follows(ctx, primary, g.known[i]) {
				return false
			}
		}
		for _, s := range g.sentinels {
			if !s.Exited() && !g.knows(ctx, s, replicas) {
				return false
			}
		}
		return true
	})
}

// knows reports whether a Sentinel knows of all other Sentinels, and of so many
// replicas that are well.
func (g *Group) knows(ctx context.Context, s *Server, replicas int) bool {
	primary, err := s.ask(ctx, "SENTINEL", "MASTER", g.options.Name)
	if err != nil || field(primary, "num-other-sentinels") != strconv.Itoa(sentinels-1) || field(primary, "flags") != "master" {
		return false
	}
	known, err := s.ask(ctx, "SENTINEL", "REPLICAS", g.options.Name)
	if err != nil {
		return false
	}
	well := 0
	for i, word := range known {
		if word == "name" && field(known[i:], "flags") == "slave" && field(known[i:], "master-link-status") == "ok" {
			well++
		}
	}
	return well == replicas
}

// field returns the value behind a name in a flat reply of names and values.
func field(flat []string, name string) string {
	for i := 0; i+1 < len(flat); i += 2 {
		if flat[i] == name {
			return flat[i+1]
		}
	}
	return ""
}

// Primary returns the server that all Sentinels that run take for the primary.
func (g *Group) Primary(ctx context.Context) (*Server, error) {
	var primary *Server
	for _, sentinel := range g.sentinels {
		if sentinel.Exited() {
			continue
		}
		is, err := sentinel.ask(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", g.options.Name)
		if err != nil {
			return nil, err
		}
		i := slices.Index(g.known, strings.Join(is, ":"))
		if i < 0 || primary != nil && primary != g.servers[i] {
			return nil, errors.New("the Sentinels do not agree on the primary")
		}
		primary = g.servers[i]
	}
	if primary == nil {
		return nil, errors.New("no Sentinel runs")
	}
	return primary, nil
}

// FailOver makes a Sentinel promote a replica while the primary runs, and returns the
// new primary. What the other had not sent to it is lost.
func (g *Group) FailOver(ctx context.Context) (*Server, error) {
	was, err := g.Primary(ctx)
	if err != nil {
		return nil, err
	}
	return g.promoted(ctx, was, func(ctx context.Context) {
		// A Sentinel that gives up, because it has not heard of the replica for a moment, is
		// asked again.
		for _, s := range g.sentinels {
			if _, err := s.ask(ctx, "SENTINEL", "FAILOVER", g.options.Name); err == nil {
				return
			}
		}
	})
}

// Crash kills the primary, and returns the one that the Sentinels promote. Restart
// makes the killed one its replica.
func (g *Group) Crash(ctx context.Context) (*Server, error) {
	was, err := g.Primary(ctx)
	if err != nil {
		return nil, err
	}
	return g.promoted(ctx, was, func(context.Context) { was.Kill() })
}

// promoted waits until another server is the primary. It begins what is to lead there
// whenever nothing of it is under way.
func (g *Group) promoted(ctx context.Context, was *Server, begin func(ctx context.Context)) (is *Server, err error) {
	g.publishEvery(ctx, usually)
	err = until(ctx, "a replica is promoted", func(ctx context.Context) bool {
		underWay := g.failingOver(ctx) // before asking who the primary is: it may end
		var err error
		if is, err = g.Primary(ctx); err != nil {
			return false
		}
		if is == was && !underWay {
			begin(ctx)
		}
		return is != was && is.info(ctx, "role") == "master"
	})
	g.publishEvery(ctx, quickly)
	return is, err
}

// failingOver reports whether a Sentinel is about to promote a replica.
func (g *Group) failingOver(ctx context.Context) bool {
	return slices.ContainsFunc(g.sentinels, func(s *Server) bool {
		primary, err := s.ask(ctx, "SENTINEL", "MASTER", g.options.Name)
		return err == nil && strings.Contains(field(primary, "flags"), "failover_in_progress")
	})
}

// Stop stops every server and Sentinel and removes the files.
func (g *Group) Stop() error {
	var errs []error
	for _, s := range slices.Concat(g.sentinels, g.servers) {
		s.Kill() // in order it would wait for its replicas
		errs = append(errs, s.Stop())
	}
	if err := os.RemoveAll(g.dir); err != nil {
		errs = append(errs, fmt.Errorf("remove the group's folder: %w", err))
	}
	return errors.Join(errs...)
}
