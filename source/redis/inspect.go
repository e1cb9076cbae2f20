package redis

import (
	"context"
	"fmt"

	"github.com/keylift/keylift/source"
)

// Inspect connects and reports what it finds. It reads no value.
func (s *Source) Inspect(ctx context.Context) (*source.Report, error) {
	ss, err := s.node.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer ss.close()
	s.node.reached = true
	sv := &ss.server
	report := &source.Report{
		Mode:   "scan",
		Reason: "each key is read at its own moment; deletes are found at the end of each complete snapshot",
		Nodes:  []source.Node{{Address: s.options.Address, Version: sv.product + " " + sv.version, RunID: sv.runID, Role: sv.role}},
	}
	for _, db := range s.databases(sv) {
		report.Keys += keyspace(sv.info)[db]
	}
	report.Findings = append(report.Findings, source.Finding{
		Name: "connect", Detail: fmt.Sprintf("%s %s, %s, round trip %s", sv.product, sv.version, sv.role, sv.rtt),
	})
	if err := s.node.readable(sv); err != nil {
		report.Findings = append(report.Findings, source.Finding{Name: "server", Level: source.Fail, Detail: err.Error()})
	}
	return report, nil
}
