package redis

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/keylift/keylift/row"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/redis/topology"
)

// inspectCluster reports what it finds of a cluster and of each of its primaries.
func (s *Source) inspectCluster(ctx context.Context) (*source.Report, error) {
	l := s.newLookout()
	defer l.close()
	v, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	if !v.torn.IsEmpty() { // for a moment that is no fault
		settled, err := l.settled(ctx)
		if err == nil {
			v = settled
		}
	}
	sessions, err := l.sessions(ctx, v)
	if err != nil {
		return nil, err
	}
	defer closeAll(sessions)
	all := &inspection{report: &source.Report{Mode: modeScan}}
	s.inspectSlots(all, v)
	if err := s.prepare(sessions); err != nil {
		return nil, err
	}
	c, err := s.choose(ctx, row.Position{})
	if err != nil {
		return nil, err
	}
	each := make([]*inspection, len(sessions))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(clusterNodes)
	for n, ss := range sessions {
		g.Go(func() (err error) {
			var ready bool
			if each[n], ready, err = s.inspectServer(gctx, ss); ready && c.mode == modeReplica {
				s.inspectReplica(gctx, ss, each[n])
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := s.inspectStandIns(ctx, sessions, each); err != nil {
		return nil, err
	}
	all.gather(each)
	s.inspectTables(all)
	report := all.report
	for i := range v.Nodes {
		for _, r := range v.Nodes[i].Replicas {
			report.Nodes = append(report.Nodes, source.Node{Address: r.Address, Role: "replica"})
		}
	}
	report.Mode, report.Reason = c.mode, c.reason
	if c.mode == modeReplica && s.options.ReadReplica {
		all.add("read_from", source.Warn, noStandIn)
	}
	if c.mode == modeScan && s.options.Follow {
		all.add("mode", source.Fail, errCluster.Error())
	}
	return report, nil
}

// inspectStandIns tells who is read in place of each primary, where a replica was asked
// for.
func (s *Source) inspectStandIns(ctx context.Context, primaries []*session, each []*inspection) error {
	if !s.options.ReadReplica || s.options.Replica || s.options.Follow {
		return nil
	}
	for n, primary := range primaries {
		ss, err := primary.node.connect(ctx)
		if err == nil {
			ss, err = s.standIn(ctx, ss)
		}
		if err != nil {
			return err
		}
		each[n].whom(ss.node, true)
		ss.close()
	}
	return nil
}

// inspectSlots tells who holds the slots of a cluster.
func (s *Source) inspectSlots(i *inspection, v *view) {
	primaries, replicas, idle := 0, 0, 0
	var failed []string
	for n := range v.Nodes {
		node := &v.Nodes[n]
		if node.Failed {
			failed = append(failed, node.Address)
		}
		if node.Slots.IsEmpty() {
			idle++
		} else {
			primaries++
		}
		replicas += len(node.Replicas)
		for _, r := range node.Replicas {
			if r.Failed {
				failed = append(failed, r.Address)
			}
		}
	}
	what := fmt.Sprintf("%d primaries with %d replicas hold %d of %d slots", primaries, replicas, v.Owned().Len(), topology.Count)
	if fault := v.fault(); fault != "" {
		i.add("cluster", source.Fail, what+": "+fault)
	} else {
		i.ok("cluster", what+"; several nodes are read at once")
	}
	if idle > 0 {
		i.ok("cluster", fmt.Sprintf("%d primaries hold no slots: there is nothing to be read of them", idle))
	}
	for _, address := range failed {
		i.add("cluster", source.Warn, "the cluster says that "+address+" has failed")
	}
	if open := v.Open(); !open.IsEmpty() {
		i.ok("cluster", fmt.Sprintf("slots are being moved: %s; those that move while they are read are read again", slotsText(open)))
	}
}

// gather adds the reports of several servers. What is found on all of them is told
// once.
func (i *inspection) gather(each []*inspection) {
	met := map[source.Finding]int{}
	for _, one := range each {
		i.report.Nodes = append(i.report.Nodes, one.report.Nodes...)
		i.report.Keys += one.report.Keys
		i.report.Uncounted = i.report.Uncounted || one.report.Uncounted
		i.report.Missing = append(i.report.Missing, one.report.Missing...)
		for _, f := range one.report.Findings {
			met[f]++
		}
	}
	slices.Sort(i.report.Missing)
	i.report.Missing = slices.Compact(i.report.Missing)
	told := map[source.Finding]bool{}
	for _, one := range each {
		for _, f := range one.report.Findings {
			if told[f] {
				continue
			}
			if met[f] == len(each) {
				told[f] = true
			} else {
				f.Detail = one.report.Nodes[0].Address + ": " + f.Detail
			}
			i.report.Findings = append(i.report.Findings, f)
		}
	}
}
