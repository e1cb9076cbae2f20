package rdbfile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/keylift/keylift/rdb"
	"github.com/keylift/keylift/source"
)

// Inspect looks at the file's beginning. Of an input it reads nothing.
func (s *Source) Inspect(ctx context.Context) (*source.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	report := &source.Report{
		Mode:      "rdb",
		Uncounted: true,
		Reason:    "an RDB file is given: its moment is read whole, and deletes are found by comparison with what was loaded before",
		Nodes:     []source.Node{{Address: s.name(), Version: "RDB", Role: "file"}},
	}
	for _, detail := range s.plan.Unreachable() {
		report.Findings = append(report.Findings, source.Finding{Name: "tables", Level: source.Warn, Detail: detail})
	}
	if s.options.Path == inputPath {
		report.Findings = append(report.Findings, source.Finding{Name: "file", Level: source.OK, Detail: "standard input is read once, to its end"})
		return report, nil
	}
	f, err := s.file()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	scanner := rdb.NewScanner(f)
	if _, err := scanner.Next(); err != nil && !errors.Is(err, io.EOF) {
		report.Findings = append(report.Findings, source.Finding{Name: "file", Level: source.Fail, Detail: explain(err).Error()})
		return report, nil
	}
	report.Nodes[0].Version = fmt.Sprintf("RDB version %d", scanner.Version())
	detail := report.Nodes[0].Version
	if created := scanner.Created(); !created.IsZero() {
		detail += ", written " + created.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	if version := scanner.Aux("valkey-ver"); version != "" {
		detail += " by valkey " + version
	} else if version := scanner.Aux("redis-ver"); version != "" {
		detail += " by redis " + version
	}
	report.Findings = append(report.Findings, source.Finding{Name: "file", Level: source.OK, Detail: detail})
	return report, nil
}
