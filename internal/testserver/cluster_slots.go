package testserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	keysAtOnce = 100             // how many keys a step of a migration moves
	tellAgain  = 2 * time.Second // how long after a move the nodes are told again who owns what
)

// Move moves the slots from first to last, which have one owner, and their keys to
// another primary, as redis-cli --cluster reshard does: slot by slot.
func (c *Cluster) Move(ctx context.Context, first, last int, to *Node) error {
	m, err := c.mover(ctx, first, to)
	if err != nil {
		return err
	}
	defer m.end()
	for slot := first; slot <= last; slot++ {
		if err := m.open(ctx, slot); err != nil {
			return err
		}
		for more := true; more; {
			if more, err = m.migrate(ctx, slot, keysAtOnce); err != nil {
				return err
			}
		}
		if err := m.close(ctx, slot); err != nil {
			return err
		}
	}
	// Redis 7.0 keeps, for a slot that has a new owner, that the owner before did not
	// claim it once: a message which that one sent before it was told takes the slot
	// back from the new owner, and from nobody else.
	told := time.Now()
	return until(ctx, "the cluster is well", func(ctx context.Context) bool {
		if c.well(ctx) {
			return true
		}
		if time.Since(told) > tellAgain {
			told = time.Now()
			for slot := first; slot <= last; slot++ {
				_ = m.close(ctx, slot) // the next round looks
			}
		}
		return false
	})
}

// BeginMove opens the slots from first to last and moves some keys of each, as many
// as it is told, to another primary: clients are answered ASK then. Move, to the
// same primary, does the rest.
func (c *Cluster) BeginMove(ctx context.Context, first, last, keys int, to *Node) error {
	m, err := c.mover(ctx, first, to)
	if err != nil {
		return err
	}
	defer m.end()
	for slot := first; slot <= last; slot++ {
		if err := m.open(ctx, slot); err != nil {
			return err
		}
		if keys == 0 {
			continue
		}
		if _, err := m.migrate(ctx, slot, keys); err != nil {
			return err
		}
	}
	return nil
}

// A mover moves slots of one primary to another.
type mover struct {
	from, to *Node
	clients  []*client // of to, from, and then of all other primaries
	auth     []string  // words of MIGRATE
}

func (c *Cluster) mover(ctx context.Context, slot int, to *Node) (*mover, error) {
	from, err := c.Owner(ctx, slot)
	if err != nil {
		return nil, err
	}
	if from == to {
		return nil, fmt.Errorf("%s owns slot %d already", to.Address(), slot)
	}
	primaries, err := c.Primaries(ctx)
	if err != nil {
		return nil, err
	}
	m := &mover{from: from, to: to}
	if p := c.options.Server.Password; p != "" {
		m.auth = []string{"AUTH", p}
	}
	others := slices.DeleteFunc(primaries, func(n *Node) bool { return n == to || n == from })
	for _, n := range slices.Concat([]*Node{to, from}, others) {
		client, err := n.dial(ctx)
		if err != nil {
			m.end()
			return nil, err
		}
		m.clients = append(m.clients, client)
	}
	return m, nil
}

func (m *mover) end() {
	for _, c := range m.clients {
		c.close()
	}
}

// open opens a slot for migration. It may be open already.
func (m *mover) open(ctx context.Context, slot int) error {
	number := strconv.Itoa(slot)
	if _, err := m.clients[0].do(ctx, "CLUSTER", "SETSLOT", number, "IMPORTING", m.from.ID); err != nil {
		return fmt.Errorf("import slot %d: %w", slot, err)
	}
	if _, err := m.clients[1].do(ctx, "CLUSTER", "SETSLOT", number, "MIGRATING", m.to.ID); err != nil {
		return fmt.Errorf("migrate slot %d: %w", slot, err)
	}
	return nil
}

// migrate moves up to n keys of a slot, and reports whether there were any.
func (m *mover) migrate(ctx context.Context, slot, n int) (bool, error) {
	keys, err := m.clients[1].do(ctx, "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(slot), strconv.Itoa(n))
	if err != nil || len(keys) == 0 {
		return false, err
	}
	host, port, _ := strings.Cut(m.to.Address(), ":")
	command := slices.Concat([]string{"MIGRATE", host, port, "", "0", strconv.FormatInt(replyWithin.Milliseconds(), 10)},
		m.auth, []string{"KEYS"}, keys)
	if _, err = m.clients[1].do(ctx, command...); err != nil {
		return false, fmt.Errorf("migrate keys of slot %d: %w", slot, err)
	}
	return true, nil
}

// close gives a slot to its new owner. The other primaries are told, too: nobody
// wants to wait for gossip.
func (m *mover) close(ctx context.Context, slot int) error {
	for _, c := range m.clients {
		if _, err := c.do(ctx, "CLUSTER", "SETSLOT", strconv.Itoa(slot), "NODE", m.to.ID); err != nil {
			return fmt.Errorf("give slot %d to its owner: %w", slot, err)
		}
	}
	return nil
}

// failoverWithin is how long a replica goes on trying to take over when it is told to.
const failoverWithin = 5 * time.Second

// FailOver makes the replica of a primary take over in order, without any loss, and
// returns it. The primary becomes its replica.
func (c *Cluster) FailOver(ctx context.Context, primary *Node) (*Node, error) {
	replica, err := c.replicaOf(ctx, primary)
	if err != nil {
		return nil, err
	}
	var told time.Time
	err = until(ctx, "the replica has taken over", func(ctx context.Context) bool {
		if c.hasTakenOver(ctx, replica) {
			return true
		}
		if time.Since(told) > failoverWithin {
			told = time.Now()
			_, _ = replica.ask(ctx, "CLUSTER", "FAILOVER") // what it says is seen next
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	err = until(ctx, "the primary of before is a replica", func(ctx context.Context) bool {
		return primary.info(ctx, "master_link_status") == "up"
	})
	return replica, errors.Join(err, c.Wait(ctx))
}

// Crash kills a primary and waits until its replica has taken over, which it returns.
// Restart makes the killed one its replica.
func (c *Cluster) Crash(ctx context.Context, primary *Node) (*Node, error) {
	replica, err := c.replicaOf(ctx, primary)
	if err != nil {
		return nil, err
	}
	primary.Kill()
	if err := c.takenOver(ctx, replica); err != nil {
		return nil, err
	}
	return replica, c.Wait(ctx)
}

// takenOver waits until a node is a primary, as all others say.
func (c *Cluster) takenOver(ctx context.Context, replica *Node) error {
	return until(ctx, "the replica has taken over", func(ctx context.Context) bool { return c.hasTakenOver(ctx, replica) })
}

func (c *Cluster) hasTakenOver(ctx context.Context, replica *Node) bool {
	for _, n := range c.running() {
		known, err := n.known(ctx)
		if err != nil || known[replica.ID] == nil || !known[replica.ID].is("master") || len(known[replica.ID].slots) == 0 {
			return false
		}
	}
	return true
}

// replicaOf returns a replica of a primary that has its data. Gossip may tell of it
// later than of the primary.
func (c *Cluster) replicaOf(ctx context.Context, primary *Node) (replica *Node, err error) {
	err = until(ctx, "a replica has the data of "+primary.Address(), func(ctx context.Context) bool {
		known, err := c.look(ctx)
		if err != nil {
			return false
		}
		for _, n := range c.running() {
			if k := known[n.ID]; k != nil && k.primary == primary.ID && n.info(ctx, "master_link_status") == "up" {
				replica = n
				return true
			}
		}
		return false
	})
	return replica, err
}
