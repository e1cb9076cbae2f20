package testserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// slots is the number of hash slots of a cluster.
const slots = 16384

// ClusterOptions are the choices for a cluster. The zero ClusterOptions start three
// primaries without replicas.
type ClusterOptions struct {
	Primaries int  // default 3
	Replicas  bool // one for each primary
	// NodeTimeout is cluster-node-timeout: about how long after a kill a replica takes
	// over. Default 5 s; where less is set, a slow machine may see failovers that
	// nobody asked for.
	NodeTimeout time.Duration
	Server      Options // of each node; Unix is not possible
}

// A Cluster is a running cluster. Its methods are called by one goroutine at a time;
// whoever reads and writes makes clients of their own.
type Cluster struct {
	options ClusterOptions
	dir     string // of the certificates
	certs   *certificates
	nodes   []*Node
}

// A Node is a server of a cluster. Kill and Restart are for those who wish to see
// what the others do meanwhile; Cluster.Crash waits for that.
type Node struct {
	*Server
	ID  string // in the cluster
	bus *Port
}

// StartCluster starts a cluster and returns when each node says that it is well. The
// error is ErrMissing where there is no program to run.
func StartCluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	if o.Primaries == 0 {
		o.Primaries = 3
	}
	if o.NodeTimeout == 0 {
		o.NodeTimeout = 5 * time.Second
	}
	c := &Cluster{options: o}
	err := c.start(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.dir, err = os.MkdirTemp("", "keylift-cluster-"); err != nil {
		return fmt.Errorf("make the cluster's folder: %w", err)
	}
	if c.options.Server.TLS {
		if c.certs, err = makeCertificates(c.dir, c.options.Server.Expired); err != nil {
			return err
		}
	}
	primaries := make([]*Node, c.options.Primaries)
	for i := range primaries {
		if primaries[i], err = c.launch(ctx); err != nil {
			return err
		}
		first, last := i*slots/len(primaries), (i+1)*slots/len(primaries)-1
		for _, command := range [][]string{
			{"CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i + 1)},
			{"CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)},
		} {
			if _, err := primaries[i].ask(ctx, command...); err != nil {
				return err
			}
		}
	}
	var replicas []*Node
	if c.options.Replicas {
		for range primaries {
			n, err := c.launch(ctx)
			if err != nil {
				return err
			}
			replicas = append(replicas, n)
		}
	}
	if err := c.meet(ctx, c.nodes[1:]...); err != nil {
		return err
	}
	for i, n := range replicas {
		if err := c.replicate(ctx, n, primaries[i]); err != nil {
			return err
		}
	}
	return c.Wait(ctx)
}

// launch starts a node that knows no other.
func (c *Cluster) launch(ctx context.Context) (*Node, error) {
	bus, err := ReservePort()
	if err != nil {
		return nil, err
	}
	o := c.options.Server
	o.certs = c.certs
	o.Args = slices.Concat([]string{
		"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus.Number()),
		"--cluster-node-timeout", strconv.FormatInt(c.options.NodeTimeout.Milliseconds(), 10),
		// A replica takes over however old its data are, and stays with its primary. It is
		// sent what comes behind its data before it has acknowledged them.
		"--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no",
		"--repl-diskless-sync", "no",
	}, o.Args)
	if o.TLS {
		o.Args = append(o.Args, "--tls-cluster", "yes", "--tls-replication", "yes")
	}
	if o.Password != "" {
		o.Args = append(o.Args, "--masterauth", o.Password)
	}
	s, err := Start(ctx, o)
	if err != nil {
		bus.Release()
		return nil, err
	}
	n := &Node{Server: s, bus: bus}
	c.nodes = append(c.nodes, n)
	id, err := n.ask(ctx, "CLUSTER", "MYID")
	if err != nil {
		return nil, err
	}
	n.ID = id[0]
	return n, nil
}

// meet makes nodes known to the first, and waits until each knows all.
func (c *Cluster) meet(ctx context.Context, nodes ...*Node) error {
	for _, n := range nodes {
		host, port, _ := strings.Cut(n.Address(), ":")
		if _, err := c.nodes[0].ask(ctx, "CLUSTER", "MEET", host, port, strconv.Itoa(n.bus.Number())); err != nil {
			return err
		}
	}
	return until(ctx, "the nodes know each other", func(ctx context.Context) bool {
		for _, n := range c.nodes {
			known, err := n.known(ctx)
			if err != nil || len(known) != len(c.nodes) {
				return false
			}
			for _, other := range c.nodes {
				if k := known[other.ID]; k == nil || k.is("handshake") {
					return false
				}
			}
		}
		return true
	})
}

// replicate makes a node a replica, and waits until it has the data.
func (c *Cluster) replicate(ctx context.Context, n, primary *Node) error {
	if _, err := n.ask(ctx, "CLUSTER", "REPLICATE", primary.ID); err != nil {
		return err
	}
	return until(ctx, "the replica has the data", func(ctx context.Context) bool {
		return n.follows(ctx, primary.Server, n.address)
	})
}

// Wait returns when each node that runs says that the cluster is well, and all agree
// who owns which slot.
func (c *Cluster) Wait(ctx context.Context) error {
	return until(ctx, "the cluster is well", c.well)
}

func (c *Cluster) well(ctx context.Context) bool {
	var first map[string]string
	for _, n := range c.running() {
		info, err := n.ask(ctx, "CLUSTER", "INFO")
		if err != nil || !strings.Contains(info[0], "cluster_state:ok") {
			return false
		}
		known, err := n.known(ctx)
		if err != nil {
			return false
		}
		owners := map[string]string{}
		for _, k := range known {
			if len(k.slots) > 0 {
				owners[k.id] = strings.Join(k.slots, " ")
			}
			if k.is("fail?") {
				return false
			}
		}
		if first == nil {
			first = owners
		}
		if !maps.Equal(owners, first) {
			return false
		}
	}
	return true
}

// A knownNode is a line of CLUSTER NODES.
type knownNode struct {
	id      string
	flags   []string
	primary string // id; "-" for none
	linked  bool
	slots   []string // without those that are open
}

func (k *knownNode) is(flag string) bool { return slices.Contains(k.flags, flag) }

// known returns what a node knows of the cluster, by id.
func (n *Node) known(ctx context.Context) (map[string]*knownNode, error) {
	reply, err := n.ask(ctx, "CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	known := map[string]*knownNode{}
	for line := range strings.Lines(reply[0]) {
		words := strings.Fields(line)
		if len(words) < 8 {
			return nil, fmt.Errorf("%q is no line of CLUSTER NODES", line)
		}
		k := &knownNode{id: words[0], flags: strings.Split(words[2], ","), primary: words[3], linked: words[7] == "connected"}
		for _, w := range words[8:] {
			if !strings.HasPrefix(w, "[") {
				k.slots = append(k.slots, w)
			}
		}
		known[k.id] = k
	}
	return known, nil
}

// Nodes returns all nodes: the first primaries, their replicas in the same order,
// and then those that were added.
func (c *Cluster) Nodes() []*Node { return slices.Clone(c.nodes) }

// running returns the nodes whose process runs.
func (c *Cluster) running() []*Node {
	return slices.DeleteFunc(c.Nodes(), func(n *Node) bool { return n.Exited() })
}

// byID returns a node, nil without one.
func (c *Cluster) byID(id string) *Node {
	i := slices.IndexFunc(c.nodes, func(n *Node) bool { return n.ID == id })
	if i < 0 {
		return nil
	}
	return c.nodes[i]
}

// Primaries returns the nodes that say that they are primaries, those without slots
// too, in the order of Nodes. The others may learn later that one is a replica now.
func (c *Cluster) Primaries(ctx context.Context) ([]*Node, error) {
	var primaries []*Node
	for _, n := range c.running() {
		known, err := n.known(ctx)
		if err != nil {
			return nil, err
		}
		if known[n.ID].is("master") {
			primaries = append(primaries, n)
		}
	}
	return primaries, nil
}

// look returns what the first node that runs knows.
func (c *Cluster) look(ctx context.Context) (map[string]*knownNode, error) {
	running := c.running()
	if len(running) == 0 {
		return nil, errors.New("no node of the cluster runs")
	}
	return running[0].known(ctx)
}

// Owner returns the primary that owns a slot.
func (c *Cluster) Owner(ctx context.Context, slot int) (*Node, error) {
	known, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range known {
		for _, run := range k.slots {
			first, last, ranged := strings.Cut(run, "-")
			if !ranged {
				last = first
			}
			a, errA := strconv.Atoi(first)
			b, errB := strconv.Atoi(last)
			if errA == nil && errB == nil && a <= slot && slot <= b {
				return c.byID(k.id), nil
			}
		}
	}
	return nil, fmt.Errorf("nobody owns slot %d", slot)
}

// Add starts a node and makes it a primary of the cluster, without slots.
func (c *Cluster) Add(ctx context.Context) (*Node, error) {
	n, err := c.launch(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.meet(ctx, n); err != nil {
		return nil, err
	}
	return n, c.Wait(ctx)
}

// AddReplica starts a node and makes it a replica of a primary.
func (c *Cluster) AddReplica(ctx context.Context, primary *Node) (*Node, error) {
	n, err := c.Add(ctx)
	if err != nil {
		return nil, err
	}
	return n, c.replicate(ctx, n, primary)
}

// Remove takes a node that owns no slot out of the cluster and stops it.
func (c *Cluster) Remove(ctx context.Context, n *Node) error {
	known, err := c.look(ctx)
	if err != nil {
		return err
	}
	if k := known[n.ID]; k != nil && len(k.slots) > 0 {
		return fmt.Errorf("%s owns slots: move them first", n.Address())
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(other *Node) bool { return other == n })
	if err := n.stop(); err != nil {
		return err
	}
	// Whoever has not forgotten a node tells the others of it.
	return until(ctx, "the node is forgotten", func(ctx context.Context) bool {
		gone := true
		for _, other := range c.running() {
			known, err := other.known(ctx)
			if err != nil {
				return false
			}
			if known[n.ID] != nil {
				gone = false
				_, _ = other.ask(ctx, "CLUSTER", "FORGET", n.ID) // the next round looks
			}
		}
		return gone
	})
}

func (n *Node) stop() error {
	err := n.Stop()
	n.bus.Release()
	return err
}

// Stop stops every node and removes the files.
func (c *Cluster) Stop() error {
	var errs []error
	for _, n := range c.nodes {
		n.Kill() // in order it would wait for its replicas
		errs = append(errs, n.stop())
	}
	if err := os.RemoveAll(c.dir); err != nil {
		errs = append(errs, fmt.Errorf("remove the cluster's folder: %w", err))
	}
	return errors.Join(errs...)
}
